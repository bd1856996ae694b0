use serde::{Deserialize, Serialize};

use super::{FormError, Link, Predictions, all_finite};
use crate::learners::Features;

/// Features that are independent and normal within each class (Gaussian naive Bayes).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NaiveBayes {
    /// Natural logarithm of each class's share.
    pub log_priors: Vec<f64>,
    /// classes x features.
    pub means: Vec<Vec<f64>>,
    /// classes x features, all above 0.
    pub variances: Vec<Vec<f64>>,
}

impl NaiveBayes {
    pub(super) fn predict(&self, features: &Features) -> Predictions {
        let classes = self.log_priors.len();
        let mut sums = vec![0.0_f64; features.rows * classes];
        for class in 0..classes {
            let (means, variances) = (&self.means[class], &self.variances[class]);
            let constant: f64 = variances
                .iter()
                .map(|variance| (2.0 * std::f64::consts::PI * variance).ln())
                .sum();
            let start = self.log_priors[class] - 0.5 * constant;
            for sum in sums.iter_mut().skip(class).step_by(classes) {
                *sum = start;
            }
            for (column, (mean, variance)) in
                features.columns.iter().zip(means.iter().zip(variances))
            {
                let sums = sums.iter_mut().skip(class).step_by(classes);
                for (sum, value) in sums.zip(&column.values) {
                    let deviation = f64::from(*value) - mean;
                    *sum -= 0.5 * deviation * deviation / variance;
                }
            }
        }
        Link::Softmax.apply(sums, classes)
    }

    pub(super) fn check(&self, features: usize) -> Result<(), FormError> {
        Link::Softmax.check(self.log_priors.len())?;
        all_finite(&self.log_priors)?;
        if self.means.len() != self.log_priors.len()
            || self.variances.len() != self.log_priors.len()
        {
            return Err(FormError::Lengths { what: "classes" });
        }
        for row in self.means.iter().chain(&self.variances) {
            if row.len() != features {
                return Err(FormError::Features {
                    form: row.len(),
                    given: features,
                });
            }
            all_finite(row)?;
        }
        if self
            .variances
            .iter()
            .flatten()
            .all(|v| v.is_normal() && *v > 0.0)
        {
            Ok(())
        } else {
            Err(FormError::NotFinite)
        }
    }
}
