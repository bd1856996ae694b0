//! Ridge regression: least squares plus `alpha` times the squared coefficients.

use ::smartcore::linear::ridge_regression::{
    RidgeRegression, RidgeRegressionParameters, RidgeRegressionSolverName,
};
use contract::Task;

use super::Matrix;
use super::centered::{self, Centered};
use crate::learners::configure::{Defaults, Method};
use crate::learners::parameters::Parameters;
use crate::learners::{Cause, Fitted, ParameterError, Training, Wants};

struct Configured {
    alpha: f64,
}

pub(in crate::learners) fn make(
    parameters: &mut Parameters<'_>,
    _: Task,
    _: Defaults,
) -> Result<Box<dyn Method>, ParameterError> {
    Ok(Box::new(Configured {
        alpha: parameters.number("alpha", 1.0, 1e-6..=1e10)?,
    }))
}

impl Method for Configured {
    fn wants(&self) -> Wants {
        centered::WANTS
    }

    fn fit(&self, training: Training<'_>) -> Result<Fitted, Cause> {
        let centered = Centered::new(training)?;
        let parameters = RidgeRegressionParameters {
            solver: RidgeRegressionSolverName::Cholesky,
            alpha: self.alpha,
            normalize: false,
        };
        let fitted: RidgeRegression<f64, f64, Matrix, Vec<f64>> =
            RidgeRegression::fit(&centered.x, &centered.y, parameters)?;
        Ok(centered.fitted(fitted.coefficients()))
    }
}
