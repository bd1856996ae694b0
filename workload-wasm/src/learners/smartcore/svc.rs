//! Support vector classification by online learning (Bordes et al. 2005, LASVM): passes over the rows instead of an
//! exact optimum.

use ::smartcore::svm::svc::{SVC, SVCParameters};
use contract::Task;

use super::support_vectors::{kernel, repeated, solution};
use super::{Matrix, classes};
use crate::forms::{KernelFunction, Rows};
use crate::learners::configure::{Defaults, Method};
use crate::learners::parameters::Parameters;
use crate::learners::svm::{self, KernelParameters, Solution};
use crate::learners::{Cause, Fitted, ParameterError, Training, Wants};

struct Configured {
    c: f64,
    kernel: KernelParameters,
    tol: f64,
    epoch: u32,
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
        epoch: parameters.integer("epoch", 2, 1..=1000)?,
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
            self.solve(rows, second, function, training.seed)
        })
    }
}

impl Configured {
    fn solve(
        &self,
        rows: &Rows,
        second: &[bool],
        function: KernelFunction,
        seed: u64,
    ) -> Result<Solution, Cause> {
        let (x, times) = repeated(rows)?;
        let y: Vec<u32> = second.iter().map(|second| u32::from(*second)).collect();
        let parameters: SVCParameters<f64, u32, Matrix, Vec<u32>> = SVCParameters::default()
            .with_c(self.c / times as f64)
            .with_tol(self.tol)
            .with_epoch(self.epoch as usize)
            .with_kernel(kernel(function))
            .with_seed(Some(seed));
        solution(&SVC::fit(&x, &y.repeat(times), &parameters)?, rows)
    }
}
