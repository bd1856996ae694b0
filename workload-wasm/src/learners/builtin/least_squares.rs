//! Least squares with and without an L2 penalty: normal equations, accumulated in one pass, solved by Cholesky.

use crate::forms::{Form, Linear, Link};
use crate::learners::configure::Method;
use crate::learners::{Cause, Features, Fitted, Target, Training, Wants};

/// A column of which less than this share (of its squared length) is left when what follows from the columns before it
/// is taken away counts as following from them, and gets no weight. f32 values hold no more.
const COLLINEAR: f64 = 1e-11;
/// Rows that are centered at a time.
const BLOCK: usize = 256;
/// Columns whose products are summed up at a time: so many times so many sums stay in registers.
const TILE: usize = 4;

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

/// Some rows of some columns, centered.
type Tile = [[f64; TILE]; BLOCK];

impl Normal {
    fn new(features: &Features, target: &[f32], weights: Option<&[f32]>) -> Self {
        let width = features.columns.len();
        let columns = features.columns.iter().map(|column| &column.values[..]);
        let columns: Vec<&[f32]> = columns.chain([target]).collect();
        let means: Vec<f64> = columns.iter().map(|values| mean(values, weights)).collect();
        let tiles = columns.len().div_ceil(TILE);
        let mut centered: Vec<Tile> = vec![[[0.0; TILE]; BLOCK]; tiles];
        let mut weighted = centered.clone();
        let mut sums = vec![[[0.0; TILE]; TILE]; tiles * tiles];
        for start in (0..features.rows).step_by(BLOCK) {
            let rows = BLOCK.min(features.rows - start);
            let some = columns.chunks(TILE).zip(means.chunks(TILE));
            for (tile, (columns, means)) in centered.iter_mut().zip(some) {
                center(&mut tile[..rows], columns, means, start);
            }
            let left = match weights {
                None => &centered,
                Some(weights) => {
                    let weights = &weights[start..start + rows];
                    for (weighted, centered) in weighted.iter_mut().zip(&centered) {
                        for ((to, from), weight) in weighted.iter_mut().zip(centered).zip(weights) {
                            *to = from.map(|value| f64::from(*weight) * value);
                        }
                    }
                    &weighted
                }
            };
            for i in 0..tiles {
                for j in 0..=i {
                    multiply(
                        &left[i][..rows],
                        &centered[j][..rows],
                        &mut sums[i * tiles + j],
                    );
                }
            }
        }
        let product = |i: usize, j: usize| sums[i / TILE * tiles + j / TILE][i % TILE][j % TILE];
        Normal {
            products: (0..width)
                .map(|i| (0..=i).map(|j| product(i, j)).collect())
                .collect(),
            with_target: (0..width).map(|column| product(width, column)).collect(),
            target_mean: means[width],
            means: means[..width].to_vec(),
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

/// The weighted mean, in four sums side by side.
fn mean(values: &[f32], weights: Option<&[f32]>) -> f64 {
    let mut sums = [0.0_f64; 4];
    let (fours, rest) = values.as_chunks::<4>();
    let Some(weights) = weights else {
        for four in fours {
            sums = std::array::from_fn(|lane| sums[lane] + f64::from(four[lane]));
        }
        let rest: f64 = rest.iter().map(|value| f64::from(*value)).sum();
        return (sums.iter().sum::<f64>() + rest) / values.len() as f64;
    };
    let weighted = values.iter().zip(weights);
    let sum: f64 = weighted
        .map(|(value, weight)| f64::from(*weight) * f64::from(*value))
        .sum();
    sum / weights.iter().map(|weight| f64::from(*weight)).sum::<f64>()
}

/// Fills a tile with the rows from `start` on of up to `TILE` columns, less their means.
fn center(tile: &mut [[f64; TILE]], columns: &[&[f32]], means: &[f64], start: usize) {
    let rows = tile.len();
    let values = |index: usize| {
        columns
            .get(index)
            .map(|values| &values[start..start + rows])
    };
    if let (Some(a), Some(b), Some(c), Some(d)) = (values(0), values(1), values(2), values(3)) {
        let rows = a.iter().zip(b).zip(c.iter().zip(d));
        for (row, ((a, b), (c, d))) in tile.iter_mut().zip(rows) {
            let values = [*a, *b, *c, *d];
            *row = std::array::from_fn(|index| f64::from(values[index]) - means[index]);
        }
    } else {
        for (index, (values, mean)) in columns.iter().zip(means).enumerate() {
            for (row, value) in tile.iter_mut().zip(&values[start..start + rows]) {
                row[index] = f64::from(*value) - mean;
            }
        }
    }
}

/// Adds the products of two tiles' columns.
fn multiply(left: &[[f64; TILE]], right: &[[f64; TILE]], sums: &mut [[f64; TILE]; TILE]) {
    let mut tile = *sums;
    for (left, right) in left.iter().zip(right) {
        for (sums, left) in tile.iter_mut().zip(left) {
            for (sum, right) in sums.iter_mut().zip(right) {
                *sum += left * right;
            }
        }
    }
    *sums = tile;
}
