//! Dispatching through a window: so many unfinished at a time, and no more; and once more where that is asked for.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use futures_util::future::try_join_all;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::api::{AT_A_TIME, Api, Request};
use super::campaign::Campaign;
use super::chain::Chain;
use super::end::End;
use super::error::DispatchError;
use super::outcome::Judge;
use super::pin::Pin;
use super::placement::Placement;
use super::progress::Progress;
use super::same_work::{self, Identity};
use crate::foreign::short;
use crate::store::Store;

/// How often Nomad is asked which dispatches have ended.
const POLL: Duration = Duration::from_secs(1);

/// How often one command dispatches again what node drains stop.
const MAX_DRAINS: u32 = 2;

/// What dispatching and following go by.
pub struct Follow<'a> {
    pub api: &'a Api,
    pub store: Option<&'a dyn Store>,
    pub campaign: &'a Campaign,
    /// Stay until all of it has ended.
    pub wait: bool,
    /// Dispatch again what an earlier dispatch left without model and verdict.
    pub retry_failed: bool,
    pub place_within: Option<Duration>,
}

impl<'a> Follow<'a> {
    /// Dispatches all work, in all regions at once, and with `wait` stays until all of it has ended.
    ///
    /// Dropped half-way, what was dispatched goes on; the same campaign again finds it by its tokens.
    ///
    /// # Errors
    /// When a job is not fit for this campaign or was registered again, or Nomad or the store refuses or can't be reached.
    pub async fn run(&self) -> Result<Vec<Chain<'a>>, DispatchError> {
        let progress = Progress::new(self.campaign.work.len(), self.wait);
        let regions = (0..self.campaign.regions.len()).map(|region| self.region(region, &progress));
        let chains = try_join_all(regions).await.inspect_err(|error| {
            if error.refuses_the_same_command() {
                progress.is_refused();
            }
        })?;
        let mut chains: Vec<Chain> = chains.into_iter().flatten().collect();
        progress.done();
        // As the work is listed, region by region.
        chains.sort_by_key(|chain| (chain.work.region, chain.order));
        Ok(chains)
    }

    async fn region(
        &self,
        region: usize,
        progress: &Progress,
    ) -> Result<Vec<Chain<'a>>, DispatchError> {
        let asked = self.campaign.regions.get(region).and_then(Option::as_deref);
        let pin = Pin::new(self.api, self.campaign, asked).await?;
        let work = self.campaign.work.iter().enumerate();
        let chains = work
            .filter(|(_, work)| work.region == region)
            .map(|(order, work)| Chain::new(work, order, pin.region(), pin.job().count()))
            .collect();
        let mut region = Region {
            follow: self,
            placement: Placement::new(self.place_within),
            pin,
            progress,
            dispatched: 0,
            waiting: chains,
            open: Vec::new(),
            done: Vec::new(),
        };
        if self.retry_failed {
            region.leave_out_what_is_stored().await?;
        }
        region.run().await?;
        region.done.append(&mut region.open);
        Ok(region.done)
    }
}

/// The chains of one region.
struct Region<'f, 'a> {
    follow: &'f Follow<'a>,
    pin: Pin<'a>,
    progress: &'f Progress,
    placement: Placement,
    dispatched: usize,
    /// To be dispatched next.
    waiting: VecDeque<Chain<'a>>,
    /// Dispatched, and not known to have ended.
    open: Vec<Chain<'a>>,
    done: Vec<Chain<'a>>,
}

impl Region<'_, '_> {
    async fn run(&mut self) -> Result<(), DispatchError> {
        loop {
            self.fill().await?;
            if self.waiting.is_empty() && !self.open.iter().any(|chain| self.watches(chain)) {
                return Ok(());
            }
            let before = self.open.len();
            self.poll().await?;
            if self.is_over().await? {
                return Ok(());
            }
            // What has ended makes room at once.
            if self.open.len() == before {
                tokio::time::sleep(POLL).await;
            }
        }
    }

    /// Takes out what has a model or a verdict in the store already.
    async fn leave_out_what_is_stored(&mut self) -> Result<(), DispatchError> {
        let Some(store) = self.follow.store else {
            return Ok(());
        };
        let campaign = self.follow.campaign;
        let mut identities = Vec::new();
        for (at, chain) in self.waiting.iter().enumerate() {
            for position in 0..chain.work.versions.len() {
                for index in 0..chain.count {
                    let job = self.pin.job();
                    let identity = Identity::of(campaign, job, chain.work, position, index)?;
                    identities.push(((at, index, position), identity));
                }
            }
        }
        let found = same_work::find(store, &campaign.save_path, &identities, &[]).await?;
        for ((at, index, position), end) in found {
            if let Some(chain) = self.waiting.get_mut(at) {
                chain.set(index, position, end);
            }
        }
        let (stored, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|chain| chain.missing().is_empty());
        self.waiting = waiting.into();
        self.done = stored;
        for _ in &self.done {
            self.progress.dispatched();
        }
        self.progress.ended(self.done.len());
        Ok(())
    }

