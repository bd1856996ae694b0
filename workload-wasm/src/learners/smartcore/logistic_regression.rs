//! Logistic regression, L2-regularized, fitted by L-BFGS; binary and multinomial.

use ::smartcore::linalg::basic::arrays::Array;
use ::smartcore::linear::logistic_regression::{LogisticRegression, LogisticRegressionParameters};
use contract::Task;

use super::{Matrix, classes, matrix};
use crate::forms::{Form, Linear, Link};
use crate::learners::configure::{Defaults, Method};
use crate::learners::parameters::Parameters;
use crate::learners::{Cause, Fitted, ParameterError, Training, Wants};

struct Configured {
    /// Inverse strength of the regularization: smartcore's `alpha` is `1 / C` (its default is 0, none).
    c: f64,
}

pub(in crate::learners) fn make(
    parameters: &mut Parameters<'_>,
    _: Task,
    _: Defaults,
) -> Result<Box<dyn Method>, ParameterError> {
    Ok(Box::new(Configured {
        c: parameters.number("C", 1.0, 1e-10..=1e10)?,
    }))
}

impl Method for Configured {
    fn wants(&self) -> Wants {
        Wants {
            imputed: true,
            scaled: true,
            one_hot: true,
        }
    }

    fn fit(&self, training: Training<'_>) -> Result<Fitted, Cause> {
        let (codes, classes) = classes(training.target)?;
        let x = matrix(training.features)?;
        let parameters = LogisticRegressionParameters::default().with_alpha(1.0 / self.c);
        let fitted: LogisticRegression<f64, u32, Matrix, Vec<u32>> =
            LogisticRegression::fit(&x, codes, parameters)?;
        let link = match classes {
            2 => Link::Logistic,
            _ => Link::Softmax,
        };
        let (outputs, features) = fitted.coefficients().shape();
        let coefficients = (0..outputs)
            .map(|output| {
                (0..features)
                    .map(|feature| *fitted.coefficients().get((output, feature)))
                    .collect()
            })
            .collect();
        let intercepts = (0..outputs)
            .map(|output| *fitted.intercept().get((output, 0)))
            .collect();
        Ok(Fitted::new(Form::Linear(Linear {
            link,
            coefficients,
            intercepts,
        })))
    }
}
