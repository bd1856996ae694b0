//! Models whose manifest can't be read: left out by every verb, and removed by those that are asked to.

use futures_util::stream::TryStreamExt;

use super::RegistryError;
use super::alias::aliases;
use super::gc::{Found, Unit, wasted};
use super::models::{Filter, each_manifest};
use super::shelf::Claims;
use crate::store::{
    Depth, Entry, REJECTED, Store, StoreError, find_manifest, manifest_key, may_be_claim,
    may_be_model, rejected_key,
};

/// Whether `name` is the full name of a model whose manifest is damaged. Then it is said why.
///
/// # Errors
/// When the store refuses or fails; when the manifest may be whole, though it can't be read here: such a model is not deleted.
pub async fn is_damaged(store: &dyn Store, name: &str) -> Result<bool, RegistryError> {
    if !may_be_model(name) {
        return Ok(false);
    }
    let key = manifest_key(name);
    let Some(Err(problem)) = find_manifest(store, &key).await? else {
        return Ok(false);
    };
    let url = store.url(&key);
    if problem.may_be_whole() {
        return Err(RegistryError::PerhapsWhole { url, problem });
    }
    tracing::warn!("{url} can't be read: {problem}");
    Ok(true)
}

/// Models, records of rejected versions, claims and aliases that are damaged, besides what was `found`: as old as the rest of
/// it, not of a newer runner, and with no alias that stands for them.
///
/// # Errors
/// When the store can't be listed or read.
pub async fn add_damaged(store: &dyn Store, found: &mut Found) -> Result<(), StoreError> {
    let aliases = aliases(store, None).await?;
    for name in damaged(store, false).await? {
        if aliases.keep(&name).is_some() {
            tracing::warn!(
                "{} stays: an alias stands for it, or may do so",
                store.url(&name)
            );
        } else {
            let files = files_of(store, &name).await?;
            let unit = Unit::Deleted(name);
            add(found, files, "of a model whose manifest is damaged", unit);
        }
    }
    for name in damaged(store, true).await? {
        let record = list(store, &rejected_key(&name)).await?;
        add(found, record, "a record that is damaged", Unit::Object);
    }
    for (claim, problem) in Claims::read(store).await?.unreadable {
        if !problem.may_be_whole() && may_be_claim(&claim.key) {
            add(found, vec![claim], "a claim that is damaged", Unit::Object);
        }
    }
    for alias in aliases.unreadable {
        if let Some(entry) = alias.entry
            && !alias.problem.may_be_whole()
        {
            add(found, vec![entry], "an alias that is damaged", Unit::Object);
        }
    }
    // As they are removed, and told of then.
    found
        .garbage
        .sort_by(|left, right| left.key.cmp(&right.key));
    Ok(())
}

/// Names of models, or of rejected versions, whose manifests are damaged.
async fn damaged(store: &dyn Store, rejected: bool) -> Result<Vec<String>, StoreError> {
    let filter = Filter {
        rejected,
        ..Filter::default()
    };
    let mut names = Vec::new();
    let mut manifests = std::pin::pin!(each_manifest(store, &filter));
    while let Some((key, manifest)) = manifests.try_next().await? {
        let name = if rejected {
            key.strip_prefix(REJECTED)
                .and_then(|key| key.strip_prefix('/')?.strip_suffix(".json"))
        } else {
            key.split_once('/').map(|(name, _)| name)
        };
        // What is not named like ours may be somebody else's.
        if manifest.is_err_and(|problem| !problem.may_be_whole())
            && let Some(name) = name.filter(|name| may_be_model(name))
        {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// The objects of a model whose manifest is damaged. Where a link lies in the place of its folder, it is that link.
async fn files_of(store: &dyn Store, name: &str) -> Result<Vec<Entry>, StoreError> {
    match list(store, &format!("{name}/")).await {
        Err(error) => {
            error.of_one_object()?;
            let found: Vec<Entry> = store.list(name, Depth::One).try_collect().await?;
            Ok(found
                .into_iter()
                .filter(|found| found.key == name)
                .collect())
        }
        files => files,
    }
}

async fn list(store: &dyn Store, prefix: &str) -> Result<Vec<Entry>, StoreError> {
    store.list(prefix, Depth::All).try_collect().await
}

/// What belongs together goes or stays together.
fn add(found: &mut Found, entries: Vec<Entry>, why: &'static str, unit: Unit) {
    let before = found.before;
    let is_old = |entry: &Entry| entry.modified.is_some_and(|changed| changed < before);
    if entries.iter().all(is_old) {
        let garbage = entries
            .into_iter()
            .map(|entry| wasted(entry, why, unit.clone()));
        found.garbage.extend(garbage);
    }
}
