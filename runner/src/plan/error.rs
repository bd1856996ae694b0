use std::path::PathBuf;

use super::grid::{GridError, MOST_BYTES, MOST_POINTS};
use crate::data::DataError;
use crate::exit::Exit;
use crate::names::InvalidName;
use crate::size::Size;
use crate::store::StoreError;

/// What is wrong with the command line or with what Nomad set.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error("{flag}: {source}")]
    Name {
        flag: &'static str,
        #[source]
        source: InvalidName,
    },
    #[error(
        "{flag}: {path:?} must be a plain relative path: no .., no leading /, no control characters"
    )]
    GuestPath { flag: &'static str, path: String },
    #[error(
        "--prediction-path: {path:?} is no place for predictions: {name} is another file of the model; name another one, such as predictions.csv"
    )]
    TakenPath { path: PathBuf, name: &'static str },
    #[error("{flag}: {value:?} is no whole number from {least} to {most}")]
    Number {
        flag: &'static str,
        value: String,
        least: u64,
        most: u64,
    },
    #[error(
        "{flag} {text:?}: write it as FIRST..LAST, two whole numbers, at most {MOST_POINTS} of them"
    )]
    Range { flag: &'static str, text: String },
    #[error("--points {text}: {}", if *.points == 0 {
        "the specification has no grid".to_owned()
    } else {
        format!("the specification's grid has the points 1..{points}")
    })]
    NoSuchPoints { text: String, points: u32 },
    #[error(
        "{versions} versions of a grid of {points} points are more than {MOST_POINTS} models: train them in parts, by --versions or --points FIRST..LAST"
    )]
    TooMany { versions: usize, points: usize },
    #[error(
        "{runs} models of a grid whose points take {} each are {} of specifications, and {} is the most: shorten the specification, or train it in parts, by --points FIRST..LAST",
        Size(*.point_bytes as u64),
        Size((*.point_bytes as u64).saturating_mul(*.runs as u64)),
        Size(MOST_BYTES as u64)
    )]
    TooLong { runs: usize, point_bytes: usize },
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Grid(#[from] GridError),
    #[error("{flag} {text:?}: write it as KEY=VALUE")]
    Pair { flag: &'static str, text: String },
    #[error(
        "--tag, --env and the values of the grid take more than {} of the manifest: give less of them", Size(*most)
    )]
    LongNotes { most: u64 },
    #[error("--env {0}: the contract sets this variable itself; choose another name")]
    ReservedVariable(String),
    #[error(
        "no data: give --data URL or PATH, or set NOMAD_META_data_url, or name a file with --data-path that is there and may be read (--allow-data)"
    )]
    NoData,
    #[error("cannot read the specification {path}: {source}; --spec names another file")]
    Specification {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

impl PlanError {
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Data(error) => error.exit(),
            Self::Store(error) => error.exit(),
            Self::Specification { .. } | Self::Grid(_) => Exit::BadSpecification,
            Self::Name { .. }
            | Self::GuestPath { .. }
            | Self::TakenPath { .. }
            | Self::Number { .. }
            | Self::Pair { .. }
            | Self::Range { .. }
            | Self::NoSuchPoints { .. }
            | Self::TooMany { .. }
            | Self::LongNotes { .. }
            | Self::TooLong { .. }
            | Self::ReservedVariable(_)
            | Self::NoData => Exit::Usage,
        }
    }
}
