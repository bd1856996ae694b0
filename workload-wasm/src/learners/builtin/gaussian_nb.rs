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
        let weights = training.weights;
        let totals = by_class(codes, classes, weights, |_, _| 1.0);
        if let Some(class) = totals.iter().position(|total| *total == 0.0) {
            return Err(Cause::EmptyClass { class });
        }
        let mut means = vec![Vec::new(); classes];
        let mut variances = vec![Vec::new(); classes];
        let mut largest = 0.0_f64;
        for column in &training.features.columns {
            let moments = Moments::new(&column.values, codes, &totals, weights);
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
    fn new(values: &[f32], codes: &[u32], totals: &[f64], weights: Option<&[f32]>) -> Self {
        let classes = totals.len();
        let all: f64 = totals.iter().sum();
        let mut means = by_class(codes, classes, weights, |row, _| f64::from(values[row]));
        let mean = means.iter().sum::<f64>() / all;
        for (mean, total) in means.iter_mut().zip(totals) {
            *mean /= total;
        }
        let mut variances = by_class(codes, classes, weights, |row, class| {
            let apart = f64::from(values[row]) - means[class];
            apart * apart
        });
        // What is within the classes, and how far their means are apart.
        let within: f64 = variances.iter().sum();
        let between: f64 = means
            .iter()
            .zip(totals)
            .map(|(of_class, total)| total * (of_class - mean).powi(2))
            .sum();
        for (variance, total) in variances.iter_mut().zip(totals) {
            *variance /= total;
        }
        Moments {
            means,
            variances,
            variance: (within + between) / all,
        }
    }
}

/// Rows that are added up in turns, each to sums of its own: an addition does not wait for the one before.
const LANES: usize = 4;

/// The weighted sum of `value(row, class)` over the rows of each class.
#[inline(always)]
fn by_class(
    codes: &[u32],
    classes: usize,
    weights: Option<&[f32]>,
    value: impl Fn(usize, usize) -> f64,
) -> Vec<f64> {
    let mut lanes = vec![0.0_f64; LANES * classes];
    let mut add = |lane: usize, row: usize, code: u32, weight: f64| {
        let class = code as usize;
        lanes[class * LANES + lane] += weight * value(row, class);
    };
    if let Some(weights) = weights {
        for (row, (code, weight)) in codes.iter().zip(weights).enumerate() {
            add(0, row, *code, f64::from(*weight));
        }
    } else {
        let (fours, rest) = codes.as_chunks::<LANES>();
        for (index, four) in fours.iter().enumerate() {
            for (lane, code) in four.iter().enumerate() {
                add(lane, index * LANES + lane, *code, 1.0);
            }
        }
        for (place, code) in rest.iter().enumerate() {
            add(place, fours.len() * LANES + place, *code, 1.0);
        }
    }
    lanes
        .chunks_exact(LANES)
        .map(|lanes| (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]))
        .collect()
}
