//! The parts of gradient boosting: what is minimized, how rows are summed up, where a leaf is split, how a tree grows.
//!
//! Everything that trees are grown from is whole numbers: gradients and Hessians are rounded to 18 and 19 bits once a
//! tree. Their sums are then exact, so that no order of adding, and no difference of two sums, leaves a trace.

mod exp;
mod grow;
mod histogram;
mod objective;
mod search;
#[cfg(test)]
mod tests;
mod tree;

pub(super) use grow::{Ground, Grower};
pub(super) use objective::Objective;
pub(super) use search::{Categories, Limits};
pub(super) use tree::Tree;

/// Sums of gradients and of Hessians over some rows, in [`Quantum`]s: whole numbers below 2^53.
type Sums = [f64; 2];

/// What a unit of the rounded numbers stands for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quantum {
    pub gradient: f64,
    pub hessian: f64,
}
