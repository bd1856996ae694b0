//! The models and verdicts of a store that came of the same work, whichever dispatch made them.
//!
//! A claim names one dispatched job. What took the place of a job that was stopped has a claim of its own, so that a claim
//! alone cannot prevent a second model. docs/adr/dispatched-again.md says what counts as the same.

use std::collections::BTreeMap;

use contract::{Manifest, SpecificationOrigin};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::answers::Job;
use super::api::AT_A_TIME;
use super::campaign::{Campaign, Work};
use super::end::End;
use super::error::DispatchError;
use crate::data::Source;
use crate::made::{self, Versions};
use crate::plan;
use crate::store::{REJECTED, Store, StoreError, is_shared, manifest_key, rejected_key};

/// What makes two models one piece of work.
pub struct Identity {
    model_version: String,
    save_path: String,
    seed: u64,
    batch_size: Option<u32>,
    epochs: Option<u32>,
    specification: Option<SpecificationOrigin>,
    /// SHA-256; not known of a job that downloads no module with a digest.
    module: Option<String>,
    data: Data,
}

/// The dataset, as far as it is known before it is fetched.
enum Data {
    /// A snapshot is named by its SHA-256.
    Sha256(String),
    /// Its address, without what must not be shown.
    Source(String),
}

impl Data {
    fn of(url: &str) -> Self {
        let mut parts = url.rsplitn(3, '/');
        let key = match (parts.next(), parts.next()) {
            (Some(name), Some(folder)) => format!("{folder}/{name}"),
            _ => String::new(),
        };
        match key.strip_prefix("_data/") {
            Some(sha256) if is_shared(&key) => Self::Sha256(sha256.to_owned()),
            _ => Self::Source(
                Source::parse(url).map_or_else(|_| url.to_owned(), |source| source.to_string()),
            ),
        }
    }
}

impl Identity {
    /// The model that the allocation `index` of a dispatch makes of the version at `position`.
    ///
    /// # Errors
    /// When the specification of a grid's point cannot be made.
    pub fn of(
        campaign: &Campaign,
        job: &Job,
        work: &Work,
        position: usize,
        index: u32,
    ) -> Result<Self, DispatchError> {
        let model_version = work.versions.get(position).cloned().unwrap_or_default();
        let number = |key: &str| work.meta.get(key).and_then(|text| text.parse().ok());
        Ok(Self {
            seed: plan::derived_seed(&model_version, index),
            model_version,
            save_path: campaign.save_path.clone(),
            batch_size: number("batch_size"),
            epochs: number("epochs"),
            specification: campaign.specification_of(work.points.get(position).copied())?,
            module: job.module_sha256().map(str::to_owned),
            data: Data::of(work.meta.get("data_url").map_or("", String::as_str)),
        })
    }

    fn is_of(&self, manifest: &Manifest) -> bool {
        manifest.save_path == self.save_path
            && manifest.model_version == self.model_version
            && manifest.seed == self.seed
            && manifest.parameters.batch_size == self.batch_size
            && manifest.parameters.epochs == self.epochs
            && manifest.specification == self.specification
            && self
                .module
                .as_ref()
                .is_none_or(|module| *module == manifest.module.sha256)
            && match &self.data {
                Data::Sha256(sha256) => *sha256 == manifest.data.sha256,
                Data::Source(source) => *source == manifest.data.source,
            }
    }
}

/// What the store holds of this work, by key: a model, else the verdict that it missed a gate. A model that one of `jobs`, the
/// dispatches of this very work, made counts whatever it was made of.
///
/// # Errors
/// When the store cannot be listed or read.
pub async fn find<K: Copy + Ord>(
    store: &dyn Store,
    save_path: &str,
    identities: &[(K, Identity)],
    jobs: &[String],
) -> Result<BTreeMap<K, End>, StoreError> {
    let names = identities
        .iter()
        .map(|(_, identity)| identity.model_version.as_str());
    let versions = Versions::of(save_path, names);
    let rejected = format!("{REJECTED}/");
    let models = versions.candidates(store, "", "/").await?;
    let verdicts = versions.candidates(store, &rejected, ".json").await?;
    let models = models
        .into_iter()
        .map(|(_, name)| (manifest_key(&name), true));
    let verdicts = verdicts
        .into_iter()
        .map(|(_, name)| (rejected_key(&name), false));
    let manifests: Vec<(Option<Manifest>, bool)> = stream::iter(models.chain(verdicts))
        .map(|(key, published)| async move {
            Ok::<_, StoreError>((made::read(store, &key).await?, published))
        })
        .buffered(AT_A_TIME)
        .try_collect()
        .await?;
    let mut by_version: BTreeMap<&str, Vec<&(K, Identity)>> = BTreeMap::new();
    for identity in identities {
        let version = identity.1.model_version.as_str();
        by_version.entry(version).or_default().push(identity);
    }
    let mut found = BTreeMap::new();
    // Models come first, and so beat verdicts.
    for (manifest, published) in &manifests {
        let Some(manifest) = manifest else { continue };
        let by_job = manifest
            .nomad
            .as_ref()
            .is_some_and(|nomad| jobs.contains(&nomad.job_id));
        let same_version = by_version.get(manifest.model_version.as_str());
        for (key, identity) in same_version.into_iter().flatten() {
            if identity.is_of(manifest) || by_job && manifest.seed == identity.seed {
                found
                    .entry(*key)
                    .or_insert_with(|| End::in_store(manifest, *published));
            }
        }
    }
    Ok(found)
}
