//! Ridge regression (Hoerl and Kennard 1970): least squares plus `alpha` times the squared coefficients.

use contract::Task;

use super::least_squares::LeastSquares;
use crate::learners::ParameterError;
use crate::learners::configure::{Defaults, Method};
use crate::learners::parameters::Parameters;

pub(in crate::learners) fn make(
    parameters: &mut Parameters<'_>,
    _: Task,
    _: Defaults,
) -> Result<Box<dyn Method>, ParameterError> {
    Ok(Box::new(LeastSquares {
        alpha: parameters.number("alpha", 1.0, 0.0..=1e10)?,
    }))
}
