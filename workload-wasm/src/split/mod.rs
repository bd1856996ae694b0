//! Which rows train, which choose among versions, and which test.

mod duplicates;
mod folds;
mod hold_out;
mod said;
mod times;

pub use duplicates::{Compared, warning as duplicates_warning};
pub use folds::{Fold, folds};
pub use hold_out::hold_out;
pub use said::warnings;

/// Rows of the table by their use, each part in the order of the dataset; no row is in two parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    pub train: Vec<u32>,
    /// Empty unless the specification asks for one.
    pub validation: Vec<u32>,
    pub held_out: Vec<u32>,
}
