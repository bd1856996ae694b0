//! Ordinary least squares. Of collinear columns the first ones get the weight.

use contract::Task;

use super::least_squares::LeastSquares;
use crate::learners::ParameterError;
use crate::learners::configure::{Defaults, Method};
use crate::learners::parameters::Parameters;

pub(in crate::learners) fn make(
    _: &mut Parameters<'_>,
    _: Task,
    _: Defaults,
) -> Result<Box<dyn Method>, ParameterError> {
    Ok(Box::new(LeastSquares { alpha: 0.0 }))
}
