//! Support vector regression with an insensitive margin (Smola and Schölkopf 2004).

use contract::Task;

use super::smo::Dual;
use crate::forms::Rows;
use crate::learners::configure::{Defaults, Method};
use crate::learners::parameters::Parameters;
use crate::learners::svm::{self, KernelParameters, Solution};
use crate::learners::{Cause, Fitted, ParameterError, Target, Training, Wants};

struct Configured {
    c: f64,
    epsilon: f64,
    kernel: KernelParameters,
    tol: f64,
    max_iter: u32,
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
        max_iter: parameters.integer("max_iter", 10_000_000, 1..=u32::MAX)?,
    }))
}

impl Method for Configured {
    fn wants(&self) -> Wants {
        svm::WANTS
    }

    fn fit(&self, training: Training<'_>) -> Result<Fitted, Cause> {
        let Target::Number(target) = training.target else {
            return Err(Cause::Task);
        };
        let function = self.kernel.function(training.features);
        let count = training.features.rows;
        let rows = Rows::gather(training.features, 0..count);
        let mut signs = vec![1.0; count];
        signs.resize(2 * count, -1.0);
        let above = target.iter().map(|y| self.epsilon - f64::from(*y));
        let below = target.iter().map(|y| self.epsilon + f64::from(*y));
        let optimum = Dual {
            rows: &rows,
            function,
            signs,
            linear: above.chain(below).collect(),
            c: self.c,
            tol: self.tol,
            max_iter: u64::from(self.max_iter),
            progress: training.progress,
        }
        .solve();
        let (above, below) = optimum.alphas.split_at(count);
        let weights = above.iter().zip(below).map(|(above, below)| above - below);
        let solution = Solution {
            weights: weights
                .enumerate()
                .filter(|(_, weight)| *weight != 0.0)
                .collect(),
            intercept: optimum.intercept,
            converged: optimum.converged,
        };
        Ok(svm::regression(training, function, solution))
    }
}
