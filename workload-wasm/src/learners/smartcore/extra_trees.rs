//! Extremely randomized trees (Geurts et al. 2006), regression: all rows in each tree, random thresholds.

use ::smartcore::ensemble::extra_trees_regressor::{
    ExtraTreesRegressor, ExtraTreesRegressorParameters,
};
use contract::Task;

use super::trees::{self, ForestRegressor, Limits, means, read};
use super::{Matrix, matrix, numbers};
use crate::forms::Form;
use crate::learners::configure::{Defaults, Method};
use crate::learners::parameters::{MaxFeatures, Parameters};
use crate::learners::{Cause, Fitted, ParameterError, Training, Wants};

struct Configured {
    n_estimators: u32,
    limits: Limits,
    max_features: MaxFeatures,
}

pub(in crate::learners) fn make(
    parameters: &mut Parameters<'_>,
    _: Task,
    _: Defaults,
) -> Result<Box<dyn Method>, ParameterError> {
    Ok(Box::new(Configured {
        n_estimators: parameters.integer("n_estimators", 100, 1..=65535)?,
        limits: Limits::ask(parameters)?,
        max_features: parameters.max_features(MaxFeatures::Share(1.0))?,
    }))
}

impl Method for Configured {
    fn wants(&self) -> Wants {
        trees::WANTS
    }

    fn fit(&self, training: Training<'_>) -> Result<Fitted, Cause> {
        let y = numbers(training.target)?;
        let x = matrix(training.features)?;
        let forest: ExtraTreesRegressor<f64, f64, Matrix, Vec<f64>> = ExtraTreesRegressor::fit(
            &x,
            &y,
            ExtraTreesRegressorParameters {
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
        Ok(Fitted::new(Form::Trees(means(
            &hidden.forest_regressor.trees,
        ))))
    }
}
