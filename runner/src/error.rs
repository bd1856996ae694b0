//! Why a verb ended without doing what it was asked: one variant a stage, each with its exit code.

use std::io;
use std::path::PathBuf;

use contract::{ErrorReport, exit};

use crate::data::DataError;
use crate::dispatch::DispatchError;
use crate::exit::Exit;
use crate::outputs::OutputError;
use crate::plan::PlanError;
use crate::predict::PredictError;
use crate::registry::RegistryError;
use crate::sandbox::{EngineError, ModuleError, SandboxError};
use crate::store::StoreError;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something on this machine: a folder that can't be written, a full disk, no threads.
    #[error("{what}: {source}")]
    Local {
        what: String,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Module(#[from] ModuleError),
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    #[error(transparent)]
    Guest(#[from] GuestError),
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Dispatch(#[from] DispatchError),
    #[error(transparent)]
    Predict(#[from] PredictError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Trained, and then not stored as it should have been.
    #[error("{source}\nthe model is kept in {kept}: `runner push {kept} --store …` goes on from there", kept = .kept.display())]
    NotPublished {
        #[source]
        source: StoreError,
        kept: PathBuf,
    },
    #[error(
        "{0} holds another model: give this version another name or --out folder, or remove it"
    )]
    OtherModelKept(PathBuf),
    #[error("stopped by SIGINT")]
    Interrupted,
    #[error("stopped by SIGTERM")]
    Terminated,
}

impl Error {
    pub fn local(what: impl Into<String>, source: io::Error) -> Self {
        Self::Local {
            what: what.into(),
            source,
        }
    }

    /// The status that the process ends with.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Local { .. } => Exit::Local,
            Self::Plan(error) => error.exit(),
            Self::Data(error) => error.exit(),
            Self::Engine(error) => error.exit(),
            Self::Module(error) => error.exit(),
            Self::Sandbox(error) => error.exit(),
            Self::Guest(error) => error.exit(),
            Self::Output(error) => error.exit(),
            Self::Store(error) | Self::NotPublished { source: error, .. } => error.exit(),
            Self::Dispatch(error) => error.exit(),
            Self::Predict(error) => error.exit(),
            Self::Registry(error) => error.exit(),
            Self::OtherModelKept(_) => Exit::StoreRefused,
            Self::Interrupted => Exit::Interrupted,
            Self::Terminated => Exit::Terminated,
        }
    }
}

/// The guest ended with a status that means failure, and perhaps left an `error.json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestError {
    pub status: i32,
    pub report: Option<ErrorReport>,
}

impl std::error::Error for GuestError {}

impl std::fmt::Display for GuestError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.status {
            exit::BAD_SPECIFICATION => write!(formatter, "the specification is wrong")?,
            exit::BAD_DATA => write!(formatter, "the data cannot be used")?,
            status => write!(formatter, "the module ended with status {status}")?,
        }
        let Some(report) = &self.report else {
            return write!(formatter, "; what it said is above");
        };
        write!(formatter, ": {}", report.message)?;
        match (report.row, &report.column) {
            (Some(row), Some(column)) => write!(formatter, " (row {row}, column {column:?})")?,
            (Some(row), None) => write!(formatter, " (row {row})")?,
            (None, Some(column)) => write!(formatter, " (column {column:?})")?,
            (None, None) => {}
        }
        match &report.remedy {
            Some(remedy) => write!(formatter, "; {remedy}"),
            None => Ok(()),
        }
    }
}

impl GuestError {
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self.status {
            exit::BAD_SPECIFICATION => Exit::BadSpecification,
            exit::BAD_DATA => Exit::BadData,
            _ => Exit::GuestFailed,
        }
    }
}
