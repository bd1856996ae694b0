//! The line from dataset to model, and from model and dataset to predictions.

mod columns;
mod error;
mod files;
mod fit;
mod learner;
mod measure;
mod outputs;
mod predict;
mod prepare;
mod too_good;
mod train;

use std::path::Path;

use contract::{exit, files as names};

pub use error::PipelineError;
pub use predict::predict;
pub use train::{Trained, train};

use crate::environment::Environment;
use crate::log::Log;

/// Runs the module as its command line and variables say, writes `error.json` where the contract asks for one, and
/// returns the exit status. `root` stands for the contract's `/`.
pub fn run(
    arguments: impl IntoIterator<Item = String>,
    variables: impl IntoIterator<Item = (String, String)>,
    root: &Path,
    log: &mut Log<'_>,
) -> i32 {
    let mode = arguments.into_iter().nth(1).unwrap_or_default();
    let (output, result) = match mode.as_str() {
        "train" => (
            names::MODEL,
            Environment::from_variables(root, variables)
                .map_err(PipelineError::from)
                .and_then(|environment| train(&environment, log))
                .map(|trained| trained.missed_gates()),
        ),
        "predict" => (
            names::PREDICTIONS,
            Environment::from_variables(root, variables)
                .map_err(PipelineError::from)
                .and_then(|environment| predict(&environment, log))
                .map(|()| None),
        ),
        _ => (names::MODEL, Err(PipelineError::Mode(mode))),
    };
    let (status, mut report) = match result {
        Ok(None) => return exit::DONE,
        Ok(Some(report)) => (exit::GATE_NOT_MET, report),
        Err(error) => (error.status(), error.report()),
    };
    log.say(format_args!("error: {}", report.message));
    if let Some(remedy) = &report.remedy {
        log.say(format_args!("  {remedy}"));
    }
    if matches!(
        status,
        exit::BAD_SPECIFICATION | exit::BAD_DATA | exit::GATE_NOT_MET
    ) {
        report.warnings = log.warnings().to_vec();
        let folder = root.join(output.trim_start_matches('/'));
        if let Err(error) = files::write_json(&folder, names::ERROR_JSON, &report) {
            log.say(format_args!("error: {error}"));
            return exit::FAILED;
        }
    }
    status
}
