//! A decision tree (Breiman et al. 1984, "Classification and regression trees").

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
    let forest = Forest::ask(parameters, task, None, MaxFeatures::Share(1.0), false)?;
    weigh(parameters, task, Box::new(forest))
}
