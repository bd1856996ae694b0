//! Lasso: mean squared error / 2 plus `alpha` times the absolute coefficients, by an interior-point method (Koh, Kim
//! and Boyd 2007).

use ::smartcore::linear::lasso::{Lasso, LassoParameters};
use contract::Task;

use super::Matrix;
use super::centered::{self, Centered};
use crate::learners::configure::{Defaults, Method};
use crate::learners::parameters::Parameters;
use crate::learners::{Cause, Fitted, ParameterError, Training, Wants};

struct Configured {
    alpha: f64,
    tol: f64,
    max_iter: u32,
}

pub(in crate::learners) fn make(
    parameters: &mut Parameters<'_>,
    _: Task,
    _: Defaults,
) -> Result<Box<dyn Method>, ParameterError> {
    Ok(Box::new(Configured {
        alpha: parameters.number("alpha", 1.0, 1e-6..=1e10)?,
        tol: parameters.number("tol", 1e-4, 1e-8..=1.0)?,
        max_iter: parameters.integer("max_iter", 1000, 1..=100_000)?,
    }))
}

impl Method for Configured {
    fn wants(&self) -> Wants {
        centered::WANTS
    }

    fn fit(&self, training: Training<'_>) -> Result<Fitted, Cause> {
        let centered = Centered::new(training)?;
        if centered.constant() {
            return Ok(centered.mean());
        }
        // scikit-learn halves and averages the squared errors; smartcore sums them and weighs `alpha` with all rows.
        let alpha = 2.0 * self.alpha * centered.rows as f64 / centered.y.len() as f64;
        let parameters = LassoParameters {
            alpha,
            normalize: false,
            fit_intercept: false,
            tol: self.tol,
            max_iter: self.max_iter as usize,
        };
        let fitted: Lasso<f64, f64, Matrix, Vec<f64>> =
            Lasso::fit(&centered.x, &centered.y, parameters)?;
        Ok(centered.fitted(fitted.coefficients()))
    }
}
