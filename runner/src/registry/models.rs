use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use contract::{Manifest, Metrics, Primary};
use futures_util::stream::{Stream, StreamExt, TryStreamExt};
use serde::Serialize;

use super::RegistryError;
use crate::store::{
    Damaged, Depth, REJECTED, Store, StoreError, find_manifest, manifest_key, may_be_model,
};

/// Manifests that are read at a time.
pub(super) const READERS: usize = 64;

/// What a listing says of a model: little, so that ten thousand fit into memory.
#[derive(Clone, Debug, Serialize)]
pub struct Model {
    pub name: String,
    pub save_path: String,
    pub model_version: String,
    pub url: String,
    /// RFC 3339, UTC.
    pub finished: String,
    pub primary: Primary,
    /// Held-out scores by name.
    pub scores: BTreeMap<String, f64>,
    /// Whether more of it is better, for each of them of which that is known.
    pub higher_is_better: BTreeMap<String, bool>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// The grid that it is a point of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grid: Option<String>,
    /// Whether it is the record of a version that missed a gate.
    pub rejected: bool,
}

/// Which models are asked for.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub save_path: Option<String>,
    pub version: Option<String>,
    pub tags: BTreeMap<String, String>,
    pub grid: Option<String>,
    /// Records of versions that missed a gate, instead of models.
    pub rejected: bool,
}

impl Filter {
    fn fits(&self, manifest: &Manifest) -> bool {
        let same =
            |asked: &Option<String>, found: &str| asked.as_ref().is_none_or(|asked| asked == found);
        let grid = manifest.grid.as_ref().map_or("", |grid| grid.id.as_str());
        same(&self.save_path, &manifest.save_path)
            && same(&self.version, &manifest.model_version)
            // A grid's id is a digest: its beginning will do.
            && self.grid.as_ref().is_none_or(|asked| !grid.is_empty() && grid.starts_with(asked))
            && self.tags.iter().all(|(key, value)| manifest.tags.get(key) == Some(value))
    }

    /// What the names begin with: it spares reading manifests of others. The manifest decides.
    fn prefix(&self) -> String {
        let mut prefix = if self.rejected {
            format!("{REJECTED}/")
        } else {
            String::new()
        };
        if let Some(save_path) = &self.save_path {
            prefix.push_str(&format!("{save_path}_v"));
            if let Some(version) = &self.version {
                prefix.push_str(&format!("{version}_"));
            }
        }
        prefix
    }
}

/// Reads the manifests whose names fit, many at a time, in no order: their keys, and what they say or what is wrong with them.
/// One that can't be read is such a one, and does not fail the others.
pub(super) fn each_manifest<'a>(
    store: &'a dyn Store,
    filter: &'a Filter,
) -> impl Stream<Item = Result<(String, Result<Manifest, Damaged>), StoreError>> + 'a {
    store
        .list(&filter.prefix(), Depth::One)
        .try_filter_map(|entry| {
            let key = match entry.key.strip_suffix('/') {
                Some(name) if may_be_model(name) => Some(manifest_key(name)),
                None if filter.rejected => Some(entry.key),
                // A link in the place of a model's folder: that it can't be read is said of its manifest.
                None if may_be_model(&entry.key) => Some(manifest_key(&entry.key)),
                _ => None,
            };
            std::future::ready(Ok(key))
        })
        .map(move |key| async move {
            let key = match key {
                Ok(key) => key,
                // A folder that can't be listed.
                Err(error) => {
                    let problem = Damaged::of(error)?;
                    return Ok(Some((filter.prefix(), Err(problem))));
                }
            };
            // An upload that was never committed has none.
            let found = find_manifest(store, &key).await?;
            Ok(found.map(|manifest| (key, manifest)))
        })
        .buffer_unordered(READERS)
        .try_filter_map(|found| std::future::ready(Ok(found)))
}

