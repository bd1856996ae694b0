use contract::Manifest;

use super::alias::read_alias;
use super::models::{Filter, advice, manifests, newer};
use super::{RegistryError, alias};
use crate::names::Name;
use crate::store::{Store, find_manifest, manifest_key};

/// The alias that is computed: the newest model of a save path.
const LATEST: &str = "latest";

/// Finds the model that `reference` names: `SAVE_PATH@ALIAS`, `SAVE_PATH@VERSION` or a full name.
///
/// A version with several models (a grid's point run twice, `count = N`) stands for the best of them by the
/// validation value of their primary score; the held-out rows are tested on, never chosen by.
///
/// # Errors
/// When there is none, or several and nothing to choose by.
pub async fn resolve(store: &dyn Store, reference: &str) -> Result<Manifest, RegistryError> {
    let Some((save_path, what)) = reference.split_once('@') else {
        return named(store, reference, reference).await;
    };
    for part in [save_path, what] {
        part.parse::<Name>()
            .map_err(|_| RegistryError::BadReference(reference.to_owned()))?;
    }
    let alias = read_alias(store, save_path, what).await?;
    if let Some((alias, _)) = alias.filter(|(alias, _)| !alias.history.is_empty()) {
        let manifest = named(store, reference, alias.current()).await?;
        // A name does not tell where its save path ends: the manifest does.
        if manifest.save_path != save_path {
            return Err(RegistryError::no_model(
                reference,
                format!(
                    "{what} stands for {}, which is a model of {}",
                    manifest.name, manifest.save_path
                ),
            ));
        }
        return Ok(manifest);
    }
    let filter = Filter {
        save_path: Some(save_path.to_owned()),
        version: (what != LATEST).then(|| what.to_owned()),
        ..Filter::default()
    };
    let mut found = manifests(store, &filter, |manifest| manifest).await?;
    if what == LATEST {
        found.sort_by(|left, right| {
            let order = newer(&left.times.finished, &right.times.finished);
            order.then_with(|| left.name.cmp(&right.name))
        });
        found.truncate(1);
    }
    match found.len() {
        0 => {
            let aliases = alias::aliases(store, Some(save_path)).await?;
            let aliases = aliases.readable.iter();
            let aliases = aliases.filter(|alias| !alias.history.is_empty());
            let aliases: Vec<&str> = aliases.map(|alias| alias.alias.as_str()).collect();
            Err(RegistryError::no_model(
                reference,
                format!(
                    "{} has no such alias or version (aliases: {}; `runner list --save-path {save_path}` shows its versions)",
                    store.url(""),
                    if aliases.is_empty() {
                        "none".to_owned()
                    } else {
                        aliases.join(", ")
                    }
                ),
            ))
        }
        1 => Ok(found.remove(0)),
        _ => best(reference, found),
    }
}

async fn named(store: &dyn Store, reference: &str, name: &str) -> Result<Manifest, RegistryError> {
    let plain = |each: char| each.is_ascii_alphanumeric() || matches!(each, '.' | '_' | '-');
    if !name.starts_with(|first: char| first.is_ascii_alphanumeric()) || !name.chars().all(plain) {
        return Err(RegistryError::BadReference(reference.to_owned()));
    }
    let key = manifest_key(name);
    let found = find_manifest(store, &key).await?.ok_or_else(|| {
        RegistryError::no_model(reference, format!("there is no {}", store.url(&key)))
    })?;
    found.map_err(|problem| {
        let advice = advice(&problem);
        RegistryError::no_model(reference, format!("{}: {problem}{advice}", store.url(&key)))
    })
}

fn best(reference: &str, found: Vec<Manifest>) -> Result<Manifest, RegistryError> {
    let names: Vec<String> = found.iter().map(|model| model.name.clone()).collect();
    let score = |model: &Manifest| {
        let primary = &model.metrics.primary;
        let sign = if primary.higher_is_better { 1.0 } else { -1.0 };
        primary.validation.map(|value| value * sign)
    };
    let comparable = found.iter().all(|model| {
        score(model).is_some() && model.metrics.primary.name == found[0].metrics.primary.name
    });
    let best = found.into_iter().max_by(|left, right| {
        let order = score(left).partial_cmp(&score(right));
        // Equal ones: the same one each time.
        order
            .unwrap_or(std::cmp::Ordering::Equal)
            .then_with(|| right.name.cmp(&left.name))
    });
    match best {
        Some(best) if comparable => Ok(best),
        _ => Err(RegistryError::no_model(
            reference,
            format!(
                "{} models have this version and no validation score to choose by; name one of them: {}",
                names.len(),
                names.join(", ")
            ),
        )),
    }
}
