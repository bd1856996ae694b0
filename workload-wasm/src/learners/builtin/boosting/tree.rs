//! A tree that was grown, before it becomes part of a form.

use std::ops::Range;

use super::Sums;
use super::search::{Place, Split};
use crate::forms::{CategorySet, Node};
use crate::learners::builtin::bins::Bins;

/// A tree, and where its rows ended.
pub(in crate::learners::builtin) struct Tree {
    /// The root first; leaves are empty, their values stand in `leaves`.
    pub(super) nodes: Vec<Branch>,
    pub leaves: Vec<Grown>,
}

/// A node of it.
pub(super) enum Branch {
    /// The index of the leaf.
    Leaf(usize),
    Split {
        split: Split,
        sides: Box<[u8; 256]>,
        left: usize,
        right: usize,
    },
}

/// A leaf of a grown tree.
pub(in crate::learners::builtin) struct Grown {
    pub sums: Sums,
    /// Its stretch of [`Grower::rows_of`].
    pub(super) stretch: Range<usize>,
}

impl Tree {
    /// The leaf that a row of the bins ends in.
    pub fn leaf_of(&self, bins: &Bins, row: u32) -> usize {
        let mut node = 0;
        loop {
            match &self.nodes[node] {
                Branch::Leaf(leaf) => return *leaf,
                Branch::Split {
                    split,
                    sides,
                    left,
                    right,
                } => {
                    let code = bins.columns[split.feature].codes[row as usize];
                    node = match sides[usize::from(code)] {
                        1 => *left,
                        _ => *right,
                    };
                }
            }
        }
    }

    /// The tree as a form takes it, with a value for each leaf.
    pub fn nodes(&self, bins: &Bins, values: &[f32]) -> Vec<Node> {
        let nodes = self.nodes.iter().map(|node| match node {
            Branch::Leaf(leaf) => Node::Leaf(vec![values[*leaf]]),
            Branch::Split {
                split, left, right, ..
            } => {
                let column = &bins.columns[split.feature];
                let feature = split.feature as u32;
                let (missing_left, left, right) = (split.missing_left, *left, *right);
                match &split.place {
                    Place::UpTo(bin) => Node::Threshold {
                        feature,
                        // The last bin has no bound: all values go left.
                        threshold: column.bounds.get(*bin).copied().unwrap_or(f32::MAX),
                        missing_left,
                        left,
                        right,
                    },
                    Place::Bins(codes) => Node::Categories {
                        feature,
                        set: CategorySet {
                            categories: column.count as u32,
                            left: codes.iter().map(|code| u32::from(*code)).collect(),
                        },
                        missing_left,
                        left,
                        right,
                    },
                }
            }
        });
        nodes.collect()
    }
}
