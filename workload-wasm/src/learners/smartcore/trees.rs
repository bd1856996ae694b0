//! The trees that smartcore fits and hides, read through serde, in this file only.

use ::smartcore::tree::decision_tree_classifier::SplitCriterion;
use contract::Task;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::forms::{self, Aggregate, Link, Trees};
use crate::learners::parameters::Parameters;
use crate::learners::{Cause, Features, ParameterError, Wants};

/// smartcore's trees split numbers and know no missing value.
pub(super) const WANTS: Wants = Wants {
    imputed: true,
    scaled: false,
    one_hot: true,
};

/// What keeps a tree from growing on; scikit-learn's names and defaults, which are smartcore's too.
pub(super) struct Limits {
    max_depth: Option<u32>,
    pub min_samples_leaf: usize,
    pub min_samples_split: usize,
}

impl Limits {
    pub fn ask(parameters: &mut Parameters<'_>) -> Result<Self, ParameterError> {
        Ok(Limits {
            max_depth: parameters.optional_integer("max_depth", 1..=65534)?,
            min_samples_leaf: parameters.integer("min_samples_leaf", 1, 1..=u32::MAX)? as usize,
            min_samples_split: parameters.integer("min_samples_split", 2, 2..=u32::MAX)? as usize,
        })
    }

    /// smartcore counts levels of nodes, where scikit-learn counts levels of splits.
    pub fn levels(&self) -> Option<u16> {
        self.max_depth.map(|depth| depth as u16 + 1)
    }
}

/// The measure of a classification tree's splits; a regression's is the squared error alone.
pub(super) fn criterion(
    parameters: &mut Parameters<'_>,
    task: Task,
) -> Result<SplitCriterion, ParameterError> {
    if task == Task::Regression {
        return Ok(SplitCriterion::default());
    }
    Ok(
        match parameters.choice("criterion", "gini", &["gini", "entropy"])? {
            "entropy" => SplitCriterion::Entropy,
            _ => SplitCriterion::Gini,
        },
    )
}

/// A fitted tree as smartcore serializes it: the fields that predictions need.
#[derive(Debug, Deserialize)]
pub(super) struct Tree<Output> {
    nodes: Vec<Node<Output>>,
}

#[derive(Debug, Deserialize)]
struct Node<Output> {
    output: Output,
    split_feature: usize,
    split_value: Option<f64>,
    true_child: Option<usize>,
    false_child: Option<usize>,
}

/// Trees as a forest holds them.
#[derive(Deserialize)]
pub(super) struct Forest<Output> {
    pub trees: Vec<Tree<Output>>,
}

/// A random forest or extra trees for a regression.
#[derive(Deserialize)]
pub(super) struct ForestRegressor {
    pub forest_regressor: Forest<f64>,
}

/// Reads what `model` hides into `Hidden`, a type with some of its fields.
pub(super) fn read<Hidden: DeserializeOwned>(model: &impl Serialize) -> Result<Hidden, Cause> {
    let unread = |error: serde_json::Error| {
        Cause::Engine(format!("the fitted trees could not be read: {error}"))
    };
    let text = serde_json::to_vec(model).map_err(unread)?;
    serde_json::from_slice(&text).map_err(unread)
}

impl<Output> Tree<Output> {
    /// The tree as a form's nodes; `leaf` says what a leaf holds.
    pub fn nodes(&self, leaf: impl Fn(&Output) -> Vec<f32>) -> Vec<forms::Node> {
        self.nodes
            .iter()
            .map(
                |node| match (node.split_value, node.true_child, node.false_child) {
                    (Some(threshold), Some(left), Some(right)) => forms::Node::Threshold {
                        feature: node.split_feature as u32,
                        threshold: round_down(threshold),
                        missing_left: false,
                        left,
                        right,
                    },
                    _ => forms::Node::Leaf(leaf(&node.output)),
                },
            )
            .collect()
    }
}

/// Regression trees, whose mean is the prediction.
pub(super) fn means(hidden: &[Tree<f64>]) -> Trees {
    let mut trees = Trees::new(Link::Identity, Aggregate::Mean, vec![0.0], 1);
    for tree in hidden {
        trees.push(0, &tree.nodes(|value| vec![*value as f32]));
    }
    trees
}

/// Classification trees whose leaves hold the shares of the classes among the rows of `features` that reach them.
pub(super) fn class_shares(
    hidden: &[Tree<usize>],
    features: &Features,
    codes: &[u32],
    classes: usize,
) -> Result<Trees, Cause> {
    let width = u32::try_from(classes).map_err(|error| Cause::Engine(error.to_string()))?;
    let mut trees = Trees::new(Link::Shares, Aggregate::Mean, vec![0.0; classes], width);
    for tree in hidden {
        // Shares of a leaf that no row reaches: there is none, as long as `features` are what the trees were fitted on.
        trees.push(0, &tree.nodes(|_| vec![1.0 / classes as f32; classes]));
    }
    let mut counts = vec![0_u32; trees.values.len()];
    trees.visit(features, |row, _, leaf| {
        counts[leaf * classes + codes[row] as usize] += 1;
    });
    let leaves = trees.values.chunks_exact_mut(classes);
    for (shares, counts) in leaves.zip(counts.chunks_exact(classes)) {
        let rows: u32 = counts.iter().sum();
        if rows > 0 {
            for (share, count) in shares.iter_mut().zip(counts) {
                *share = (f64::from(*count) / f64::from(rows)) as f32;
            }
        }
    }
    Ok(trees)
}

/// The greatest f32 that is not above `threshold`: it parts f32 values as `threshold` does.
pub(super) fn round_down(threshold: f64) -> f32 {
    let nearest = threshold as f32;
    if f64::from(nearest) > threshold {
        nearest.next_down()
    } else {
        nearest
    }
}
