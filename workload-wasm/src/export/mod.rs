//! The files of the contract.

mod check;
mod model;
mod predictions;

pub use check::check;
pub use model::{Model, ModelError};
pub use predictions::predictions_csv;
