//! The files of the contract.

mod check;
mod model;
mod onnx;
mod predictions;

pub use check::check;
pub use model::{FittedBy, Model, ModelError};
pub use onnx::{NotExported, PublishedAs, onnx};
pub use predictions::predictions_csv;
