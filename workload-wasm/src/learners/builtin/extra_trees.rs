//! Extremely randomized trees (Geurts et al. 2006): all rows in each tree, random thresholds.

use contract::Task;

use super::forest::Forest;
use crate::learners::ParameterError;
use crate::learners::class_weight::weigh;
use crate::learners::configure::{Defaults, Method};
use crate::learners::parameters::{MaxFeatures, Parameters};

pub(in crate::learners) fn make(
    parameters: &mut Parameters<'_>,
    task: Task,
    _: Defaults,
) -> Result<Box<dyn Method>, ParameterError> {
    let max_features = MaxFeatures::of_forest(task);
    let forest = Forest::ask(parameters, task, Some(false), max_features, true)?;
    weigh(parameters, task, Box::new(forest))
}
