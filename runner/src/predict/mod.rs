//! A model on rows: by its own module in the sandbox, or its ONNX form by tract.
//!
//! | file | what |
//! |---|---|
//! | `model` | a reference -> the model's files, verified |
//! | `module` | block by block through the module |
//! | `records`, `lines`, `formulas` | what a module leaves, checked and appended |
//! | `reading` | how the data is read, by the metadata of an ONNX form |
//! | `onnx`, `table` | block by block through tract, each column as the model takes it |
//! | `categories` | values as the model spells them, for its ONNX form |
//! | `said` | what there is to warn of, over all blocks |
//! | `rows` | the dataset's blocks, and how far one has come |
//! | `output` | the predictions, whole or not at all |

#[cfg(feature = "score")]
mod categories;
mod error;
mod formulas;
mod lines;
mod model;
mod module;
#[cfg(feature = "score")]
mod onnx;
mod output;
#[cfg(feature = "score")]
mod reading;
mod records;
mod rows;
mod said;
#[cfg(feature = "score")]
mod table;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use error::PredictError;
pub use formulas::push_quoted;
pub use records::{Line, Record, RecordError};

use crate::data;
use crate::error::Error;
use crate::run::{aside, within};
use crate::sandbox::{EngineOptions, LimitHit, Limits, Trust};
use crate::store::{LocalFile, Target};
use crate::workspace::Workspace;
use model::Model;
use output::Output;
use rows::Rows;

/// What predicts.
pub enum Engine {
    Module(EngineOptions),
    Onnx,
}

/// What is to be predicted, by what.
pub struct Job {
    pub reference: String,
    /// The reference is an ONNX file.
    pub is_file: bool,
    pub data: data::Request,
    /// None is standard output.
    pub out: Option<PathBuf>,
    pub module: Option<PathBuf>,
    pub store: Option<Target>,
    pub engine: Engine,
    pub trust: Trust,
    /// Text that a spreadsheet takes for a formula is written as it is.
    pub keep_formulas: bool,
    /// Of each run of the module, and of the process that scores ONNX.
    pub limits: Limits,
    /// Where the working folder is made.
    pub scratch: PathBuf,
}

/// Predicts every row of the data. Dropping the future leaves nothing.
///
/// # Errors
/// The stage that failed, and why.
pub async fn run(job: &Job) -> Result<(), Error> {
    let workspace = Workspace::below(&job.scratch)?;
    let model = Model::find(job, &workspace).await?;
    let name = Path::new("rows");
    let dataset = data::fetch(&job.data, workspace.data(), name).await?;
    let file = LocalFile::beneath(workspace.data(), name);
    let output = Output::create(job.out.as_deref())?;
    let memory = job.limits.memory;
    let rows = Rows::new(file, dataset.bytes, memory, output.is_watched());
    let predicted = match &job.engine {
        Engine::Module(options) => {
            module::predict(job, options, &model, rows, &workspace, &output).await
        }
        Engine::Onnx => predict_onnx(job, &model, rows, &output).await,
    };
    let done = match predicted {
        Ok(()) => flush(output, job.limits.timeout).await,
        Err(error) => Err(error),
    };
    match done {
        // Whoever reads only the first lines is no reason to fail.
        Err(Error::Predict(PredictError::NobodyReads)) => Ok(()),
        other => other,
    }
}

/// Writes the last of the predictions. Whoever reads stdout may be slow: signals and deadlines are heard meanwhile.
async fn flush(output: Output, limit: Option<Duration>) -> Result<(), Error> {
    let writer = output.writer();
    let flushed = aside(move || writer.with(Write::flush));
    within(limit, LimitHit::Predictions, flushed).await?;
    Ok(output.finish()?)
}

#[cfg(feature = "score")]
async fn predict_onnx(job: &Job, model: &Model, rows: Rows, output: &Output) -> Result<(), Error> {
    Ok(onnx::predict(job, model, rows, output).await?)
}

#[cfg(not(feature = "score"))]
async fn predict_onnx(_: &Job, _: &Model, _: Rows, _: &Output) -> Result<(), Error> {
    Err(PredictError::NoScore.into())
}
