//! Gradient boosting with second-order gain (Chen and Guestrin 2016), smartcore's `xgboost` module: regression, exact
//! splits.

use ::smartcore::xgboost::{XGRegressor, XGRegressorParameters};
use contract::Task;
use serde::Deserialize;

use super::trees::{self, read, round_down};
use super::{Matrix, matrix, numbers};
use crate::forms::{Aggregate, Form, Link, Node, Trees};
use crate::learners::configure::{Defaults, Method};
use crate::learners::parameters::Parameters;
use crate::learners::{Cause, Fitted, ParameterError, Training, Wants};

struct Configured {
    n_estimators: u32,
    learning_rate: f64,
    max_depth: u32,
    min_child_weight: u32,
    reg_lambda: f64,
    gamma: f64,
    subsample: f64,
}

pub(in crate::learners) fn make(
    parameters: &mut Parameters<'_>,
    _: Task,
    _: Defaults,
) -> Result<Box<dyn Method>, ParameterError> {
    Ok(Box::new(Configured {
        n_estimators: parameters.integer("n_estimators", 100, 1..=65535)?,
        learning_rate: parameters.number("learning_rate", 0.3, 1e-6..=1.0)?,
        // Deeper trees would pass the depth to which serde_json reads.
        max_depth: parameters.integer("max_depth", 6, 1..=60)?,
        min_child_weight: parameters.integer("min_child_weight", 1, 0..=u32::MAX)?,
        reg_lambda: parameters.number("reg_lambda", 1.0, 0.0..=1e10)?,
        gamma: parameters.number("gamma", 0.0, 0.0..=1e30)?,
        subsample: parameters.number("subsample", 1.0, 1e-3..=1.0)?,
    }))
}

impl Method for Configured {
    fn wants(&self) -> Wants {
        trees::WANTS
    }

    fn fit(&self, training: Training<'_>) -> Result<Fitted, Cause> {
        let y = numbers(training.target)?;
        let x = matrix(training.features)?;
        let base_score = y.iter().sum::<f64>() / y.len() as f64;
        let fitted: XGRegressor<f64, f64, Matrix, Vec<f64>> = XGRegressor::fit(
            &x,
            &y,
            XGRegressorParameters::default()
                .with_n_estimators(self.n_estimators as usize)
                .with_max_depth(self.max_depth as u16)
                .with_learning_rate(self.learning_rate)
                .with_min_child_weight(self.min_child_weight as usize)
                .with_lambda(self.reg_lambda)
                .with_gamma(self.gamma)
                .with_base_score(base_score)
                .with_subsample(self.subsample)
                .with_seed(training.seed),
        )?;
        let hidden: Boosted = read(&fitted)?;
        let mut trees = Trees::new(Link::Identity, Aggregate::Sum, vec![base_score], 1);
        for regressor in &hidden.regressors {
            let mut nodes = Vec::new();
            regressor.flatten(self.learning_rate, &mut nodes);
            trees.push(0, &nodes);
        }
        Ok(Fitted::new(Form::Trees(trees)))
    }
}

/// The fields of smartcore's model that predictions need.
#[derive(Deserialize)]
struct Boosted {
    regressors: Vec<Regressor>,
}

#[derive(Deserialize)]
struct Regressor {
    left: Option<Box<Regressor>>,
    right: Option<Box<Regressor>>,
    value: f64,
    threshold: f64,
    split_feature_idx: usize,
}

impl Regressor {
    /// Appends the tree's nodes to `nodes` and says the index of its root. As deep as `max_depth` at most.
    fn flatten(&self, learning_rate: f64, nodes: &mut Vec<Node>) -> usize {
        let root = nodes.len();
        nodes.push(Node::Leaf(vec![(learning_rate * self.value) as f32]));
        if let (Some(left), Some(right)) = (&self.left, &self.right) {
            let left = left.flatten(learning_rate, nodes);
            let right = right.flatten(learning_rate, nodes);
            nodes[root] = Node::Threshold {
                feature: self.split_feature_idx as u32,
                threshold: round_down(self.threshold),
                missing_left: false,
                left,
                right,
            };
        }
        root
    }
}
