//! Dispatching through a window: so many unfinished at a time, and no more.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::try_join_all;

use super::api::{Api, Request};
use super::campaign::{Campaign, Work};
use super::error::DispatchError;
use super::pin::Pin;
use super::progress::Progress;

/// How often Nomad is asked which dispatches have ended.
const POLL: Duration = Duration::from_secs(1);

/// A piece of work that Nomad has.
#[derive(Clone, Debug)]
pub struct Started<'a> {
    pub work: &'a Work,
    /// The region's own name, also where none was asked for.
    pub region: String,
    /// The dispatched job.
    pub job: String,
    /// An earlier command had dispatched it.
    pub already: bool,
}

/// Dispatches all work, in all regions at once, and with `wait` stays until all of it has ended.
///
/// Dropped half-way, what was dispatched goes on; the same campaign again finds it by its tokens.
///
/// # Errors
/// When a job is not fit for this campaign or was registered again, or Nomad refuses or can't be reached.
pub async fn run<'a>(
    api: &Api,
    campaign: &'a Campaign,
    wait: bool,
) -> Result<Vec<Started<'a>>, DispatchError> {
    let progress = Progress::new(campaign.work.len(), wait);
    let regions = (0..campaign.regions.len()).map(|region| {
        let work = campaign
            .work
            .iter()
            .filter(move |work| work.region == region);
        in_region(api, campaign, region, work.collect(), wait, &progress)
    });
    let started = try_join_all(regions).await?;
    progress.done();
    Ok(started.into_iter().flatten().collect())
}

async fn in_region<'a>(
    api: &Api,
    campaign: &'a Campaign,
    region: usize,
    work: Vec<&'a Work>,
    wait: bool,
    progress: &Progress,
) -> Result<Vec<Started<'a>>, DispatchError> {
    let pin = Pin::new(api, campaign, campaign.regions[region].as_deref()).await?;
    let name = pin.region();
    let mut started: Vec<Started> = Vec::with_capacity(work.len());
    let mut open = BTreeSet::new();
    for work in work {
        while open.len() >= campaign.window {
            forget_ended(api, campaign, name, &mut open, progress).await?;
            if open.len() >= campaign.window {
                tokio::time::sleep(POLL).await;
            }
        }
        pin.check(api, started.len()).await?;
        let request = Request {
            meta: &work.meta,
            payload: &campaign.payload,
            token: &work.token,
        };
        let dispatched = api.dispatch(name, &campaign.job, &request).await?;
        if dispatched.already {
            pin.check_earlier(api, &dispatched, work).await?;
        }
        open.insert(dispatched.job.clone());
        started.push(Started {
            work,
            region: pin.region().to_owned(),
            job: dispatched.job,
            already: dispatched.already,
        });
        progress.dispatched();
    }
    while wait && !open.is_empty() {
        forget_ended(api, campaign, name, &mut open, progress).await?;
        if !open.is_empty() {
            tokio::time::sleep(POLL).await;
        }
    }
    Ok(started)
}

/// Takes out of `open` what Nomad no longer lists as unfinished.
async fn forget_ended(
    api: &Api,
    campaign: &Campaign,
    region: &str,
    open: &mut BTreeSet<String>,
    progress: &Progress,
) -> Result<(), DispatchError> {
    let unfinished: BTreeSet<String> = api
        .unfinished(region, &campaign.job)
        .await?
        .into_iter()
        .collect();
    let before = open.len();
    open.retain(|job| unfinished.contains(job));
    progress.ended(before - open.len());
    Ok(())
}
