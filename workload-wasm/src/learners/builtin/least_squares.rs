//! Least squares with and without an L2 penalty: normal equations, accumulated in one pass, solved by Cholesky.

use crate::forms::{Form, Linear, Link};
use crate::learners::configure::Method;
use crate::learners::{Cause, Features, Fitted, Target, Training, Wants};

/// A column of which less than this share (of its squared length) is left when what follows from the columns before it
/// is taken away counts as following from them, and gets no weight. f32 values hold no more.
const COLLINEAR: f64 = 1e-11;
/// A column of which less is left is looked at: what is left may be the rounding of the columns that it follows from.
const NEARLY_COLLINEAR: f64 = 1e-6;
/// The squared error that rounding to f32 leaves in a column, as a share of its squared length, with room to spare.
const ROUNDING: f64 = 4.0 * (1.0 / 16_777_216.0) * (1.0 / 16_777_216.0);
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
        let mut sums = vec![Sums::default(); tiles * tiles];
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
                    let products = multiply(&left[i][..rows], &centered[j][..rows]);
                    sums[i * tiles + j].add(&products);
                }
            }
        }
        let product = |i: usize, j: usize| sums[i / TILE * tiles + j / TILE].of(i % TILE, j % TILE);
        Normal {
            products: (0..width)
                .map(|i| (0..=i).map(|j| product(i, j)).collect())
                .collect(),
            with_target: (0..width).map(|column| product(width, column)).collect(),
            target_mean: means[width],
            means: means[..width].to_vec(),
        }
    }

    /// How much of a column is left by rounding alone, where it follows from the columns before it: their errors grow with
    /// the coefficients that they enter it by. `row` is its row of the decomposition `lower`.
    fn rounding(&self, lower: &[Vec<f64>], row: &[f64], kept: &[bool]) -> f64 {
        let mut coefficients = row.to_vec();
        for i in (0..row.len()).rev().filter(|i| kept[*i]) {
            let known: f64 = (i + 1..row.len())
                .filter(|k| kept[*k])
                .map(|k| lower[k][i] * coefficients[k])
                .sum();
            coefficients[i] = (coefficients[i] - known) / lower[i][i];
        }
        let entered = coefficients.iter().enumerate().filter(|(i, _)| kept[*i]);
        let errors = entered.map(|(i, coefficient)| coefficient.powi(2) * self.products[i][i]);
        ROUNDING * errors.sum::<f64>()
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
                    (false, true)
                        if left > COLLINEAR * length
                            && (left > NEARLY_COLLINEAR * length
                                || left > self.rounding(before, &row[..i], &kept)) =>
                    {
                        left.sqrt()
                    }
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

/// The products of two tiles' columns.
fn multiply(left: &[[f64; TILE]], right: &[[f64; TILE]]) -> [[f64; TILE]; TILE] {
    let mut tile = [[0.0; TILE]; TILE];
    for (left, right) in left.iter().zip(right) {
        for (sums, left) in tile.iter_mut().zip(left) {
            for (sum, right) in sums.iter_mut().zip(right) {
                *sum += left * right;
            }
        }
    }
    tile
}

/// Sums over all blocks, with what each addition rounds away (Neumaier 1974). Of many rows that are alike, as those of a
/// rare category are, plain sums are off by more than is left of a column that follows from others.
#[derive(Clone, Copy, Default)]
struct Sums {
    sums: [[f64; TILE]; TILE],
    lost: [[f64; TILE]; TILE],
}

impl Sums {
    fn add(&mut self, products: &[[f64; TILE]; TILE]) {
        let sums = self.sums.as_flattened_mut().iter_mut();
        let lost = self.lost.as_flattened_mut().iter_mut();
        for ((sum, lost), product) in sums.zip(lost).zip(products.as_flattened()) {
            let total = *sum + product;
            *lost += if sum.abs() >= product.abs() {
                (*sum - total) + product
            } else {
                (product - total) + *sum
            };
            *sum = total;
        }
    }

    fn of(&self, row: usize, column: usize) -> f64 {
        self.sums[row][column] + self.lost[row][column]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learners::random::Random;
    use crate::learners::{Feature, Kind};

    fn column(values: Vec<f32>) -> Feature {
        Feature {
            name: String::new(),
            kind: Kind::Number,
            values,
        }
    }

    /// Mean 0 and deviation 1, in single precision throughout, as features are made.
    fn scaled(values: &[f64]) -> Feature {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let (mean, deviation) = (mean as f32, (squares / count).sqrt() as f32);
        column(
            values
                .iter()
                .map(|value| (*value as f32 - mean) / deviation)
                .collect(),
        )
    }

    fn solve(columns: Vec<Feature>, target: &[f32]) -> Vec<f64> {
        let features = Features {
            rows: target.len(),
            columns,
        };
        Normal::new(&features, target, None).solve(0.0)
    }

    /// Rows of a timetable: 1759 is 17 hours and 59 minutes, and one of 16 carriers flies, the last of which rarely does.
    #[test]
    fn of_collinear_columns_the_first_ones_get_the_weight_however_many_rows_there_are() {
        let rows = 20_000;
        let mut random = Random::new(3, 0);
        let mut draw = |below: u64| (random.next_u64() % below) as usize;
        let hours: Vec<usize> = (0..rows).map(|_| 5 + draw(19)).collect();
        let minutes: Vec<usize> = (0..rows).map(|_| draw(60)).collect();
        let carriers: Vec<usize> = (0..rows)
            .map(|_| if draw(700) == 0 { 15 } else { draw(15) })
            .collect();
        let noise: Vec<f32> = (0..rows).map(|_| draw(1000) as f32 / 25.0).collect();
        let numbers = |of: &dyn Fn(usize) -> usize| {
            scaled(&(0..rows).map(|row| of(row) as f64).collect::<Vec<_>>())
        };
        let mut columns = vec![numbers(&|row| hours[row] * 100 + minutes[row])];
        for carrier in 0..16 {
            let flag = |found: &usize| f32::from(u8::from(*found == carrier));
            columns.push(column(carriers.iter().map(flag).collect()));
        }
        columns.push(numbers(&|row| hours[row]));
        columns.push(numbers(&|row| minutes[row]));
        let coefficients = solve(columns, &noise);
        assert_eq!((coefficients[16], coefficients[18]), (0.0, 0.0));
        assert!(
            coefficients.iter().all(|value| value.abs() < 20.0),
            "{coefficients:?}"
        );
    }

    /// A date such as 20190331 follows from its year, month and day, of which the last is some thousandth of it.
    #[test]
    fn what_rounding_leaves_of_a_column_gets_no_weight() {
        let rows = 5_000;
        let mut random = Random::new(5, 0);
        let mut draw = |below: u64| (random.next_u64() % below) as f64;
        let years: Vec<f64> = (0..rows).map(|_| 2005.0 + draw(15)).collect();
        let months: Vec<f64> = (0..rows).map(|_| 1.0 + draw(12)).collect();
        let days: Vec<f64> = (0..rows).map(|_| 1.0 + draw(28)).collect();
        let noise: Vec<f32> = (0..rows).map(|_| draw(1000) as f32 / 25.0).collect();
        // Counted from an offset, as such whole numbers are.
        let dates: Vec<f64> = (0..rows)
            .map(|row| (years[row] - 2012.0) * 1e4 + months[row] * 100.0 + days[row])
            .collect();
        let columns = [&dates, &years, &months, &days].map(|values| scaled(values));
        let coefficients = solve(columns.into(), &noise);
        assert_eq!(coefficients[3], 0.0);
        assert!(
            coefficients.iter().all(|value| value.abs() < 1e4),
            "{coefficients:?}"
        );
    }

    /// Two clocks that differ by an hour in a year still tell the hour.
    #[test]
    fn a_small_difference_that_single_precision_holds_is_learned_from() {
        let rows = 4_000;
        let mut random = Random::new(7, 0);
        let mut draw = |below: u64| (random.next_u64() % below) as f64;
        let opened: Vec<f64> = (0..rows).map(|_| draw(1_000_000) / 2_000.0).collect();
        let taken: Vec<f64> = (0..rows).map(|_| draw(1_000) / 24_000.0).collect();
        let closed: Vec<f64> = opened
            .iter()
            .zip(&taken)
            .map(|(at, days)| at + days)
            .collect();
        let target: Vec<f32> = taken.iter().map(|days| *days as f32).collect();
        let columns = vec![scaled(&opened), scaled(&closed)];
        let coefficients = solve(columns, &target);
        assert!(coefficients[1] > 100.0, "{coefficients:?}");
    }
}
