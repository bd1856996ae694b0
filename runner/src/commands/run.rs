//! `runner run`: arguments of the main job.

use std::path::PathBuf;
use std::sync::Arc;

use super::{limits, store};
use crate::error::Error;
use crate::exit::Exit;
use crate::nomad::Nomad;
use crate::plan::Plan;
use crate::report::{self, Status};
use crate::timings::Timings;
use crate::{batch, data, run};

#[derive(clap::Args)]
pub struct Args {
    /// The training module: a WASI preview 1 command (docs/contract.md)
    #[arg(value_name = "WORKLOAD.WASM")]
    pub module: PathBuf,

    #[command(flatten)]
    pub data: data::Args,

    /// The dataset's name for the module, below /data; without --data also the file to read
    /// [default: $NOMAD_META_data_path, else the source's own name]
    #[arg(long, value_name = "PATH", help_heading = "Data")]
    pub data_path: Option<String>,

    /// The specification: target, features, learner, split, gates (docs/pipeline.md)
    /// [default: $NOMAD_TASK_DIR/pipeline.toml, if it is there]
    #[arg(long, value_name = "FILE", help_heading = "Training")]
    pub spec: Option<PathBuf>,

    /// All randomness comes from it [default: from the model version and $NOMAD_ALLOC_INDEX]
    #[arg(long, value_name = "N", help_heading = "Training")]
    pub seed: Option<u64>,

    /// Rows a step of learners that train in steps [default: $NOMAD_META_batch_size]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Training")]
    pub batch_size: Option<u32>,

    /// Passes over the rows of learners that train in steps [default: $NOMAD_META_epochs]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Training")]
    pub epochs: Option<u32>,

    /// A variable for the module (repeatable); it sees no other than these and the contract's
    #[arg(long, value_name = "KEY=VALUE", help_heading = "Training")]
    pub env: Vec<String>,

    /// What the model is for: the first part of its name [default: $NOMAD_META_save_path, else `model`]
    #[arg(long, value_name = "NAME", help_heading = "Model")]
    pub save_path: Option<String>,

    /// [default: $NOMAD_META_model_version, else `1`]
    #[arg(long, value_name = "NAME", help_heading = "Model")]
    pub model_version: Option<String>,

    /// Held-out predictions, below the model's folder and under no other file's name [default: $NOMAD_META_prediction_path, else predictions.csv]
    #[arg(long, value_name = "PATH", help_heading = "Model")]
    pub prediction_path: Option<String>,

    /// A note in the manifest, to find the model by (repeatable)
    #[arg(long, value_name = "KEY=VALUE", help_heading = "Model")]
    pub tag: Vec<String>,

    /// The folder that keeps the model where no store is named
    /// [default: $NOMAD_ALLOC_DIR/models, else runs]
    #[arg(long, value_name = "FOLDER", help_heading = "Model")]
    pub out: Option<PathBuf>,

    /// Versions FIRST to LAST, both included, trained in this process (`1..1000`)
    #[arg(
        long,
        value_name = "FIRST..LAST",
        conflicts_with = "model_version",
        help_heading = "Model"
    )]
    pub versions: Option<String>,

    /// Points of the specification's grid, both ends included (`1..50`, or several ranges: `1..5,8..9`)
    /// [default: $NOMAD_META_points, else all]
    #[arg(long, value_name = "FIRST..LAST[,…]", help_heading = "Model")]
    pub points: Option<String>,

    /// Versions trained at a time, as far as the task's memory goes [default: the cores that it may use, each
    /// version counted with --memory, else 256MiB]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..), help_heading = "Model")]
    pub jobs: Option<u16>,

    #[command(flatten)]
    pub store: store::Args,

    /// End well when a gate is not met, and leave the verdict to `runner push`
    #[arg(long, conflicts_with = "store", help_heading = "Store")]
    pub defer_gate: bool,

    /// Publish a model whose model.onnx says other things than the module, or can't be scored here
    #[arg(long, help_heading = "Store")]
    pub no_parity: bool,

    /// Store the data by its digest beside the models, so that they can be made again (it may be personal)
    #[arg(long, help_heading = "Store")]
    pub keep_data: bool,

    #[command(flatten)]
    pub sandbox: limits::Args,

    /// Print the result as one JSON object
    #[arg(long, help_heading = "Output")]
    pub json: bool,

    /// Show where the time went
    #[arg(long, help_heading = "Output")]
    pub timings: bool,
}

/// Trains and publishes one version, or all versions of a range or grid.
///
/// # Errors
/// Whatever kept it from a model. A missed gate is no error: there is a model, and a report.
pub async fn run(args: Args) -> Result<Exit, Error> {
    let timings = Arc::new(Timings::default());
    let (json, shown) = (args.json, args.timings);
    // A large grid takes a while: signals are heard meanwhile.
    let plan = run::aside(move || Plan::new(&args, &Nomad::from_environment())).await?;
    let shown = shown.then_some(&*timings);
    if let [single] = plan.runs.as_slice() {
        let outcome = run::run(&plan, single, &timings).await?;
        report::print(&outcome, json, shown)?;
        if outcome.status == Status::GateNotMet {
            tracing::error!(
                "not published, kept in {}: {}",
                outcome.location,
                report::missed(&outcome.manifest).join(", ")
            );
        }
        return Ok(outcome.status.exit());
    }
    let finished = batch::run(plan, &timings).await?;
    report::print_batch(&finished, json, shown)?;
    batch::exit(finished)
}
