//! What became of each version: told by the store where it can be, by Nomad where not.

use std::collections::BTreeMap;

use super::answers::{Allocation, Job};
use super::api::Api;
use super::campaign::Campaign;
use super::chain::Chain;
use super::end::End;
use super::error::DispatchError;
use super::nomad_end::told_by_nomad;
use super::same_work::{self, Identity};
use crate::exit::Exit;
use crate::made;
use crate::store::{ClaimKey, Store, StoreError, claimed_model, rejected_key};

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
                    let end = told_by_nomad(
                        self.api,
                        self.job,
                        &chain.region,
                        allocation,
                        self.store.is_some(),
                    )
                    .await;
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
