use serde::{Deserialize, Serialize};

use super::Predictions;
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

/// What turns sums into predictions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Link {
    /// A regression: the sum is the prediction.
    Identity,
    /// Two classes: the sum is the log-odds of the second.
    Logistic,
    /// Several classes: probabilities are the softmax of the sums.
    Softmax,
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
                for (row, value) in column.values.iter().enumerate() {
                    sums[row * outputs + output] += coefficient * f64::from(*value);
                }
            }
        }
        match self.link {
            Link::Identity => Predictions::Values(sums.into_iter().map(|sum| sum as f32).collect()),
            Link::Logistic => Predictions::Probabilities {
                values: sums
                    .into_iter()
                    .flat_map(|sum| {
                        let positive = 1.0 / (1.0 + (-sum).exp());
                        [(1.0 - positive) as f32, positive as f32]
                    })
                    .collect(),
                classes: 2,
            },
            Link::Softmax => {
                for row in sums.chunks_exact_mut(outputs) {
                    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    let total: f64 = row.iter().map(|sum| (sum - largest).exp()).sum();
                    row.iter_mut()
                        .for_each(|sum| *sum = (*sum - largest).exp() / total);
                }
                Predictions::Probabilities {
                    values: sums.into_iter().map(|share| share as f32).collect(),
                    classes: outputs,
                }
            }
        }
    }
}
