//! Support vector classification (Cortes and Vapnik 1995), one machine a pair of classes.

use contract::Task;

use super::classes;
use super::smo::Dual;
use crate::forms::{KernelFunction, Rows};
use crate::learners::configure::{Defaults, Method};
use crate::learners::parameters::Parameters;
use crate::learners::svm::{self, KernelParameters, Solution};
use crate::learners::{Cause, Fitted, ParameterError, Progress, Training, Wants};

struct Configured {
    c: f64,
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
        let (codes, classes) = classes(training.target)?;
        let function = self.kernel.function(training.features);
        svm::classify(training, codes, classes, function, |rows, second| {
            Ok(self.solve(rows, second, function, training.progress))
        })
    }
}

impl Configured {
    fn solve(
        &self,
        rows: &Rows,
        second: &[bool],
        function: KernelFunction,
        progress: Progress<'_>,
    ) -> Solution {
        let signs: Vec<f64> = second.iter().map(|s| if *s { 1.0 } else { -1.0 }).collect();
        let optimum = Dual {
            rows,
            function,
            linear: vec![-1.0; signs.len()],
            signs: signs.clone(),
            c: self.c,
            tol: self.tol,
            max_iter: u64::from(self.max_iter),
            progress,
        }
        .solve();
        let weights = optimum.alphas.iter().zip(&signs).enumerate();
        Solution {
            weights: weights
                .filter(|(_, (alpha, _))| **alpha > 0.0)
                .map(|(row, (alpha, sign))| (row, alpha * sign))
                .collect(),
            intercept: optimum.intercept,
            converged: optimum.converged,
        }
    }
}