/// Reads the manifests that fit, many at a time, and makes `of` of each. In no order.
///
/// # Errors
/// When the store can't be listed or read. A manifest that is damaged is warned of and left out.
pub(super) async fn manifests<T: Send>(
    store: &dyn Store,
    filter: &Filter,
    of: impl Fn(Manifest) -> T + Sync,
) -> Result<Vec<T>, StoreError> {
    each_manifest(store, filter)
        .try_filter_map(|(key, manifest)| {
            let manifest = manifest
                .inspect_err(|problem| {
                    tracing::warn!(
                        "{} is left out: {problem}{}",
                        store.url(&key),
                        advice(problem)
                    );
                })
                .ok();
            let found = manifest.filter(|manifest| filter.fits(manifest));
            std::future::ready(Ok(found.map(&of)))
        })
        .try_collect()
        .await
}

/// What to do about a manifest that can't be read.
pub(super) fn advice(damaged: &Damaged) -> &'static str {
    if damaged.may_be_whole() {
        ""
    } else {
        "; `runner delete NAME` or `runner gc --damaged` removes it"
    }
}

/// The models that fit, newest first; or by a score, best first.
///
/// # Errors
/// When the store can't be listed or read, or nothing tells which direction of the score is better.
pub async fn list(
    store: &dyn Store,
    filter: &Filter,
    sort: Option<&str>,
) -> Result<Vec<Model>, RegistryError> {
    let of = |manifest: Manifest| Model {
        url: store.url(&manifest.name),
        finished: manifest.times.finished,
        higher_is_better: directions(&manifest.metrics),
        primary: manifest.metrics.primary,
        scores: manifest.metrics.held_out.scores,
        tags: manifest.tags,
        grid: manifest.grid.map(|grid| grid.id),
        rejected: filter.rejected,
        name: manifest.name,
        save_path: manifest.save_path,
        model_version: manifest.model_version,
    };
    let mut models = manifests(store, filter, of).await?;
    let higher = match sort {
        Some(score) => higher_is_better(score, &models)?,
        None => true,
    };
    models.sort_by(|left, right| {
        let order = match sort {
            Some(score) => by_score(score, higher, left, right),
            None => newer(&left.finished, &right.finished),
        };
        // Manifests come in any order: a listing must not.
        order.then_with(|| left.name.cmp(&right.name))
    });
    Ok(models)
}

/// Whether more of it is better, for each held-out score of which that is known.
fn directions(metrics: &Metrics) -> BTreeMap<String, bool> {
    let scores = metrics.held_out.scores.keys();
    scores
        .filter_map(|name| Some((name.clone(), metrics.is_higher_better(name)?)))
        .collect()
}

/// What all models that have the score say of it.
fn higher_is_better(score: &str, models: &[Model]) -> Result<bool, RegistryError> {
    let having = models
        .iter()
        .filter(|model| model.scores.contains_key(score));
    let said: BTreeSet<Option<bool>> = having
        .map(|model| model.higher_is_better.get(score).copied())
        .collect();
    match said.into_iter().collect::<Vec<_>>()[..] {
        [] => Ok(true),
        [Some(higher)] | [None, Some(higher)] => Ok(higher),
        [None] => Err(RegistryError::UnknownDirection {
            score: score.to_owned(),
            problem: "its module does not say whether more or less of it is better (`higher_is_better` in its metrics.json)",
        }),
        _ => Err(RegistryError::UnknownDirection {
            score: score.to_owned(),
            problem: "more of it is better for some of these models and worse for others: list those of one --save-path",
        }),
    }
}

fn by_score(score: &str, higher_is_better: bool, left: &Model, right: &Model) -> Ordering {
    let of = |model: &Model| model.scores.get(score).copied();
    // What has no such score comes last.
    match (of(left), of(right)) {
        (Some(left), Some(right)) if higher_is_better => right.total_cmp(&left),
        (Some(left), Some(right)) => left.total_cmp(&right),
        (left, right) => right.is_some().cmp(&left.is_some()),
    }
}

/// The later time first.
pub(super) fn newer(left: &str, right: &str) -> Ordering {
    let time = |text: &str| text.parse::<jiff::Timestamp>().ok();
    time(right).cmp(&time(left))
}
