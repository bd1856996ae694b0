use serde::{Deserialize, Serialize};

use super::{FormError, Predictions};

/// What turns a form's sums into predictions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Link {
    /// A regression: the sum is the prediction.
    Identity,
    /// Two classes: the sum is the log-odds of the second.
    Logistic,
    /// Several classes: probabilities are the softmax of the sums.
    Softmax,
    /// The sums are the probabilities, one a class.
    Shares,
}

impl Link {
    /// Turns row-major sums, rows x `outputs`, into predictions.
    pub(super) fn apply(self, mut sums: Vec<f64>, outputs: usize) -> Predictions {
        match self {
            Link::Identity => {
                // What lies beyond f32 is its end: an extrapolation, not an infinity.
                let clamp = |sum: f64| sum.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32;
                return Predictions::Values(sums.into_iter().map(clamp).collect());
            }
            Link::Logistic => {
                let values = sums
                    .into_iter()
                    .flat_map(|sum| [sigmoid(-sum) as f32, sigmoid(sum) as f32])
                    .collect();
                return Predictions::Probabilities { values, classes: 2 };
            }
            Link::Softmax => sums.chunks_exact_mut(outputs).for_each(softmax),
            Link::Shares => {}
        }
        Predictions::Probabilities {
            values: sums.into_iter().map(|share| share as f32).collect(),
            classes: outputs,
        }
    }

    /// Checks that a form with this link can have so many outputs.
    pub(super) fn check(self, outputs: usize) -> Result<(), FormError> {
        let fits = match self {
            Link::Identity | Link::Logistic => outputs == 1,
            Link::Softmax | Link::Shares => outputs >= 2,
        };
        if fits {
            Ok(())
        } else {
            Err(FormError::Outputs {
                link: self,
                outputs,
            })
        }
    }
}

/// `1 / (1 + exp(-x))`.
#[must_use]
pub fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Replaces log-weights by shares that sum to 1; the largest is subtracted first, so that nothing overflows.
pub fn softmax(sums: &mut [f64]) {
    let largest = sums.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut total = 0.0;
    for sum in sums.iter_mut() {
        *sum = (*sum - largest).exp();
        total += *sum;
    }
    for sum in sums.iter_mut() {
        *sum /= total;
    }
}
