//! Why a verb ended without doing what it was asked: one variant a stage, each with its exit code.

use std::io;

use crate::exit::Exit;
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
    Store(#[from] StoreError),
    #[error("stopped by SIGINT: nothing was published")]
    Interrupted,
    #[error("stopped by SIGTERM: nothing was published")]
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
            Self::Store(error) => error.exit(),
            Self::Interrupted => Exit::Interrupted,
            Self::Terminated => Exit::Terminated,
        }
    }
}
