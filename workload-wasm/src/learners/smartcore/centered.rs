//! Linear regressions without an intercept, on centered columns and target.
//!
//! Of smartcore's linear models some have no intercept of their own, some refuse constant columns and some refuse more
//! columns than rows. On centered values the best intercept is 0, so that rows of zeros change nothing: they are added
//! until every solver is content, and the intercept is found afterwards.

use ::smartcore::linalg::basic::arrays::Array;
use ::smartcore::linalg::basic::matrix::DenseMatrix;

use super::{Matrix, numbers};
use crate::forms::{Form, Linear, Link};
use crate::learners::{Cause, Fitted, Training, Wants};

/// Coefficients are found from, and shrunk in, units of standard deviations.
pub(super) const WANTS: Wants = Wants {
    imputed: true,
    scaled: true,
    one_hot: true,
};

/// Columns and target, centered and padded with rows of zeros.
pub(super) struct Centered {
    pub x: Matrix,
    pub y: Vec<f64>,
    /// Rows that are no padding.
    pub rows: usize,
    x_means: Vec<f64>,
    y_mean: f64,
}

impl Centered {
    pub fn new(training: Training<'_>) -> Result<Self, Cause> {
        let features = training.features;
        let rows = features.rows;
        let padded = rows.max(features.columns.len() + 1);
        let mut values = Vec::with_capacity(padded * features.columns.len());
        let mut x_means = Vec::with_capacity(features.columns.len());
        for column in &features.columns {
            let column = column.values.iter().map(|value| f64::from(*value));
            x_means.push(center(column, padded, &mut values));
        }
        let mut y = Vec::with_capacity(padded);
        let y_mean = center(numbers(training.target)?.into_iter(), padded, &mut y);
        Ok(Centered {
            x: DenseMatrix::new(padded, features.columns.len(), values, true)?,
            y,
            rows,
            x_means,
            y_mean,
        })
    }

    /// Whether there is nothing to explain: the target has one value.
    pub fn constant(&self) -> bool {
        self.y.iter().all(|value| *value == 0.0)
    }

    /// The form of a fit whose coefficients are the one column of `coefficients`.
    pub fn fitted(&self, coefficients: &Matrix) -> Fitted {
        let coefficients: Vec<f64> = coefficients.iterator(0).copied().collect();
        self.with_coefficients(coefficients)
    }

    /// The form that predicts the mean.
    pub fn mean(&self) -> Fitted {
        self.with_coefficients(vec![0.0; self.x_means.len()])
    }

    fn with_coefficients(&self, coefficients: Vec<f64>) -> Fitted {
        let explained: f64 = coefficients
            .iter()
            .zip(&self.x_means)
            .map(|(coefficient, mean)| coefficient * mean)
            .sum();
        Fitted::new(Form::Linear(Linear {
            link: Link::Identity,
            coefficients: vec![coefficients],
            intercepts: vec![self.y_mean - explained],
        }))
    }
}

/// Appends `values` less their mean to `centered`, and zeros up to `padded`; says the mean.
fn center(
    values: impl ExactSizeIterator<Item = f64> + Clone,
    padded: usize,
    centered: &mut Vec<f64>,
) -> f64 {
    let rows = values.len();
    let mean = values.clone().sum::<f64>() / rows as f64;
    centered.extend(values.map(|value| value - mean));
    centered.extend(std::iter::repeat_n(0.0, padded - rows));
    mean
}
