//! Many versions through Nomad: plan, dispatch, follow, tell what became of them.

use std::sync::Arc;

mod api;
mod campaign;
pub mod connection;
mod error;
mod follow;
mod outcome;
mod pin;
mod progress;
mod report;
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
use connection::Connection;

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
        let url = snapshot::take(args, store).await?;
        campaign = Campaign::new(args, Some(&url))?;
    }
    if args.plan {
        let jobs = look(&api, &campaign).await?;
        stdout::print(report::plan(&campaign, &jobs, args.json))?;
        return Ok(Exit::Done);
    }
    let started = follow::run(&api, &campaign, args.wait).await?;
    if !args.wait {
        stdout::print(report::started(&started, args.json))?;
        return Ok(Exit::Done);
    }
    let ended = outcome::find(&api, store.as_deref(), &campaign, &started).await?;
    stdout::print(report::ended(&ended, args.json))?;
    Ok(report::exit(&ended))
}

/// The job as it is registered in each region, found fit for the campaign.
async fn look(api: &Api, campaign: &Campaign) -> Result<Vec<api::Job>, DispatchError> {
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
