use serde::{Deserialize, Serialize};

use super::walk::Walk;
use super::{FormError, Link, Predictions, all_finite};
use crate::learners::Features;

/// An ensemble of binary trees in flat arrays.
///
/// The trees' nodes follow one another, and within a tree a child always stands behind its parent, the right one
/// right behind the left one. `split`, `feature`, `threshold` and `next` have one entry a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trees {
    pub link: Link,
    /// How the trees' values add up.
    pub aggregate: Aggregate,
    /// Where the sums start: one an output.
    pub base_score: Vec<f64>,
    /// Index of each tree's first node.
    pub roots: Vec<u32>,
    /// The output that the first value of each tree's leaves adds to; those behind it go to the outputs behind it.
    pub outputs: Vec<u32>,
    pub split: Vec<Split>,
    /// The column that a node looks at; 0 in a leaf.
    pub feature: Vec<u32>,
    /// Values up to and with this one go left; 0 in a leaf and in a split by category.
    pub threshold: Vec<f32>,
    /// The left child; in a leaf the index of the leaf's values.
    pub next: Vec<u32>,
    /// The entry of `category_sets` of each node that splits by category, else 0. Empty where no node does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<u32>,
    /// Category codes that go left, ascending. A code that the training rows didn't show counts as missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub category_sets: Vec<CategorySet>,
    /// Values in each leaf.
    pub leaf_width: u32,
    /// leaves x `leaf_width`.
    pub values: Vec<f32>,
}

/// How trees add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregate {
    /// A forest.
    Mean,
    /// Boosting.
    Sum,
}

/// What a node does with a value, and where a missing one goes. In `model.json` the number in parentheses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "u8", try_from = "u8")]
#[repr(u8)]
pub enum Split {
    /// None: the node is a leaf (0).
    Leaf = 0,
    /// By threshold, missing goes right (1).
    Threshold = 1,
    /// By threshold, missing goes left (2).
    ThresholdMissingLeft = 2,
    /// By set of categories, missing goes right (3).
    Categories = 3,
    /// By set of categories, missing goes left (4).
    CategoriesMissingLeft = 4,
}

impl From<Split> for u8 {
    fn from(split: Split) -> u8 {
        split as u8
    }
}

impl TryFrom<u8> for Split {
    type Error = String;

    fn try_from(code: u8) -> Result<Self, String> {
        Ok(match code {
            0 => Split::Leaf,
            1 => Split::Threshold,
            2 => Split::ThresholdMissingLeft,
            3 => Split::Categories,
            4 => Split::CategoriesMissingLeft,
            _ => return Err(format!("{code} is no kind of split: they are 0 to 4")),
        })
    }
}

/// Which of a column's categories go left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CategorySet {
    /// How many categories the training rows showed: codes from here on are missing.
    pub categories: u32,
    /// Those that go left, ascending.
    pub left: Vec<u32>,
}

/// A node of a tree that is handed to [`Trees::push`].
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// `leaf_width` values.
    Leaf(Vec<f32>),
    Threshold {
        feature: u32,
        threshold: f32,
        missing_left: bool,
        /// Index of the child in the slice that is pushed; likewise `right`.
        left: usize,
        right: usize,
    },
    Categories {
        feature: u32,
        set: CategorySet,
        missing_left: bool,
        left: usize,
        right: usize,
    },
}

impl Trees {
    /// An ensemble without trees yet: it predicts `base_score` through `link`.
    #[must_use]
    pub fn new(link: Link, aggregate: Aggregate, base_score: Vec<f64>, leaf_width: u32) -> Self {
        Trees {
            link,
            aggregate,
            base_score,
            roots: Vec::new(),
            outputs: Vec::new(),
            split: Vec::new(),
            feature: Vec::new(),
            threshold: Vec::new(),
            next: Vec::new(),
            set: Vec::new(),
            category_sets: Vec::new(),
            leaf_width,
            values: Vec::new(),
        }
    }

