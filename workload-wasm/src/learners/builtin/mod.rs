//! Learners of our own, where they are faster than the others', or where there is nothing to fit.

use super::{Cause, Target};

mod backpropagation;
mod bins;
mod boosting;
mod bundles;
pub(super) mod decision_tree;
pub(super) mod extra_trees;
mod forest;
pub(super) mod gaussian_nb;
mod goal;
pub(super) mod gradient_boosting;
mod grow;
pub(super) mod knn;
mod lbfgs;
mod least_squares;
pub(super) mod linear;
pub(super) mod logistic_regression;
mod matrix;
pub(super) mod mlp;
mod partition;
pub(super) mod random_forest;
pub(super) mod ridge;
mod scan;
mod smo;
mod split;
mod sums;
pub(super) mod svc;
pub(super) mod svr;

/// The class codes of a classification.
fn classes(target: &Target) -> Result<(&[u32], usize), Cause> {
    match target {
        Target::Classes { codes, classes } => Ok((codes, *classes)),
        Target::Number(_) => Err(Cause::Task),
    }
}
