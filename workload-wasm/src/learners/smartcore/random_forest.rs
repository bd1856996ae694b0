//! Random forest (Breiman 2001): trees on bootstrap samples, each node choosing among a few random columns.
//!
//! smartcore's classifier keeps a label in each leaf. All training rows are passed through each tree once more to fill
//! its leaves with class shares, whose average over the trees is the probability.

use ::smartcore::ensemble::random_forest_classifier::{
    RandomForestClassifier, RandomForestClassifierParameters,
};
use ::smartcore::ensemble::random_forest_regressor::{
    RandomForestRegressor, RandomForestRegressorParameters,
};
use ::smartcore::tree::decision_tree_classifier::SplitCriterion;
use contract::Task;

use super::trees::{self, Forest, ForestRegressor, Limits, class_shares, means, read};
use super::{Matrix, classes, matrix, numbers};
use crate::forms::{Form, Trees};
use crate::learners::configure::{Defaults, Method};
use crate::learners::parameters::{MaxFeatures, Parameters};
use crate::learners::{Cause, Fitted, ParameterError, Training, Wants};

struct Configured {
    task: Task,
    n_estimators: u32,
    criterion: SplitCriterion,
    limits: Limits,
    max_features: MaxFeatures,
}

pub(in crate::learners) fn make(
    parameters: &mut Parameters<'_>,
    task: Task,
    _: Defaults,
) -> Result<Box<dyn Method>, ParameterError> {
    Ok(Box::new(Configured {
        task,
        n_estimators: parameters.integer("n_estimators", 100, 1..=65535)?,
        criterion: trees::criterion(parameters, task)?,
        limits: Limits::ask(parameters)?,
        max_features: parameters.max_features(MaxFeatures::of_forest(task))?,
    }))
}

impl Method for Configured {
    fn wants(&self) -> Wants {
        trees::WANTS
    }

    fn fit(&self, training: Training<'_>) -> Result<Fitted, Cause> {
        let trees = match self.task {
            Task::Binary | Task::Multiclass => self.fit_classes(training)?,
            Task::Regression => self.fit_numbers(training)?,
        };
        Ok(Fitted::new(Form::Trees(trees)))
    }
}

impl Configured {
    fn fit_classes(&self, training: Training<'_>) -> Result<Trees, Cause> {
        let (codes, classes) = classes(training.target)?;
        let x = matrix(training.features)?;
        let forest: RandomForestClassifier<f64, u32, Matrix, Vec<u32>> =
            RandomForestClassifier::fit(
                &x,
                codes,
                RandomForestClassifierParameters {
                    criterion: self.criterion.clone(),
                    max_depth: self.limits.levels(),
                    min_samples_leaf: self.limits.min_samples_leaf,
                    min_samples_split: self.limits.min_samples_split,
                    n_trees: self.n_estimators as u16,
                    m: Some(self.max_features.of(training.features.columns.len())),
                    keep_samples: false,
                    seed: training.seed,
                },
            )?;
        let hidden: Forest<usize> = read(&forest)?;
        class_shares(&hidden.trees, training.features, codes, classes)
    }

    fn fit_numbers(&self, training: Training<'_>) -> Result<Trees, Cause> {
        let y = numbers(training.target)?;
        let x = matrix(training.features)?;
        let forest: RandomForestRegressor<f64, f64, Matrix, Vec<f64>> = RandomForestRegressor::fit(
            &x,
            &y,
            RandomForestRegressorParameters {
                max_depth: self.limits.levels(),
                min_samples_leaf: self.limits.min_samples_leaf,
                min_samples_split: self.limits.min_samples_split,
                n_trees: self.n_estimators as usize,
                m: Some(self.max_features.of(training.features.columns.len())),
                keep_samples: false,
                seed: training.seed,
            },
        )?;
        let hidden: ForestRegressor = read(&forest)?;
        Ok(means(&hidden.forest_regressor.trees))
    }
}
