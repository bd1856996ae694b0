//! Random forest (Breiman 2001): trees on bootstrap samples, each node choosing among a few random columns.

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
    let forest = Forest::ask(parameters, task, Some(true), max_features, false)?;
    weigh(parameters, task, Box::new(forest))
}
