use std::path::PathBuf;

use contract::{ErrorReport, exit};

use crate::environment::EnvironmentError;
use crate::export::ModelError;
use crate::learners::FitError;
use crate::specification::SpecificationError;
use crate::table::{DataError, TargetError};

/// Why the module did not do what it was started for.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    #[error("the mode is `{0}`; it is `train` or `predict`")]
    Mode(String),
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    #[error(transparent)]
    Specification(#[from] SpecificationError),
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Fit(#[from] FitError),
    #[error("{path}: {reason}", path = .path.display())]
    Model { path: PathBuf, reason: ModelError },
    #[error("{path} could not be {action}: {reason}", path = .path.display())]
    File {
        path: PathBuf,
        action: &'static str,
        reason: std::io::Error,
    },
    #[error("{file} could not be written as JSON: {reason}")]
    Json {
        file: &'static str,
        reason: serde_json::Error,
    },
}

impl From<TargetError> for PipelineError {
    fn from(error: TargetError) -> Self {
        match error {
            TargetError::Specification(error) => Self::Specification(error),
            TargetError::Data(error) => Self::Data(error),
        }
    }
}

impl PipelineError {
    /// The exit status of the contract.
    #[must_use]
    pub fn status(&self) -> i32 {
        match self {
            Self::Specification(_) => exit::BAD_SPECIFICATION,
            // What the learner cannot be fitted to is the data's, its parameters were checked before.
            Self::Data(_) | Self::Fit(_) => exit::BAD_DATA,
            Self::Mode(_)
            | Self::Environment(_)
            | Self::Model { .. }
            | Self::File { .. }
            | Self::Json { .. } => exit::FAILED,
        }
    }

    /// What `error.json` says of it.
    #[must_use]
    pub fn report(&self) -> ErrorReport {
        match self {
            Self::Data(error) => error.report(),
            Self::Specification(error) => ErrorReport {
                message: format!("the specification: {error}"),
                column: error.column().map(str::to_owned),
                remedy: Some(error.remedy()),
                ..ErrorReport::default()
            },
            _ => ErrorReport {
                message: self.to_string(),
                remedy: self.remedy().map(str::to_owned),
                ..ErrorReport::default()
            },
        }
    }

    fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Mode(_) | Self::Environment(_) => Some("start the module by `runner run`"),
            Self::Fit(_) => Some("choose another algorithm or other parameters, or give more rows"),
            Self::Model { .. } => Some("train the model again, or fetch it again from its store"),
            Self::File { .. } | Self::Json { .. } => None,
            Self::Specification(_) | Self::Data(_) => None,
        }
    }
}
