//! ONNX, scored by tract: in a process of its own, since a model is bytes that a module left.
//!
//! | file | what |
//! |---|---|
//! | `session`, `ensemble` | tract, and our operators for tree ensembles |
//! | `aside` | the process that scores, with what it gives up beforehand |
//! | `client`, `signature` | the runner's end of the pipe, and what goes through it |
//! | `standby` | that process made ready in time, and killed in time |
//! | `early` | notices a model that a guest has written, while the guest goes on |
//! | `columns` | columns of a table -> inputs of a model; its outputs -> labels, probabilities, predictions |
//! | `parity` | the gate before a model is published |

#[cfg(feature = "score")]
mod aside;
#[cfg(feature = "score")]
mod client;
#[cfg(feature = "score")]
mod columns;
#[cfg(feature = "score")]
mod compare;
#[cfg(feature = "score")]
mod early;
#[cfg(feature = "score")]
mod ensemble;
pub mod parity;
#[cfg(feature = "score")]
mod session;
#[cfg(feature = "score")]
mod signature;
#[cfg(feature = "score")]
mod standby;

#[cfg(feature = "score")]
pub use self::scored::*;

#[cfg(feature = "score")]
mod scored {
    use std::io;
    use std::path::PathBuf;
    use std::time::Duration;

    pub use super::aside::serve_if_asked;
    pub use super::client::Scorer;
    pub use super::columns::{Column, Scores, arrange};
    pub use super::signature::{Kind, Port, Signature, Values};
    pub use super::standby::Standby;
    use crate::exit::Exit;

    /// Larger models are not scored. Bytes.
    pub(super) const MAX_MODEL: u64 = 512 << 20;

    /// Why a model can't be scored.
    #[derive(Debug, thiserror::Error)]
    pub enum ScoreError {
        #[error("cannot read {path}: {source}")]
        Read {
            path: PathBuf,
            #[source]
            source: io::Error,
        },
        #[error("{0}")]
        Model(String),
        #[error("the process that scores it ended early ({0})")]
        Died(String),
        #[error("it took longer than {} s", .0.as_secs_f64())]
        Timeout(Duration),
        /// The machine's fault, not the model's.
        #[error("the process that scores it could not be started: {0}")]
        Start(#[source] io::Error),
    }

    impl ScoreError {
        #[must_use]
        pub fn exit(&self) -> Exit {
            match self {
                Self::Read { .. } | Self::Start(_) => Exit::Local,
                Self::Timeout(_) => Exit::LimitHit,
                Self::Model(_) | Self::Died(_) => Exit::BadOutput,
            }
        }
    }
}
#[cfg(feature = "score")]
use self::scored::MAX_MODEL;
