//! Gaussian naive Bayes: each feature is normal within each class, and independent of the others.
//!
//! smartcore has one too. It chains an iterator a row, which takes rows² time and a deep stack, and takes the variance
//! as a difference of squares, which can come out below 0; so this is the only engine here.

use contract::Task;

use super::classes;
use crate::forms::{Form, NaiveBayes};
use crate::learners::configure::{Defaults, Method};
use crate::learners::parameters::Parameters;
use crate::learners::{Cause, Fitted, ParameterError, Training, Wants};

/// Added to all variances where every feature is constant.
const LEAST_VARIANCE: f64 = 1e-9;

struct Configured {
    var_smoothing: f64,
}

pub(in crate::learners) fn make(
    parameters: &mut Parameters<'_>,
    _: Task,
    _: Defaults,
) -> Result<Box<dyn Method>, ParameterError> {
    Ok(Box::new(Configured {
        var_smoothing: parameters.number("var_smoothing", 1e-9, 1e-15..=1.0)?,
    }))
}

impl Method for Configured {
    fn wants(&self) -> Wants {
        Wants {
            imputed: true,
            // The smoothing is a share of the largest variance: columns on one scale are smoothed alike.
            scaled: true,
            one_hot: true,
        }
    }

    fn weighted(&self) -> bool {
        true
    }

    fn fit(&self, training: Training<'_>) -> Result<Fitted, Cause> {
        let (codes, classes) = classes(training.target)?;
        let weight = |row: usize| training.weights.map_or(1.0, |w| f64::from(w[row]));
        let mut totals = vec![0.0_f64; classes];
        for (row, code) in codes.iter().enumerate() {
            totals[*code as usize] += weight(row);
        }
        if let Some(class) = totals.iter().position(|total| *total == 0.0) {
            return Err(Cause::EmptyClass { class });
        }
        let mut means = vec![Vec::new(); classes];
        let mut variances = vec![Vec::new(); classes];
        let mut largest = 0.0_f64;
        for column in &training.features.columns {
            let moments = Moments::new(&column.values, codes, &totals, &weight);
            for class in 0..classes {
                means[class].push(moments.means[class]);
                variances[class].push(moments.variances[class]);
            }
            largest = largest.max(moments.variance);
        }
        let smoothing = match self.var_smoothing * largest {
            smoothing if smoothing.is_normal() => smoothing,
            _ => LEAST_VARIANCE,
        };
        variances
            .iter_mut()
            .flatten()
            .for_each(|variance| *variance += smoothing);
        let total: f64 = totals.iter().sum();
        Ok(Fitted::new(Form::NaiveBayes(NaiveBayes {
            log_priors: totals.iter().map(|class| (class / total).ln()).collect(),
            means,
            variances,
        })))
    }
}

/// Mean and variance of a column, by class, and its variance over all rows.
struct Moments {
    means: Vec<f64>,
    variances: Vec<f64>,
    variance: f64,
}

impl Moments {
    /// Two passes: squares of deviations can't cancel out.
    fn new(values: &[f32], codes: &[u32], totals: &[f64], weight: &impl Fn(usize) -> f64) -> Self {
        let all: f64 = totals.iter().sum();
        let mut means = vec![0.0_f64; totals.len()];
        for (row, (value, code)) in values.iter().zip(codes).enumerate() {
            means[*code as usize] += weight(row) * f64::from(*value);
        }
        let mean = means.iter().sum::<f64>() / all;
        for (mean, total) in means.iter_mut().zip(totals) {
            *mean /= total;
        }
        let mut variances = vec![0.0_f64; totals.len()];
        let mut variance = 0.0;
        for (row, (value, code)) in values.iter().zip(codes).enumerate() {
            let value = f64::from(*value);
            let class = *code as usize;
            variances[class] += weight(row) * (value - means[class]).powi(2);
            variance += weight(row) * (value - mean).powi(2);
        }
        for (variance, total) in variances.iter_mut().zip(totals) {
            *variance /= total;
        }
        Moments {
            means,
            variances,
            variance: variance / all,
        }
    }
}
