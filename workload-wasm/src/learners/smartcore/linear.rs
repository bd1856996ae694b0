//! Ordinary least squares, by singular value decomposition: collinear columns share their weight.

use ::smartcore::linear::linear_regression::{
    LinearRegression, LinearRegressionParameters, LinearRegressionSolverName,
};
use contract::Task;

use super::Matrix;
use super::centered::{self, Centered};
use crate::learners::configure::{Defaults, Method};
use crate::learners::parameters::Parameters;
use crate::learners::{Cause, Fitted, ParameterError, Training, Wants};

struct Configured;

pub(in crate::learners) fn make(
    _: &mut Parameters<'_>,
    _: Task,
    _: Defaults,
) -> Result<Box<dyn Method>, ParameterError> {
    Ok(Box::new(Configured))
}

impl Method for Configured {
    fn wants(&self) -> Wants {
        centered::WANTS
    }

    fn fit(&self, training: Training<'_>) -> Result<Fitted, Cause> {
        let centered = Centered::new(training)?;
        let parameters = LinearRegressionParameters {
            solver: LinearRegressionSolverName::SVD,
        };
        let fitted: LinearRegression<f64, f64, Matrix, Vec<f64>> =
            LinearRegression::fit(&centered.x, &centered.y, parameters)?;
        Ok(centered.fitted(fitted.coefficients()))
    }
}