    /// Dispatches as far as the window goes.
    async fn fill(&mut self) -> Result<(), DispatchError> {
        while self.open.len() < self.follow.campaign.window
            && let Some(mut chain) = self.waiting.pop_front()
        {
            let Follow { api, campaign, .. } = self.follow;
            self.pin.check(api, self.dispatched).await?;
            let missing = chain.missing();
            let token = chain.next_token();
            let request = Request {
                meta: &chain.work.meta_of(&missing),
                payload: &campaign.payload,
                token: &token,
                priority: campaign.priority,
            };
            let dispatched = api
                .dispatch(self.pin.region(), &campaign.job, &request)
                .await?;
            if dispatched.already {
                let label = chain.label(&missing);
                self.pin.check_earlier(api, &dispatched, &label).await?;
            }
            if chain.jobs.is_empty() {
                self.progress.dispatched();
            }
            chain.dispatched(dispatched.job, token, dispatched.already);
            self.dispatched += 1;
            self.open.push(chain);
        }
        Ok(())
    }

    /// Whether it matters how this chain ends.
    fn watches(&self, chain: &Chain) -> bool {
        self.follow.wait || self.follow.retry_failed && !chain.goes_on
    }

    /// Takes out of the window what has ended, and puts in line what is to be dispatched again.
    async fn poll(&mut self) -> Result<(), DispatchError> {
        let Follow { api, campaign, .. } = self.follow;
        let unfinished = api.unfinished(self.pin.region(), &campaign.job).await?;
        let unfinished: BTreeMap<String, bool> = unfinished
            .into_iter()
            .map(|child| (child.id.clone(), child.wants_a_place()))
            .collect();
        let mut ended = Vec::new();
        for mut chain in std::mem::take(&mut self.open) {
            if let Some(wants_a_place) = unfinished.get(chain.job()) {
                chain.pending = *wants_a_place;
                chain.goes_on = true;
                self.open.push(chain);
            } else if self.watches(&chain) {
                chain.pending = false;
                ended.push(chain);
            } else {
                self.progress.ended(1);
                self.done.push(chain);
            }
        }
        let judge = Judge {
            api,
            store: self.follow.store,
            campaign,
            job: self.pin.job(),
        };
        let settled: Vec<(Chain, bool)> = stream::iter(ended)
            .map(|mut chain| {
                let judge = &judge;
                async move {
                    let settled = judge.settle(&mut chain).await?;
                    Ok::<_, DispatchError>((chain, settled))
                }
            })
            .buffered(AT_A_TIME)
            .try_collect()
            .await?;
        for (mut chain, settled) in settled {
            if !settled {
                self.open.push(chain);
            } else if self.again(&mut chain) {
                self.waiting.push_front(chain);
            } else {
                self.progress.ended(1);
                self.done.push(chain);
            }
        }
        Ok(())
    }

    /// Whether what is missing of an ended chain is to be dispatched again.
    fn again(&self, chain: &mut Chain) -> bool {
        let missing = chain.missing();
        // Without knowing what the store holds, another dispatch could make a second model.
        if missing.is_empty() || !chain.asked_store {
            return false;
        }
        if self.follow.retry_failed && chain.already {
            return true;
        }
        if !self.follow.wait || !chain.was_drained() || chain.drains >= MAX_DRAINS {
            return false;
        }
        chain.drains += 1;
        tracing::warn!(
            "version {} was stopped by a node drain ({}): dispatching it again, {} of at most {MAX_DRAINS} times",
            chain.label(&missing),
            short(chain.job()),
            chain.drains,
        );
        true
    }

    /// Whether to wait no longer for a place. What has none then is told so.
    async fn is_over(&mut self) -> Result<bool, DispatchError> {
        let pending = self.open.iter().filter(|chain| chain.pending);
        let waiting = pending.clone().count();
        let oldest = pending.min_by_key(|chain| chain.since);
        let oldest = oldest.map(|chain| (chain.job(), chain.since.elapsed()));
        let running = waiting < self.open.len();
        let over = self
            .placement
            .look(self.follow.api, self.pin.region(), waiting, oldest, running)
            .await?;
        if !over {
            return Ok(false);
        }
        let dispatched = self.open.len();
        self.open.extend(std::mem::take(&mut self.waiting));
        for (at, chain) in self.open.iter_mut().enumerate() {
            let reason = if at < dispatched {
                format!("no client has a place for it: {}", self.placement.reason())
            } else {
                "it was not dispatched: those before it have no place on a client".to_owned()
            };
            for position in chain.missing() {
                for index in 0..chain.count {
                    chain.set(
                        index,
                        position,
                        End::NotPlaced {
                            reason: reason.clone(),
                        },
                    );
                }
            }
        }
        Ok(true)
    }
}
