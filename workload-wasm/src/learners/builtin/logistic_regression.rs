//! Logistic regression with L2 regularization, binary and multinomial, by L-BFGS. Loss and gradient come from one pass
//! over a row-major copy of the features.

use contract::{Task, Warning};

use super::classes;
use super::lbfgs::minimize;
use crate::forms::{Form, Linear, Link};
use crate::learners::class_weight::weigh;
use crate::learners::configure::{Defaults, Method};
use crate::learners::parameters::Parameters;
use crate::learners::{Cause, Features, Fitted, ParameterError, Training, Wants};

/// Values are multiplied this many at a time; rows are padded with zeros to a multiple of it.
const LANES: usize = 4;
/// Rows that are gone through together: coefficients and gradient are read once for all of them.
const ROWS: usize = 4;
/// Factors of `1 + exp(-|z|)`, each at most 2, whose logarithm is taken at once: their product stays below 2^512.
const FACTORS: usize = 512;

struct Configured {
    c: f64,
    tol: f64,
    max_iter: u32,
}

pub(in crate::learners) fn make(
    parameters: &mut Parameters<'_>,
    task: Task,
    _: Defaults,
) -> Result<Box<dyn Method>, ParameterError> {
    let method = Configured {
        c: parameters.number("C", 1.0, 1e-10..=1e10)?,
        tol: parameters.number("tol", 1e-4, 1e-12..=1.0)?,
        max_iter: parameters.integer("max_iter", 1000, 1..=1_000_000)?,
    };
    weigh(parameters, task, Box::new(method))
}

impl Method for Configured {
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
        let (codes, classes) = classes(training.target)?;
        let rows = Matrix::new(training.features);
        let total = match training.weights {
            None => codes.len() as f64,
            Some(weights) => weights.iter().map(|weight| f64::from(*weight)).sum(),
        };
        let outputs = if classes == 2 { 1 } else { classes };
        let problem = Problem {
            rows: &rows,
            codes,
            weights: training.weights,
            outputs,
            total,
            decay: 1.0 / (self.c * total),
        };
        // A pass multiplies only: some tenth of what a cell of a histogram takes.
        let cells = training.cells() * outputs as u64 / 10;
        let mut steps = training
            .progress
            .steps("steps", u64::from(self.max_iter), cells);
        let minimum = minimize(
            vec![0.0; outputs * problem.stride()],
            self.tol,
            self.max_iter,
            |at, gradient| {
                steps.step();
                problem.loss(at, gradient)
            },
        );
        let parameters = minimum.at.chunks_exact(problem.stride());
        let mut warnings = Vec::new();
        if !minimum.converged {
            let message = format!(
                "the coefficients did not converge within {} steps; raise max_iter, or lower C",
                self.max_iter
            );
            warnings.push(Warning::new("not_converged", message));
        }
        Ok(Fitted {
            form: Form::Linear(Linear {
                link: match outputs {
                    1 => Link::Logistic,
                    _ => Link::Softmax,
                },
                coefficients: parameters
                    .clone()
                    .map(|output| output[..training.features.columns.len()].to_vec())
                    .collect(),
                intercepts: parameters.map(|output| output[rows.width]).collect(),
            }),
            warnings,
            importance: None,
        })
    }
}

/// The features, row-major, each row padded with zeros; rows of zeros stand behind the last one.
struct Matrix {
    width: usize,
    values: Vec<f32>,
}

impl Matrix {
    fn new(features: &Features) -> Self {
        let width = features.columns.len().next_multiple_of(LANES);
        let mut values = vec![0.0; features.rows.next_multiple_of(ROWS) * width];
        // Blocks of rows: their place in the matrix stays in the cache while column after column is copied in.
        for (block, rows) in values.chunks_mut(256 * width).enumerate() {
            for (index, column) in features.columns.iter().enumerate() {
                let from = &column.values[block * 256..];
                for (row, value) in rows.chunks_exact_mut(width).zip(from) {
                    row[index] = *value;
                }
            }
        }
        Matrix { width, values }
    }
}

/// The mean log loss, plus half of `decay` times the squared coefficients; intercepts are free.
struct Problem<'a> {
    rows: &'a Matrix,
    codes: &'a [u32],
    weights: Option<&'a [f32]>,
    outputs: usize,
    /// The sum of the weights.
    total: f64,
    decay: f64,
}

