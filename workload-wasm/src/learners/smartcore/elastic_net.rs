//! Elastic net (Zou and Hastie 2005): mean squared error / 2 plus `alpha` times a mix of absolute and squared / 2
//! coefficients.

use ::smartcore::linear::elastic_net::{ElasticNet, ElasticNetParameters};
use contract::Task;

use super::Matrix;
use super::centered::{self, Centered};
use crate::learners::configure::{Defaults, Method};
use crate::learners::parameters::Parameters;
use crate::learners::{Cause, Fitted, ParameterError, Training, Wants};

struct Configured {
    alpha: f64,
    l1_ratio: f64,
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
        // smartcore's solver is unstable without an absolute part; `ridge` is the elastic net that has none.
        l1_ratio: parameters.number("l1_ratio", 0.5, 0.01..=1.0)?,
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
        // scikit-learn: errors² / 2n + a r |w| + a (1 - r) w² / 2. smartcore: errors² + n A R |w| + n A (1 - R) w².
        let padding = centered.rows as f64 / centered.y.len() as f64;
        let parameters = ElasticNetParameters {
            alpha: self.alpha * (1.0 + self.l1_ratio) * padding,
            l1_ratio: 2.0 * self.l1_ratio / (1.0 + self.l1_ratio),
            normalize: false,
            tol: self.tol,
            max_iter: self.max_iter as usize,
        };
        let fitted: ElasticNet<f64, f64, Matrix, Vec<f64>> =
            ElasticNet::fit(&centered.x, &centered.y, parameters)?;
        Ok(centered.fitted(fitted.coefficients()))
    }
}
