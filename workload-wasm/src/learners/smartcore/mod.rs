//! The learners of the smartcore crate. Each file configures one, fits it and reads what was fitted into a form.

use ::smartcore::error::Failed;
use ::smartcore::linalg::basic::matrix::DenseMatrix;

use super::{Cause, Features, Target};

mod centered;
pub(super) mod decision_tree;
pub(super) mod elastic_net;
pub(super) mod extra_trees;
pub(super) mod lasso;
pub(super) mod linear;
pub(super) mod logistic_regression;
#[cfg(test)]
mod pins;
pub(super) mod random_forest;
pub(super) mod ridge;
mod support_vectors;
pub(super) mod svc;
pub(super) mod svr;
mod trees;
pub(super) mod xgboost;

/// Everything is computed in f64: the f32 of the table can't overflow in it.
type Matrix = DenseMatrix<f64>;

/// The features as smartcore's matrix, rows x columns.
fn matrix(features: &Features) -> Result<Matrix, Cause> {
    let mut values = Vec::with_capacity(features.rows * features.columns.len());
    for column in &features.columns {
        values.extend(column.values.iter().map(|value| f64::from(*value)));
    }
    Ok(DenseMatrix::new(
        features.rows,
        features.columns.len(),
        values,
        true,
    )?)
}

/// The class codes of a classification.
fn classes(target: &Target) -> Result<(&Vec<u32>, usize), Cause> {
    match target {
        Target::Classes { codes, classes } => Ok((codes, *classes)),
        Target::Number(_) => Err(Cause::Task),
    }
}

/// The numbers of a regression.
fn numbers(target: &Target) -> Result<Vec<f64>, Cause> {
    match target {
        Target::Number(values) => Ok(values.iter().map(|value| f64::from(*value)).collect()),
        Target::Classes { .. } => Err(Cause::Task),
    }
}

impl From<Failed> for Cause {
    fn from(failed: Failed) -> Self {
        Cause::Engine(failed.to_string())
    }
}
