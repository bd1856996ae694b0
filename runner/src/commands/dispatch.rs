//! `runner dispatch`: many versions, through Nomad.

use std::path::PathBuf;
use std::time::Duration;

use super::store;
use crate::data;
use crate::dispatch::{self, connection};
use crate::error::Error;
use crate::exit::Exit;
use crate::size;

#[derive(clap::Args)]
pub struct Args {
    /// The parameterized job
    #[arg(value_name = "JOB", default_value = "sales-close-prediction")]
    pub job: String,

    /// Versions FIRST to LAST, both included, one dispatch each (`1..1000`)
    #[arg(
        long,
        value_name = "FIRST..LAST",
        conflicts_with = "model_version",
        help_heading = "Versions"
    )]
    pub versions: Option<String>,

    /// The version, or with a grid the first part of its points' versions
    #[arg(
        long,
        value_name = "NAME",
        default_value = "1",
        help_heading = "Versions"
    )]
    pub model_version: String,

    /// The specification that travels with each dispatch, at most 16 KiB; with a [grid], each of its points becomes a
    /// version
    #[arg(long, value_name = "FILE", help_heading = "Versions")]
    pub spec: Option<PathBuf>,

    /// Points of the grid that one allocation trains [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..), help_heading = "Versions")]
    pub per_allocation: Option<u16>,

    /// The same versions under another name are dispatched once more
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true,
        help_heading = "Versions"
    )]
    pub campaign: String,

    /// Dispatch again the versions that have neither a model nor a verdict in --store, once each
    #[arg(
        long,
        requires = "store",
        conflicts_with = "plan",
        help_heading = "Versions"
    )]
    pub retry_failed: bool,

    /// The dataset's name for the module [default: the source's own]
    #[arg(long, value_name = "PATH", help_heading = "Keys of the dispatch")]
    pub data_path: Option<String>,

    /// What the models are for: the first part of their names [default: model]
    #[arg(long, value_name = "NAME", help_heading = "Keys of the dispatch")]
    pub save_path: Option<String>,

    /// Held-out predictions, below the model's folder [default: predictions.csv]
    #[arg(long, value_name = "PATH", help_heading = "Keys of the dispatch")]
    pub prediction_path: Option<String>,

    /// Bucket, or bucket/prefix, for models [default: that of --store]
    #[arg(long, value_name = "PATH", help_heading = "Keys of the dispatch")]
    pub gcp_bucket_path: Option<String>,

    /// Rows a step of learners that train in steps
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Keys of the dispatch")]
    pub batch_size: Option<u32>,

    /// Passes over the rows of learners that train in steps
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Keys of the dispatch")]
    pub epochs: Option<u32>,

    /// Any other key that the job knows (repeatable)
    #[arg(long, value_name = "KEY=VALUE", help_heading = "Keys of the dispatch")]
    pub meta: Vec<String>,

    /// `--data` is where each allocation fetches the dataset (key `data_url`); the others are for --snapshot
    #[command(flatten)]
    pub data: data::Args,

    /// Fetch the dataset once, from here, put it into the store by its digest, and let each allocation take it from there
    #[arg(long, requires = "source", help_heading = "Data")]
    pub snapshot: bool,

    #[command(flatten)]
    pub nomad: connection::Args,

    /// Unfinished dispatches at a time, in each region: Nomad itself has no such limit
    #[arg(long, value_name = "N", default_value = "100", value_parser = clap::value_parser!(u16).range(1..), help_heading = "Nomad")]
    pub window: u16,

    /// The version of the job that must be registered [default: the one that is, when this starts]
    #[arg(long, value_name = "N", help_heading = "Nomad")]
    pub job_version: Option<u64>,

    /// Priority of the dispatched jobs, 1 to 100 or what the cluster allows (Nomad 1.10) [default: the job's own]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..), help_heading = "Nomad")]
    pub priority: Option<u16>,

    /// Show what would be dispatched, and do nothing
    #[arg(long, conflicts_with = "wait", help_heading = "Output")]
    pub plan: bool,

    /// Wait until all versions are done, and tell what became of each; with --store, what a node drain stopped is
    /// dispatched again
    #[arg(long, help_heading = "Output")]
    pub wait: bool,

    /// End the wait with status 21 when none of the dispatches had a place on a client for that long (`10m`)
    /// [default: wait on]
    #[arg(long, value_name = "TIME", value_parser = size::duration, requires = "wait", help_heading = "Output")]
    pub place_within: Option<Duration>,

    /// Print the result as one JSON object
    #[arg(long, help_heading = "Output")]
    pub json: bool,

    /// With --wait, results are read from it; with --snapshot, the data goes there
    #[command(flatten)]
    pub store: store::Args,
}

/// Dispatches, and with `--wait` follows, one version or many.
///
/// # Errors
/// When Nomad refuses or can't be reached. A version that fails is in the result.
pub async fn run(args: Args) -> Result<Exit, Error> {
    dispatch::run(&args).await
}
