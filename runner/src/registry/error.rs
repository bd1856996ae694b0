use std::io;
use std::path::{Path, PathBuf};

use crate::exit::Exit;
use crate::store::{Damaged, StoreError, advice};

/// Why a question to the registry has no answer.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(
        "{0:?} names no model: write SAVE_PATH@ALIAS, SAVE_PATH@VERSION or a model's full name, as `runner list` shows them"
    )]
    BadReference(String),
    #[error("{reference}: {problem}")]
    NoModel { reference: String, problem: String },
    #[error("{alias} is {name} now: promote another one first, or keep it with --keep-promoted")]
    Promoted { alias: String, name: String },
    #[error(
        "{url} can't be read, and may stand for {name} ({problem}): repair or remove it first, or keep the model with --keep-promoted"
    )]
    PerhapsPromoted {
        url: String,
        problem: Damaged,
        name: String,
    },
    #[error(
        "{url} can't be read here and may be whole, so that its model is not deleted: {problem}"
    )]
    PerhapsWhole { url: String, problem: Damaged },
    #[error("cannot sort by {score}: {problem}")]
    UnknownDirection {
        score: String,
        problem: &'static str,
    },
    #[error("cannot {action} {}: {source}{}", path.display(), advice(source))]
    Local {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{}: {problem}", path.display())]
    Occupied { path: PathBuf, problem: String },
}

impl RegistryError {
    pub(super) fn local(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Local {
            action,
            path: path.to_owned(),
            source,
        }
    }

    pub(super) fn no_model(reference: &str, problem: impl Into<String>) -> Self {
        Self::NoModel {
            reference: reference.to_owned(),
            problem: problem.into(),
        }
    }

    /// The status that a process ends with.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Store(error) => error.exit(),
            Self::BadReference(_) | Self::UnknownDirection { .. } => Exit::Usage,
            Self::NoModel { .. }
            | Self::Promoted { .. }
            | Self::PerhapsPromoted { .. }
            | Self::PerhapsWhole { .. } => Exit::StoreRefused,
            Self::Local { .. } | Self::Occupied { .. } => Exit::Local,
        }
    }
}
