use serde::{Deserialize, Serialize};

use super::Predictions;
use crate::learners::Features;

/// An ensemble of binary trees in flat arrays; the trees' nodes follow one another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trees {
    /// Index of each tree's first node.
    pub roots: Vec<u32>,
}

impl Trees {
    pub(super) fn predict(&self, _features: &Features) -> Predictions {
        Predictions::Values(Vec::new())
    }
}
