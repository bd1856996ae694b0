//! The types that a training module and the runner exchange, and the names of the files they travel in.
//!
//! `docs/contract.md` is the home of the contract; this crate is its Rust form. Any language that compiles to
//! WASI preview 1 can implement it without this crate.

mod categories;
mod check;
mod error;
pub mod exit;
pub mod files;
mod manifest;
mod metrics;
mod parity;
pub mod scores;
mod warning;

pub use categories::{CategoryCounts, CategoryVerdict, KnownCategories};
pub use check::{Check, CheckColumn, CheckValues};
pub use error::ErrorReport;
pub use manifest::{
    DataOrigin, FileEntry, GridPoint, Manifest, ModuleOrigin, NomadOrigin, RunParameters,
    RunnerOrigin, SpecificationOrigin, Times,
};
pub use metrics::{
    Evaluation, Feature, FeatureKind, Gate, Importance, Learner, LeftOut, Metrics, Primary, Rows,
    Task,
};
pub use parity::Parity;
pub use warning::{PredictionWarnings, Warning};

/// The version of the contract that this crate describes; the guest finds it in the variable `CONTRACT`.
pub const CONTRACT: u32 = 1;
