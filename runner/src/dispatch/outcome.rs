//! What became of each version: told by the store where it can be, by Nomad where not.

use std::collections::BTreeMap;

use contract::Manifest;
use serde::Serialize;

use super::answers::{Allocation, Job};
use super::api::Api;
use super::campaign::Campaign;
use super::chain::Chain;
use super::error::DispatchError;
use super::nomad_end::told_by_nomad;
use super::same_work::{self, Identity};
use crate::exit::Exit;
use crate::store::{ClaimKey, Store, StoreError, claimed_model, rejected_key};
use crate::{foreign, made, report};

/// Questions asked at a time.
pub const AT_A_TIME: usize = 16;

/// One model that was to be.
#[derive(Clone, Debug, Serialize)]
pub struct Ended {
    pub model_version: String,
    /// Which of the allocations of one dispatch.
    pub index: u32,
    /// The dispatched job.
    pub job: String,
    #[serde(flatten)]
    pub end: End,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum End {
    Stored {
        /// The model's name in the store; absent where only Nomad was asked.
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        #[serde(flatten)]
        score: Option<Score>,
    },
    GateNotMet {
        #[serde(flatten)]
        score: Option<Score>,
        /// Each gate that was missed, with what was wanted and what was there; empty where only Nomad was asked.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        missed: Vec<String>,
    },
    /// It was ended before it was done.
    Stopped { by: StoppedBy, reason: String },
    Failed {
        task: String,
        /// The status of the task's process, where one ran.
        #[serde(skip_serializing_if = "Option::is_none")]
        exit_code: Option<i32>,
        reason: String,
    },
    /// No client had a place for it for as long as it was waited for.
    NotPlaced { reason: String },
    /// Nomad has no allocation of it (any more), and the store no model.
    Unknown { reason: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StoppedBy {
    NodeDrain,
    Operator,
    Preemption,
    /// Its client was lost, and Nomad started it on no other.
    ClientLost,
}

impl End {
    /// What a manifest in the store says: of a model, or of a version that missed a gate.
    #[must_use]
    pub fn in_store(manifest: &Manifest, published: bool) -> Self {
        let score = Some(Score::of(manifest));
        if published {
            Self::Stored {
                name: Some(foreign::line(&manifest.name)),
                score,
            }
        } else {
            Self::GateNotMet {
                score,
                missed: report::missed(manifest),
            }
        }
    }

    /// Whether there is a model or a verdict: nothing is left to do for this version.
    #[must_use]
    pub fn is_result(&self) -> bool {
        matches!(self, Self::Stored { .. } | Self::GateNotMet { .. })
    }

    /// Of what was not waited for.
    #[must_use]
    pub fn not_followed() -> Self {
        Self::Unknown {
            reason: "it was not dispatched again: other allocations of the same dispatch have a model or a verdict, which \
                     would be made twice"
                .to_owned(),
        }
    }
}

/// How good a model is, by its primary score.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Score {
    pub metric: String,
    pub higher_is_better: bool,
    pub held_out: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<f64>,
}

impl Score {
    fn of(manifest: &Manifest) -> Self {
        let primary = &manifest.metrics.primary;
        Self {
            metric: foreign::line(&primary.name),
            higher_is_better: primary.higher_is_better,
            held_out: primary.held_out,
            validation: primary.validation,
        }
    }
}

/// What a settled chain is judged by.
pub struct Judge<'a> {
    pub api: &'a Api,
    pub store: Option<&'a dyn Store>,
    pub campaign: &'a Campaign,
    /// The job as it is registered.
    pub job: &'a Job,
}

impl Judge<'_> {
    /// Finds out what became of all that the last dispatch of a chain was to make. Returns false, and changes nothing, while an
    /// allocation of it still runs: Nomad counts a job as dead as soon as it wants it stopped.
    ///
    /// # Errors
    /// When Nomad or the store refuses or can't be reached.
    pub async fn settle(&self, chain: &mut Chain<'_>) -> Result<bool, DispatchError> {
        let allocations = self.api.allocations(&chain.region, chain.job()).await?;
        if !allocations.iter().all(Allocation::has_ended) {
            return Ok(false);
        }
        let indices = allocations
            .iter()
            .map(|each| each.index().saturating_add(1));
        chain.count = chain.count.max(indices.max().unwrap_or(0));
        if let Some(store) = self.store {
            self.ask_claims(store, chain, &allocations).await?;
            self.ask_for_same_work(store, chain).await?;
        }
        let latest = latest_by_index(&allocations);
        let mut by_index: BTreeMap<u32, End> = BTreeMap::new();
        for (index, position) in chain.unsettled() {
            let end = match by_index.get(&index) {
                Some(end) => end.clone(),
                None => {
                    let allocation = latest.get(&index).copied();
                    let end = told_by_nomad(self, &chain.region, allocation).await;
                    by_index.insert(index, end.clone());
                    end
                }
            };
            chain.set(index, position, end);
        }
        Ok(true)
    }

