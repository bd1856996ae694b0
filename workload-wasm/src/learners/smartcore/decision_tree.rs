//! A decision tree (Breiman et al. 1984), classification and regression.

use ::smartcore::tree::decision_tree_classifier::{
    DecisionTreeClassifier, DecisionTreeClassifierParameters, SplitCriterion,
};
use ::smartcore::tree::decision_tree_regressor::{
    DecisionTreeRegressor, DecisionTreeRegressorParameters,
};
use contract::Task;
use serde::Deserialize;

use super::trees::{self, Limits, Tree, class_shares, means, read};
use super::{Matrix, classes, matrix, numbers};
use crate::forms::{Form, Trees};
use crate::learners::configure::{Defaults, Method};
use crate::learners::parameters::Parameters;
use crate::learners::{Cause, Fitted, ParameterError, Training, Wants};

struct Configured {
    task: Task,
    criterion: SplitCriterion,
    limits: Limits,
}

pub(in crate::learners) fn make(
    parameters: &mut Parameters<'_>,
    task: Task,
    _: Defaults,
) -> Result<Box<dyn Method>, ParameterError> {
    Ok(Box::new(Configured {
        task,
        criterion: trees::criterion(parameters, task)?,
        limits: Limits::ask(parameters)?,
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
        let tree: DecisionTreeClassifier<f64, u32, Matrix, Vec<u32>> = DecisionTreeClassifier::fit(
            &x,
            codes,
            DecisionTreeClassifierParameters {
                criterion: self.criterion.clone(),
                max_depth: self.limits.levels(),
                min_samples_leaf: self.limits.min_samples_leaf,
                min_samples_split: self.limits.min_samples_split,
                seed: Some(training.seed),
            },
        )?;
        let hidden: Tree<usize> = read(&tree)?;
        class_shares(&[hidden], training.features, codes, classes)
    }

    fn fit_numbers(&self, training: Training<'_>) -> Result<Trees, Cause> {
        let y = numbers(training.target)?;
        let x = matrix(training.features)?;
        let tree: DecisionTreeRegressor<f64, f64, Matrix, Vec<f64>> = DecisionTreeRegressor::fit(
            &x,
            &y,
            DecisionTreeRegressorParameters {
                max_depth: self.limits.levels(),
                min_samples_leaf: self.limits.min_samples_leaf,
                min_samples_split: self.limits.min_samples_split,
                seed: Some(training.seed),
            },
        )?;
        let hidden: Regressor = read(&tree)?;
        Ok(means(&[hidden.tree_regressor]))
    }
}

#[derive(Deserialize)]
struct Regressor {
    tree_regressor: Tree<f64>,
}
