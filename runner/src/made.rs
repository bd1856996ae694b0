//! Versions that an earlier process made already: what was stopped half-way goes on from there.

use std::collections::HashMap;
use std::sync::Arc;

use contract::Manifest;
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::plan::{Plan, RunPlan};
use crate::registry;
use crate::report::{Outcome, Status};
use crate::run::Prepared;
use crate::store::{
    Depth, FolderStore, REJECTED, Store, StoreError, find_manifest, manifest_key, rejected_key,
};

/// Manifests that are read at a time.
const READERS: usize = 16;

/// The outcomes of those of the plan's runs that are there: same save path and version, made by the same module from
/// the same data, specification, parameters and seed. By position in the plan.
///
/// # Errors
/// When the store cannot be listed or read.
pub async fn find(plan: &Plan, prepared: &Prepared) -> Result<HashMap<usize, Outcome>, StoreError> {
    // A store has a record of a version that missed a gate; kept on this machine, it is a folder.
    let (store, status, end): (Arc<dyn Store>, _, _) = match &plan.store {
        Some(target) => (target.open()?, Status::AlreadyPublished, ".json"),
        None => (
            Arc::new(FolderStore::new(plan.out.clone())),
            Status::Kept,
            "/",
        ),
    };
    let Some(first) = plan.runs.first() else {
        return Ok(HashMap::new());
    };
    let versions = plan
        .runs
        .iter()
        .map(|run| run.version.model_version.as_str());
    let runs = Versions::of(first.version.save_path.as_str(), versions);
    let models = runs.candidates(&*store, "", "/").await?;
    let rejected = runs
        .candidates(&*store, &format!("{REJECTED}/"), end)
        .await?;
    let models = models
        .into_iter()
        .map(|(run, name)| (run, manifest_key(&name), name, status));
    let rejected = rejected.into_iter().map(|(run, name)| {
        let key = match &plan.store {
            Some(_) => rejected_key(&name),
            None => format!("{REJECTED}/{}", manifest_key(&name)),
        };
        (run, key, name, Status::GateNotMet)
    });
    let outcomes: Vec<Option<(usize, Outcome)>> = stream::iter(models.chain(rejected))
        .map(|(run, key, name, status)| {
            let store = store.clone();
            async move {
                let manifest = read(&*store, &key).await?;
                let manifest = manifest.filter(|manifest| {
                    // A deferred verdict is no verdict, and none may be passed where it is not deferred.
                    let same_verdict = match status {
                        Status::GateNotMet => !plan.defer_gate,
                        _ => plan.defer_gate || manifest.met_its_gates(),
                    };
                    same_verdict && is_of(manifest, plan, &plan.runs[run], prepared)
                });
                let location = match status {
                    Status::GateNotMet => store.url(&key),
                    _ => store.url(&name),
                };
                Ok::<_, StoreError>(manifest.map(|manifest| {
                    (
                        run,
                        Outcome {
                            status,
                            location,
                            manifest,
                        },
                    )
                }))
            }
        })
        .buffer_unordered(READERS)
        .try_collect()
        .await?;
    Ok(outcomes.into_iter().flatten().collect())
}

/// Versions of one save path, by what their models' names begin with.
pub struct Versions {
    by_start: HashMap<String, usize>,
    /// What all these names begin with.
    common: String,
}

impl Versions {
    pub fn of<'a>(save_path: &str, versions: impl IntoIterator<Item = &'a str>) -> Self {
        let starts = versions
            .into_iter()
            .map(|version| format!("{save_path}_v{version}_"));
        let by_start: HashMap<String, usize> = starts.zip(0..).collect();
        let common = match by_start.keys().next() {
            Some(only) if by_start.len() == 1 => only.clone(),
            _ => format!("{save_path}_v"),
        };
        Self { by_start, common }
    }

    /// Names that stand in the store between `folder` and `end` and may be a version's, each with the version's position.
    ///
    /// # Errors
    /// When the store cannot be listed.
    pub async fn candidates(
        &self,
        store: &dyn Store,
        folder: &str,
        end: &str,
    ) -> Result<Vec<(usize, String)>, StoreError> {
        let prefix = format!("{folder}{}", self.common);
        let mut entries = store.list(&prefix, Depth::One);
        let mut candidates = Vec::new();
        while let Some(entry) = entries.next().await {
            let key = match entry {
                Ok(entry) => entry.key,
                // What can't be read is no version that is there.
                Err(error) => {
                    registry::left_out(store, folder, error)?;
                    continue;
                }
            };
            let Some(name) = key
                .strip_prefix(folder)
                .and_then(|name| name.strip_suffix(end))
            else {
                continue;
            };
            // A name's parts may hold `_` themselves: nobody parses a name, the manifest tells.
            let starts = name.match_indices('_').map(|(at, _)| &name[..=at]);
            candidates.extend(
                starts
                    .filter_map(|start| self.by_start.get(start))
                    .map(|version| (*version, name.to_owned())),
            );
        }
        Ok(candidates)
    }
}

/// The manifest at `key`, if there is one that can be read.
///
/// # Errors
/// When the store refuses or fails.
pub async fn read(store: &dyn Store, key: &str) -> Result<Option<Manifest>, StoreError> {
    // What is no manifest of ours is no version of ours.
    match find_manifest(store, key).await? {
        Some(Err(problem)) => {
            tracing::warn!("{} is left out: {problem}", store.url(key));
            Ok(None)
        }
        found => Ok(found.and_then(Result::ok)),
    }
}

fn is_of(manifest: &Manifest, plan: &Plan, run: &RunPlan, prepared: &Prepared) -> bool {
    let specification = run
        .specification
        .as_ref()
        .map(|specification| &specification.origin);
    manifest.save_path == run.version.save_path.as_str()
        && manifest.model_version == run.version.model_version.as_str()
        && manifest.seed == run.seed
        && manifest.parameters == plan.parameters
        && manifest.module.sha256 == prepared.module.origin().sha256
        && manifest.data.sha256 == prepared.dataset.sha256
        && manifest.specification.as_ref() == specification
}
