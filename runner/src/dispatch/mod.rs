//! Many versions through Nomad: plan, dispatch, follow, tell what became of them.

use std::sync::Arc;

mod answers;
mod api;
mod campaign;
mod chain;
pub mod connection;
mod end;
mod error;
mod follow;
mod nomad_end;
mod outcome;
mod pin;
mod placement;
mod progress;
mod report;
mod same_work;
mod snapshot;
mod tls;
mod transport;

pub use error::DispatchError;

use crate::commands::dispatch::Args;
use crate::error::Error;
use crate::exit::Exit;
use crate::stdout;
use crate::store::{self, Store};
use api::Api;
use campaign::Campaign;
use chain::Chain;
use connection::Connection;
use end::Ended;
use follow::Follow;

/// Dispatches what the arguments ask for.
///
/// # Errors
/// When Nomad refuses or can't be reached. A version that fails is in the result.
pub async fn run(args: &Args) -> Result<Exit, Error> {
    snapshot::check_flags(args)?;
    let store = open(args)?;
    let api = Api::new(Connection::new(&args.nomad)?, args.nomad.namespace.clone());
    // What is wrong with the command is said before anything is fetched.
    let mut campaign = Campaign::new(args, args.data.source.as_deref())?;
    if args.snapshot {
        let store = store.as_deref().ok_or_else(snapshot::needs_a_store)?;
        look(&api, &campaign).await?;
        let url = snapshot::take(args, store, campaign.data_path()).await?;
        campaign = Campaign::new(args, Some(&url))?;
    }
    if args.plan {
        let jobs = look(&api, &campaign).await?;
        stdout::print(report::plan(&campaign, &jobs, args.json))?;
        return Ok(Exit::Done);
    }
    let follow = Follow {
        api: &api,
        store: store.as_deref(),
        campaign: &campaign,
        wait: args.wait,
        retry_failed: args.retry_failed,
        place_within: args.place_within,
    };
    let chains = follow.run().await?;
    if !args.wait {
        stdout::print(report::started(&chains, args.json))?;
        return Ok(Exit::Done);
    }
    let ended: Vec<Ended> = chains.iter().flat_map(Chain::ended).collect();
    stdout::print(report::ended(&ended, args.json))?;
    Ok(report::exit(&ended))
}

/// The job as it is registered in each region, found fit for the campaign.
async fn look(api: &Api, campaign: &Campaign) -> Result<Vec<answers::Job>, DispatchError> {
    let mut jobs = Vec::new();
    for region in &campaign.regions {
        let job = api.job(region.as_deref(), &campaign.job).await?;
        campaign.check(&job)?;
        jobs.push(job);
    }
    Ok(jobs)
}

fn open(args: &Args) -> Result<Option<Arc<dyn Store>>, DispatchError> {
    let Some(target) = args.store.target()? else {
        return Ok(None);
    };
    Ok(Some(store::open(&target.location, &target.options)?))
}
