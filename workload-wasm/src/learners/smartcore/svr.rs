//! Support vector regression with an insensitive margin, by sequential minimal optimization.

use ::smartcore::svm::svr::{SVR, SVRParameters};
use contract::Task;

use super::support_vectors::{kernel, repeated, solution};
use super::{Matrix, numbers};
use crate::forms::Rows;
use crate::learners::configure::{Defaults, Method};
use crate::learners::parameters::Parameters;
use crate::learners::svm::{self, KernelParameters};
use crate::learners::{Cause, Fitted, ParameterError, Training, Wants};

struct Configured {
    c: f64,
    epsilon: f64,
    kernel: KernelParameters,
    tol: f64,
}

pub(in crate::learners) fn make(
    parameters: &mut Parameters<'_>,
    _: Task,
    _: Defaults,
) -> Result<Box<dyn Method>, ParameterError> {
    Ok(Box::new(Configured {
        c: parameters.number("C", 1.0, 1e-6..=1e6)?,
        epsilon: parameters.number("epsilon", 0.1, 0.0..=1e30)?,
        kernel: KernelParameters::ask(parameters)?,
        tol: parameters.number("tol", 1e-3, 1e-8..=1.0)?,
    }))
}

impl Method for Configured {
    fn wants(&self) -> Wants {
        svm::WANTS
    }

    fn fit(&self, training: Training<'_>) -> Result<Fitted, Cause> {
        let function = self.kernel.function(training.features);
        let rows = Rows::gather(training.features, 0..training.features.rows);
        let (x, times) = repeated(&rows)?;
        let y = numbers(training.target)?.repeat(times);
        let parameters = SVRParameters::default()
            .with_c(self.c / times as f64)
            .with_eps(self.epsilon)
            .with_tol(self.tol)
            .with_kernel(kernel(function));
        let fitted: SVR<'_, f64, Matrix, Vec<f64>> = SVR::fit(&x, &y, &parameters)?;
        let solution = solution(&fitted, &rows)?;
        Ok(svm::regression(training, function, solution))
    }
}