    /// Adds a tree whose root is `nodes[0]` and whose leaves add to the outputs from `output` on. Nodes that the root
    /// does not reach are left out.
    pub fn push(&mut self, output: u32, nodes: &[Node]) {
        self.roots.push(self.split.len() as u32);
        self.outputs.push(output);
        let first = self.split.len();
        let mut queue = vec![0_usize];
        let mut at = 0;
        while let Some(node) = queue.get(at).and_then(|index| nodes.get(*index)) {
            let children = (first + queue.len()) as u32;
            match node {
                Node::Leaf(values) => {
                    let leaf = self.values.len() / self.leaf_width as usize;
                    self.push_node(Split::Leaf, 0, 0.0, leaf as u32);
                    self.values.extend_from_slice(values);
                }
                Node::Threshold {
                    feature,
                    threshold,
                    missing_left,
                    left,
                    right,
                } => {
                    let split = match missing_left {
                        true => Split::ThresholdMissingLeft,
                        false => Split::Threshold,
                    };
                    self.push_node(split, *feature, *threshold, children);
                    queue.extend([*left, *right]);
                }
                Node::Categories {
                    feature,
                    set,
                    missing_left,
                    left,
                    right,
                } => {
                    let split = match missing_left {
                        true => Split::CategoriesMissingLeft,
                        false => Split::Categories,
                    };
                    self.set.resize(self.split.len(), 0);
                    self.set.push(self.category_sets.len() as u32);
                    self.category_sets.push(set.clone());
                    self.push_node(split, *feature, 0.0, children);
                    queue.extend([*left, *right]);
                }
            }
            at += 1;
        }
        if !self.category_sets.is_empty() {
            self.set.resize(self.split.len(), 0);
        }
    }

    fn push_node(&mut self, split: Split, feature: u32, threshold: f32, next: u32) {
        self.split.push(split);
        self.feature.push(feature);
        self.threshold.push(threshold);
        self.next.push(next);
    }

    pub(super) fn predict(&self, features: &Features) -> Predictions {
        let outputs = self.base_score.len();
        let width = self.leaf_width as usize;
        let mut sums = vec![0.0_f64; features.rows * outputs];
        self.visit(features, |row, tree, leaf| {
            let from = row * outputs + self.outputs[tree] as usize;
            let values = &self.values[leaf * width..(leaf + 1) * width];
            for (sum, value) in sums[from..from + width].iter_mut().zip(values) {
                *sum += f64::from(*value);
            }
        });
        let scale = match self.aggregate {
            Aggregate::Mean => 1.0 / self.roots.len().max(1) as f64,
            Aggregate::Sum => 1.0,
        };
        for row in sums.chunks_exact_mut(outputs) {
            for (sum, base) in row.iter_mut().zip(&self.base_score) {
                *sum = base + *sum * scale;
            }
        }
        self.link.apply(sums, outputs)
    }

    /// Calls `reached(row, tree, leaf)` for every row and tree: the leaf is the index of its values, `leaf_width` each.
    pub fn visit(&self, features: &Features, reached: impl FnMut(usize, usize, usize)) {
        Walk::new(self).visit(features, reached);
    }

    pub(super) fn check(&self, features: usize) -> Result<(), FormError> {
        self.link.check(self.base_score.len())?;
        all_finite(&self.base_score)?;
        let nodes = self.split.len();
        let by_category = !self.category_sets.is_empty();
        if self.feature.len() != nodes
            || self.threshold.len() != nodes
            || self.next.len() != nodes
            || (by_category && self.set.len() != nodes)
        {
            return Err(FormError::Lengths { what: "nodes" });
        }
        let width = self.leaf_width as usize;
        if self.roots.len() != self.outputs.len()
            || width == 0
            || !self.values.len().is_multiple_of(width)
        {
            return Err(FormError::Lengths { what: "trees" });
        }
        let finite = |values: &[f32]| values.iter().all(|value| value.is_finite());
        if !finite(&self.values) || !finite(&self.threshold) {
            return Err(FormError::NotFinite);
        }
        for (root, output) in self.roots.iter().zip(&self.outputs) {
            if *root as usize >= nodes || *output as usize + width > self.base_score.len() {
                return Err(FormError::Node {
                    node: *root as usize,
                });
            }
        }
        for node in 0..nodes {
            self.check_node(node, features)?;
        }
        Ok(())
    }

    fn check_node(&self, node: usize, features: usize) -> Result<(), FormError> {
        let next = self.next[node] as usize;
        let split = self.split[node];
        let sound = match split {
            Split::Leaf => next < self.values.len() / self.leaf_width as usize,
            Split::Threshold
            | Split::ThresholdMissingLeft
            | Split::Categories
            | Split::CategoriesMissingLeft => {
                // Children stand behind their parent: a walk always ends.
                next > node
                    && next + 1 < self.split.len()
                    && (self.feature[node] as usize) < features
            }
        };
        let categories = matches!(split, Split::Categories | Split::CategoriesMissingLeft);
        let set = self.set.get(node).map_or(0, |set| *set as usize);
        if sound && (!categories || set < self.category_sets.len()) {
            Ok(())
        } else {
            Err(FormError::Node { node })
        }
    }
}