impl Problem<'_> {
    /// Coefficients of an output, padding, intercept.
    fn stride(&self) -> usize {
        self.rows.width + LANES
    }

    fn loss(&self, at: &[f64], gradient: &mut [f64]) -> f64 {
        gradient.fill(0.0);
        let mut loss = match self.outputs {
            1 => self.binary(at, gradient),
            _ => self.multinomial(at, gradient),
        };
        loss /= self.total;
        let outputs = at
            .chunks_exact(self.stride())
            .zip(gradient.chunks_exact_mut(self.stride()));
        for (at, gradient) in outputs {
            gradient.iter_mut().for_each(|part| *part /= self.total);
            let width = self.rows.width;
            for (part, coefficient) in gradient[..width].iter_mut().zip(&at[..width]) {
                loss += 0.5 * self.decay * coefficient * coefficient;
                *part += self.decay * coefficient;
            }
        }
        loss
    }

    fn binary(&self, at: &[f64], gradient: &mut [f64]) -> f64 {
        let width = self.rows.width;
        let (coefficients, intercept) = (&at[..width], at[width]);
        let (gradient, intercept_gradient) = gradient.split_at_mut(width);
        let mut loss = 0.0;
        let mut product = 1.0_f64;
        let mut factors = 0;
        let blocks = self.rows.values.chunks_exact(ROWS * width);
        for (block, (rows, codes)) in blocks.zip(self.codes.chunks(ROWS)).enumerate() {
            let products = dots(coefficients, rows);
            let mut errors = [0.0; ROWS];
            for (place, code) in codes.iter().enumerate() {
                let z = intercept + products[place];
                let target = f64::from(*code);
                // ln(1 + exp(z)) - target z = max(z, 0) - target z + ln(1 + exp(-|z|)).
                let small = (-z.abs()).exp();
                let inverse = 1.0 / (1.0 + small);
                let probability = if z >= 0.0 { inverse } else { small * inverse };
                let mut error = probability - target;
                match self.weights {
                    None => {
                        loss += z.max(0.0) - target * z;
                        product *= 1.0 + small;
                        factors += 1;
                        if factors == FACTORS {
                            loss += product.ln();
                            (product, factors) = (1.0, 0);
                        }
                    }
                    Some(weights) => {
                        let weight = f64::from(weights[block * ROWS + place]);
                        loss += weight * (z.max(0.0) - target * z + small.ln_1p());
                        error *= weight;
                    }
                }
                errors[place] = error;
                intercept_gradient[0] += error;
            }
            add_scaled_rows(gradient, errors, rows);
        }
        loss + product.ln()
    }

    fn multinomial(&self, at: &[f64], gradient: &mut [f64]) -> f64 {
        let (width, stride) = (self.rows.width, self.stride());
        let mut loss = 0.0;
        let mut sums = vec![0.0_f64; self.outputs];
        let rows = self.rows.values.chunks_exact(width).zip(self.codes);
        for (index, (row, code)) in rows.enumerate() {
            let mut largest = f64::NEG_INFINITY;
            for (sum, at) in sums.iter_mut().zip(at.chunks_exact(stride)) {
                *sum = at[width] + dot(&at[..width], row);
                largest = largest.max(*sum);
            }
            let weight = self
                .weights
                .map_or(1.0, |weights| f64::from(weights[index]));
            loss += weight * (largest - sums[*code as usize]);
            let mut total = 0.0;
            for sum in &mut sums {
                *sum = (*sum - largest).exp();
                total += *sum;
            }
            loss += weight * total.ln();
            for (class, (sum, gradient)) in sums
                .iter()
                .zip(gradient.chunks_exact_mut(stride))
                .enumerate()
            {
                let target = f64::from(u8::from(class == *code as usize));
                let error = weight * (sum / total - target);
                add_scaled(&mut gradient[..width], error, row);
                gradient[width] += error;
            }
        }
        loss
    }
}

/// In four sums side by side: processors add them at once. Both are of one length, a multiple of four.
fn dot(coefficients: &[f64], row: &[f32]) -> f64 {
    let mut sums = [0.0_f64; LANES];
    let both = coefficients
        .chunks_exact(LANES)
        .zip(row.chunks_exact(LANES));
    for (coefficients, values) in both {
        for (sum, (coefficient, value)) in sums.iter_mut().zip(coefficients.iter().zip(values)) {
            *sum += coefficient * f64::from(*value);
        }
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}

fn add_scaled(sums: &mut [f64], scale: f64, row: &[f32]) {
    for (sums, values) in sums.chunks_exact_mut(LANES).zip(row.chunks_exact(LANES)) {
        for (sum, value) in sums.iter_mut().zip(values) {
            *sum += scale * f64::from(*value);
        }
    }
}

/// The products of `ROWS` rows with the coefficients.
fn dots(coefficients: &[f64], rows: &[f32]) -> [f64; ROWS] {
    let width = coefficients.len();
    let (coefficients, _) = coefficients.as_chunks::<LANES>();
    let rows: [&[[f32; LANES]]; ROWS] =
        std::array::from_fn(|row| rows[row * width..(row + 1) * width].as_chunks().0);
    let mut sums = [[0.0_f64; LANES]; ROWS];
    let pairs = rows[0].iter().zip(rows[1]).zip(rows[2].iter().zip(rows[3]));
    for (coefficients, ((a, b), (c, d))) in coefficients.iter().zip(pairs) {
        for (sums, values) in sums.iter_mut().zip([a, b, c, d]) {
            for (sum, (coefficient, value)) in sums.iter_mut().zip(coefficients.iter().zip(values))
            {
                *sum += coefficient * f64::from(*value);
            }
        }
    }
    sums.map(|sums| (sums[0] + sums[1]) + (sums[2] + sums[3]))
}

/// Adds `ROWS` rows, each times its own number.
fn add_scaled_rows(sums: &mut [f64], scales: [f64; ROWS], rows: &[f32]) {
    let width = sums.len() / LANES * LANES;
    let (sums, _) = sums.as_chunks_mut::<LANES>();
    let rows: [&[[f32; LANES]]; ROWS] =
        std::array::from_fn(|row| rows[row * width..(row + 1) * width].as_chunks().0);
    let pairs = rows[0].iter().zip(rows[1]).zip(rows[2].iter().zip(rows[3]));
    for (sums, ((a, b), (c, d))) in sums.iter_mut().zip(pairs) {
        for (lane, sum) in sums.iter_mut().enumerate() {
            let one = scales[0] * f64::from(a[lane]) + scales[1] * f64::from(b[lane]);
            let two = scales[2] * f64::from(c[lane]) + scales[3] * f64::from(d[lane]);
            *sum += one + two;
        }
    }
}
