use std::path::PathBuf;

use super::tree::Problem;
use crate::exit::Exit;
use crate::foreign;
use crate::size::Size;

/// What the guest left breaks the contract.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    #[error(
        "the guest left {name}: {problem}; a model holds regular files with plain names, and nothing else"
    )]
    Refused { name: String, problem: Problem },
    #[error("the guest left no {0}, which the contract asks for (docs/contract.md)")]
    Missing(&'static str),
    #[error(
        "the guest left no predictions where PREDICTION_PATH says ({}), or an empty file: the contract asks for them (docs/contract.md)", .0.display()
    )]
    NoPredictions(PathBuf),
    #[error(
        "the guest left a {name} that is not as the contract has it: {reason} (docs/contract.md)"
    )]
    Invalid { name: &'static str, reason: String },
    #[error(
        "the guest left a manifest.json: the runner writes that one, and it alone; use another name"
    )]
    OwnManifest,
    #[error(
        "the guest left so many files that their list is larger than {}: let it leave fewer, or with shorter paths", Size(*.0)
    )]
    LongList(u64),
    #[error(
        "the guest ended with status 0, but its metrics.json says that the gate on {} was missed",
        foreign::line(metric)
    )]
    GateContradiction { metric: String },
    #[error(
        "the guest ended with status 5, which says that a gate was missed, but its metrics.json names no such gate"
    )]
    NoMissedGate,
    #[error("the guest left more than {limit} {what}; raise {flag}, or let it leave less")]
    TooMuch {
        limit: u64,
        what: &'static str,
        flag: &'static str,
    },
    #[error("cannot read what the guest left: {0}")]
    Io(#[source] std::io::Error),
}

impl OutputError {
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Io(_) => Exit::Local,
            Self::TooMuch { .. } => Exit::LimitHit,
            _ => Exit::BadOutput,
        }
    }
}
