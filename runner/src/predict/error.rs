use std::io;
use std::path::PathBuf;

use records::ReadError;

use super::Job;
use crate::exit::Exit;
use crate::size::Size;

/// Why rows can't be predicted.
#[derive(Debug, thiserror::Error)]
pub enum PredictError {
    #[error(
        "{reference}: there is no such folder; name a store with --store to look for a model of that name there"
    )]
    NoStore { reference: String },
    #[error("{}: {problem}", path.display())]
    BadModel { path: PathBuf, problem: String },
    #[error(
        "{name} was trained by the module with SHA-256 {sha256}, which is not {place}: give it with --module"
    )]
    NoModule {
        name: String,
        sha256: String,
        place: String,
    },
    #[error("{} has the SHA-256 {found}, and {name} was trained by {expected}: give that module", path.display())]
    OtherModule {
        path: PathBuf,
        found: String,
        name: String,
        expected: String,
    },
    #[error(
        "{name} has no model.onnx{reason}: leave out --engine onnx, and its own module predicts"
    )]
    NoOnnx { name: String, reason: String },
    #[error("this runner was built without the feature `score`, so it scores no ONNX")]
    NoScore,
    #[cfg(feature = "score")]
    #[error("{} cannot be scored: {source}{}", path.display(), remedy(source))]
    Score {
        path: PathBuf,
        #[source]
        source: crate::score::ScoreError,
    },
    #[error(
        "the data takes more than {0} as a whole, and Parquet is read as a whole: raise --memory, or give CSV or NDJSON, which go through in blocks"
    )]
    Memory(Size),
    #[error("{data}: {error}")]
    Data { data: String, error: Box<ReadError> },
    #[error("{data}: {problem}")]
    Column { data: String, problem: String },
    #[error(
        "the module predicted {found} of the {rows} rows that follow row {first}: what it left breaks the contract (docs/contract.md)"
    )]
    Rows { found: u64, rows: u64, first: u64 },
    #[error("what the module left as predictions breaks the contract: {0} (docs/contract.md)")]
    BadOutput(String),
    #[error("cannot {action} {}: {source}", path.display())]
    Local {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// Nobody waits for the predictions any more.
    #[error("the predictions were stopped")]
    Stopped,
    /// Whoever read the predictions has left.
    #[error("nobody reads the predictions any more")]
    NobodyReads,
}

#[cfg(feature = "score")]
fn remedy(error: &crate::score::ScoreError) -> &'static str {
    match error {
        crate::score::ScoreError::Timeout(_) => "; raise --timeout, or give it fewer rows",
        _ => "",
    }
}

impl PredictError {
    pub(super) fn local(action: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::Local {
            action,
            path: path.into(),
            source,
        }
    }

    /// What is wrong with a column of the job's data.
    pub(super) fn column(job: &Job, problem: String) -> Self {
        Self::Column {
            data: job.data.source.to_string(),
            problem,
        }
    }

    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::NoStore { .. } | Self::OtherModule { .. } | Self::NoScore => Exit::Usage,
            Self::BadModel { .. } | Self::Local { .. } | Self::Stopped => Exit::Local,
            Self::NoModule { .. } | Self::NoOnnx { .. } => Exit::StoreRefused,
            #[cfg(feature = "score")]
            Self::Score { source, .. } => source.exit(),
            Self::Memory(_) => Exit::LimitHit,
            Self::Data { .. } | Self::Column { .. } => Exit::BadData,
            Self::Rows { .. } | Self::BadOutput(_) => Exit::BadOutput,
            Self::NobodyReads => Exit::Done,
        }
    }
}
