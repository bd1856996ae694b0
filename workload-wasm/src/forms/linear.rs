use serde::{Deserialize, Serialize};

use super::{FormError, Link, Predictions, all_finite};
use crate::learners::Features;

/// A weighted sum of the features, and a link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Linear {
    pub link: Link,
    /// One row an output: outputs x features. One output for `Identity` and `Logistic`, one a class for `Softmax`.
    pub coefficients: Vec<Vec<f64>>,
    /// One an output.
    pub intercepts: Vec<f64>,
}

impl Linear {
    pub(super) fn predict(&self, features: &Features) -> Predictions {
        let outputs = self.coefficients.len();
        let mut sums = vec![0.0_f64; features.rows * outputs];
        for row in sums.chunks_exact_mut(outputs) {
            row.copy_from_slice(&self.intercepts);
        }
        for (output, coefficients) in self.coefficients.iter().enumerate() {
            for (coefficient, column) in coefficients.iter().zip(&features.columns) {
                let sums = sums.iter_mut().skip(output).step_by(outputs);
                for (sum, value) in sums.zip(&column.values) {
                    *sum += coefficient * f64::from(*value);
                }
            }
        }
        self.link.apply(sums, outputs)
    }

    pub(super) fn check(&self, features: usize) -> Result<(), FormError> {
        self.link.check(self.coefficients.len())?;
        if self.link == Link::Shares || self.intercepts.len() != self.coefficients.len() {
            return Err(FormError::Outputs {
                link: self.link,
                outputs: self.intercepts.len(),
            });
        }
        for row in &self.coefficients {
            if row.len() != features {
                return Err(FormError::Features {
                    form: row.len(),
                    given: features,
                });
            }
            all_finite(row)?;
        }
        all_finite(&self.intercepts)
    }
}
