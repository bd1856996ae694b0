//! Least squares with and without an L2 penalty: normal equations, accumulated in one pass, solved by Cholesky.

use crate::forms::{Form, Linear, Link};
use crate::learners::configure::Method;
use crate::learners::{Cause, Features, Fitted, Target, Training, Wants};

/// A column of which less than this share (of its squared length) is left when what follows from the columns before it
/// is taken away counts as following from them, and gets no weight. f32 values hold no more.
const COLLINEAR: f64 = 1e-11;
/// Rows that are centered at a time.
const BLOCK: usize = 256;

/// Minimizes the squared errors plus `alpha` times the squared coefficients; the intercept is free.
pub(super) struct LeastSquares {
    pub alpha: f64,
}

impl Method for LeastSquares {
    fn wants(&self) -> Wants {
        Wants {
            imputed: true,
            scaled: true,
            one_hot: true,
        }
    }

    fn weighted(&self) -> bool {
        true
    }

    fn fit(&self, training: Training<'_>) -> Result<Fitted, Cause> {
        let Target::Number(target) = training.target else {
            return Err(Cause::Task);
        };
        let normal = Normal::new(training.features, target, training.weights);
        let coefficients = normal.solve(self.alpha);
        let explained: f64 = coefficients
            .iter()
            .zip(&normal.means)
            .map(|(coefficient, mean)| coefficient * mean)
            .sum();
        Ok(Fitted::new(Form::Linear(Linear {
            link: Link::Identity,
            coefficients: vec![coefficients],
            intercepts: vec![normal.target_mean - explained],
        })))
    }
}

/// The normal equations of the centered columns and target.
struct Normal {
    means: Vec<f64>,
    target_mean: f64,
    /// The lower triangle of the columns' products, row after row.
    products: Vec<Vec<f64>>,
    /// The columns' products with the target.
    with_target: Vec<f64>,
}

impl Normal {
    fn new(features: &Features, target: &[f32], weights: Option<&[f32]>) -> Self {
        let width = features.columns.len();
        let weight = |row: usize| weights.map_or(1.0, |weights| f64::from(weights[row]));
        let total: f64 = (0..features.rows).map(weight).sum();
        let mean = |values: &[f32]| {
            let rows = values.iter().enumerate();
            let sum: f64 = rows
                .map(|(row, value)| weight(row) * f64::from(*value))
                .sum();
            sum / total
        };
        let mut normal = Normal {
            means: features.columns.iter().map(|c| mean(&c.values)).collect(),
            target_mean: mean(target),
            products: (0..width).map(|column| vec![0.0; column + 1]).collect(),
            with_target: vec![0.0; width],
        };
        let mut block = vec![0.0; BLOCK * width];
        for start in (0..features.rows).step_by(BLOCK) {
            let rows = BLOCK.min(features.rows - start);
            for (index, column) in features.columns.iter().enumerate() {
                let values = &column.values[start..start + rows];
                for (place, value) in values.iter().enumerate() {
                    block[place * width + index] = f64::from(*value) - normal.means[index];
                }
            }
            for (place, row) in block.chunks_exact(width).take(rows).enumerate() {
                let residual = f64::from(target[start + place]) - normal.target_mean;
                normal.add(row, residual, weight(start + place));
            }
        }
        normal
    }

    fn add(&mut self, row: &[f64], target: f64, weight: f64) {
        for (value, (products, with_target)) in row
            .iter()
            .zip(self.products.iter_mut().zip(&mut self.with_target))
        {
            let weighted = weight * value;
            *with_target += weighted * target;
            for (product, other) in products.iter_mut().zip(row) {
                *product += weighted * other;
            }
        }
    }

    /// The coefficients, by Cholesky's decomposition.
    fn solve(&self, alpha: f64) -> Vec<f64> {
        let width = self.products.len();
        let mut lower: Vec<Vec<f64>> = self.products.clone();
        let mut kept = vec![true; width];
        for i in 0..width {
            let length = self.products[i][i] + alpha;
            for j in 0..=i {
                let (before, rest) = lower.split_at_mut(i);
                let row = &mut rest[0];
                let other = if j < i { &before[j] } else { &row.clone() };
                let product: f64 = row[..j].iter().zip(&other[..j]).map(|(a, b)| a * b).sum();
                let left = row[j] + if i == j { alpha } else { 0.0 } - product;
                row[j] = match (j < i, kept[j]) {
                    (_, false) => 0.0,
                    (true, true) => left / other[j],
                    (false, true) if left > COLLINEAR * length => left.sqrt(),
                    (false, true) => {
                        kept[i] = false;
                        0.0
                    }
                };
            }
        }
        let mut solution = vec![0.0; width];
        for i in (0..width).filter(|i| kept[*i]) {
            let known: f64 = lower[i][..i]
                .iter()
                .zip(&solution)
                .map(|(l, s)| l * s)
                .sum();
            solution[i] = (self.with_target[i] - known) / lower[i][i];
        }
        for i in (0..width).rev().filter(|i| kept[*i]) {
            let known: f64 = (i + 1..width).map(|k| lower[k][i] * solution[k]).sum();
            solution[i] = (solution[i] - known) / lower[i][i];
        }
        solution
    }
}