    /// The claim names the model whichever allocation made it; a verdict is found by the allocation that came to it.
    async fn ask_claims(
        &self,
        store: &dyn Store,
        chain: &mut Chain<'_>,
        allocations: &[Allocation],
    ) -> Result<(), StoreError> {
        for (index, position) in chain.unsettled() {
            let Some(version) = chain.work.versions.get(position) else {
                continue;
            };
            let namespace = self.api.namespace();
            let claim = ClaimKey::new(&chain.region, namespace, chain.job(), index, version);
            let claimed = claimed_model(store, &claim).await.or_else(|error| {
                let problem = error.of_one_object()?;
                tracing::warn!("{} is left out: {problem}", store.url(claim.as_str()));
                Ok::<_, StoreError>(None)
            })?;
            let mut found = claimed.map(|manifest| End::in_store(&manifest, true));
            for allocation in allocations.iter().filter(|each| each.index() == index) {
                if found.is_none() {
                    let name = format!("{}_v{version}_{}", self.campaign.save_path, allocation.id);
                    let verdict = made::read(store, &rejected_key(&name)).await?;
                    found = verdict.map(|manifest| End::in_store(&manifest, false));
                }
            }
            if let Some(end) = found {
                chain.set(index, position, end);
            }
        }
        Ok(())
    }

    /// What no claim of this dispatch names may have been made by another one of the same work.
    async fn ask_for_same_work(
        &self,
        store: &dyn Store,
        chain: &mut Chain<'_>,
    ) -> Result<(), DispatchError> {
        let mut identities = Vec::new();
        for (index, position) in chain.unsettled() {
            let identity = Identity::of(self.campaign, self.job, chain.work, position, index)?;
            identities.push(((index, position), identity));
        }
        chain.asked_store = true;
        if identities.is_empty() {
            return Ok(());
        }
        let found =
            same_work::find(store, &self.campaign.save_path, &identities, &chain.jobs).await;
        match found {
            Ok(found) => {
                for ((index, position), end) in found {
                    chain.set(index, position, end);
                }
                Ok(())
            }
            // Claims can be read without the right to list.
            Err(error) if error.exit() == Exit::StoreRefused => {
                tracing::warn!(
                    "{error}: models of other dispatches are not looked for, and nothing is dispatched again"
                );
                chain.asked_store = false;
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The last allocation of each index: those before it were lost and replaced.
fn latest_by_index(allocations: &[Allocation]) -> BTreeMap<u32, &Allocation> {
    let mut latest: BTreeMap<u32, &Allocation> = BTreeMap::new();
    for allocation in allocations {
        let newer = latest
            .get(&allocation.index())
            .is_none_or(|other| other.create_index < allocation.create_index);
        if newer {
            latest.insert(allocation.index(), allocation);
        }
    }
    latest
}
