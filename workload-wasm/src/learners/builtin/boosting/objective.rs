//! What boosting minimizes (Friedman 2001): log loss of two or of several classes, or squared errors.

use super::exp::{exp, round, sigmoid};
use super::histogram::pack;
use super::{Quantum, Sums};
use crate::forms::Link;
use crate::learners::Target;

/// Rounded gradients and Hessians are not above these.
const MOST_GRADIENT: f32 = ((1 << 18) - 1) as f32;
const MOST_HESSIAN: f32 = ((1 << 19) - 1) as f32;
/// Rows whose shares are computed side by side.
const LANES: usize = 64;
/// The least share that a class is taken to have before there is any tree.
const LEAST_SHARE: f64 = 1e-12;

/// The loss, its gradients, and where each row's sums stand.
pub(in crate::learners::builtin) struct Objective<'a> {
    kind: Kind<'a>,
    weights: Option<&'a [f32]>,
    heaviest: f32,
    rows: usize,
    pub outputs: usize,
    /// Where the sums start, one an output.
    pub base: Vec<f64>,
    /// What a unit of the sums is in the target's.
    pub unit: f64,
    /// Sums of trees and base: outputs x rows.
    sums: Vec<f32>,
    /// Of several classes: what the sums said when the round began.
    shares: Vec<f32>,
    /// Rounded gradient and Hessian of each row.
    pub packed: Vec<i64>,
}

enum Kind<'a> {
    /// 0 or 1.
    Binary(&'a [u32]),
    Classes(&'a [u32]),
    /// Without their mean, and so that the largest is 1 or -1: no square leaves single precision.
    Numbers(Vec<f32>),
}

impl<'a> Objective<'a> {
    pub fn new(target: &'a Target, weights: Option<&'a [f32]>) -> Self {
        let (rows, outputs) = match target {
            Target::Classes { codes, classes } => {
                (codes.len(), if *classes == 2 { 1 } else { *classes })
            }
            Target::Number(values) => (values.len(), 1),
        };
        let weight = |row: usize| weights.map_or(1.0, |weights| f64::from(weights[row]));
        let total: f64 = (0..rows).map(weight).sum();
        let (kind, base, unit) = match target {
            Target::Classes { codes, classes } => {
                let mut shares = vec![0.0; *classes];
                for (row, code) in codes.iter().enumerate() {
                    shares[*code as usize] += weight(row) / total;
                }
                let logarithms = shares
                    .iter()
                    .map(|share| share.clamp(LEAST_SHARE, 1.0 - LEAST_SHARE).ln());
                match (outputs, logarithms.collect::<Vec<f64>>()) {
                    (1, both) => (Kind::Binary(codes), vec![both[1] - both[0]], 1.0),
                    (_, all) => (Kind::Classes(codes), all, 1.0),
                }
            }
            Target::Number(values) => {
                let weighted = values.iter().enumerate();
                let mean = weighted
                    .map(|(row, value)| weight(row) * f64::from(*value))
                    .sum::<f64>()
                    / total;
                let away = |value: &f32| f64::from(*value) - mean;
                let largest = values.iter().map(|v| away(v).abs()).fold(0.0, f64::max);
                let unit = if largest > 0.0 { largest } else { 1.0 };
                let numbers = values.iter().map(|v| (away(v) / unit) as f32).collect();
                (Kind::Numbers(numbers), vec![mean], unit)
            }
        };
        let starts = match kind {
            // The mean is taken away already.
            Kind::Numbers(_) => vec![0.0; rows],
            _ => base
                .iter()
                .flat_map(|base| std::iter::repeat_n(*base as f32, rows))
                .collect(),
        };
        Objective {
            shares: match kind {
                Kind::Classes(_) => vec![0.0; starts.len()],
                _ => Vec::new(),
            },
            heaviest: weights.map_or(1.0, |weights| weights.iter().copied().fold(0.0, f32::max)),
            kind,
            weights,
            rows,
            outputs,
            base,
            unit,
            sums: starts,
            packed: vec![0; rows],
        }
    }

    pub fn link(&self) -> Link {
        match self.kind {
            Kind::Binary(_) => Link::Logistic,
            Kind::Classes(_) => Link::Softmax,
            Kind::Numbers(_) => Link::Identity,
        }
    }

    /// The sums of an output, one a row: each tree adds to them.
    pub fn sums(&mut self, output: usize) -> &mut [f32] {
        &mut self.sums[output * self.rows..(output + 1) * self.rows]
    }

    /// Fills in `packed` for the next tree of an output; a round begins with output 0.
    pub fn differentiate(&mut self, output: usize) -> Quantum {
        let rows = self.rows;
        let heaviest = self.heaviest;
        match &self.kind {
            Kind::Binary(codes) => {
                let quantum = Rounding::new(heaviest, 0.25 * heaviest);
                let rows = self.sums.iter().zip(*codes);
                fill(
                    &mut self.packed,
                    self.weights,
                    rows,
                    quantum,
                    |(sum, code)| {
                        let share = sigmoid(*sum);
                        (share - *code as f32, share * (1.0 - share))
                    },
                )
            }
            Kind::Classes(codes) => {
                if output == 0 {
                    softmax(&self.sums, rows, &mut self.shares);
                }
                // The Hessian's diagonal as Friedman has it.
                let factor = self.outputs as f32 / (self.outputs - 1) as f32;
                let quantum = Rounding::new(heaviest, 0.25 * factor * heaviest);
                let shares = &self.shares[output * rows..(output + 1) * rows];
                let output = output as u32;
                let rows = shares.iter().zip(*codes);
                fill(
                    &mut self.packed,
                    self.weights,
                    rows,
                    quantum,
                    |(share, code)| {
                        let hit = if *code == output { 1.0 } else { 0.0 };
                        (share - hit, factor * share * (1.0 - share))
                    },
                )
            }
            Kind::Numbers(numbers) => {
                let rows = self.sums.iter().zip(numbers);
                let mut largest = 0.0;
                for (sum, number) in rows.clone() {
                    let away = (sum - number).abs();
                    largest = if away > largest { away } else { largest };
                }
                let quantum = Rounding::new(largest * heaviest, heaviest);
                fill(
                    &mut self.packed,
                    self.weights,
                    rows,
                    quantum,
                    |(sum, number)| (sum - number, 1.0),
                )
            }
        }
    }

    /// The value of a leaf whose rows have these sums: a Newton step.
    pub fn step(&self, sums: Sums, quantum: Quantum, reg_lambda: f64) -> f64 {
        let hessian = sums[1] * quantum.hessian + reg_lambda;
        match hessian > 0.0 {
            true => -sums[0] * quantum.gradient / hessian,
            false => 0.0,
        }
    }

    /// The mean loss of some rows.
    pub fn loss(&self, rows: &[u32]) -> f64 {
        let mut total = 0.0;
        let mut weights = 0.0;
        for row in rows {
            let row = *row as usize;
            let weight = self.weights.map_or(1.0, |weights| f64::from(weights[row]));
            let sum = |output: usize| f64::from(self.sums[output * self.rows + row]);
            weights += weight;
            total += weight
                * match &self.kind {
                    Kind::Binary(codes) => {
                        let z = if codes[row] == 1 { -sum(0) } else { sum(0) };
                        z.max(0.0) + (-z.abs()).exp().ln_1p()
                    }
                    Kind::Classes(codes) => {
                        let outputs = (0..self.outputs).map(sum);
                        let most = outputs.clone().fold(f64::NEG_INFINITY, f64::max);
                        let all: f64 = outputs.map(|sum| (sum - most).exp()).sum();
                        most + all.ln() - sum(codes[row] as usize)
                    }
                    Kind::Numbers(numbers) => (sum(0) - f64::from(numbers[row])).powi(2),
                };
        }
        if weights > 0.0 { total / weights } else { 0.0 }
    }
}

/// How gradients and Hessians become whole numbers.
#[derive(Clone, Copy)]
struct Rounding {
    gradient: f32,
    hessian: f32,
    quantum: Quantum,
}

impl Rounding {
    /// For gradients and Hessians up to these.
    fn new(gradient: f32, hessian: f32) -> Self {
        let scale = |most: f32, limit: f32| if most > 0.0 { limit / most } else { 0.0 };
        let unit = |scale: f32| {
            if scale > 0.0 {
                1.0 / f64::from(scale)
            } else {
                0.0
            }
        };
        let gradient = scale(gradient, MOST_GRADIENT).min(f32::MAX);
        let hessian = scale(hessian, MOST_HESSIAN).min(f32::MAX);
        Rounding {
            gradient,
            hessian,
            quantum: Quantum {
                gradient: unit(gradient),
                hessian: unit(hessian),
            },
        }
    }

    #[inline(always)]
    fn pack(self, gradient: f32, hessian: f32) -> i64 {
        pack(
            round(gradient * self.gradient),
            round(hessian * self.hessian),
        )
    }
}

/// Computes, weighs and rounds each row's gradient and Hessian.
#[inline(always)]
fn fill<R>(
    packed: &mut [i64],
    weights: Option<&[f32]>,
    rows: impl Iterator<Item = R>,
    rounding: Rounding,
    derive: impl Fn(R) -> (f32, f32),
) -> Quantum {
    match weights {
        None => {
            for (packed, row) in packed.iter_mut().zip(rows) {
                let (gradient, hessian) = derive(row);
                *packed = rounding.pack(gradient, hessian);
            }
        }
        Some(weights) => {
            for ((packed, row), weight) in packed.iter_mut().zip(rows).zip(weights) {
                let (gradient, hessian) = derive(row);
                *packed = rounding.pack(gradient * weight, hessian * weight);
            }
        }
    }
    rounding.quantum
}

/// The softmax of each row of `sums`, both outputs x rows.
fn softmax(sums: &[f32], rows: usize, shares: &mut [f32]) {
    for start in (0..rows).step_by(LANES) {
        let end = (start + LANES).min(rows);
        let mut most = [f32::NEG_INFINITY; LANES];
        for output in sums.chunks_exact(rows) {
            for (most, sum) in most.iter_mut().zip(&output[start..end]) {
                *most = if *sum > *most { *sum } else { *most };
            }
        }
        let mut totals = [0.0; LANES];
        for (output, shares) in sums.chunks_exact(rows).zip(shares.chunks_exact_mut(rows)) {
            let both = output[start..end].iter().zip(&mut shares[start..end]);
            for ((sum, share), (most, total)) in both.zip(most.iter().zip(&mut totals)) {
                *share = exp(sum - most);
                *total += *share;
            }
        }
        for shares in shares.chunks_exact_mut(rows) {
            for (share, total) in shares[start..end].iter_mut().zip(&totals) {
                *share /= total;
            }
        }
    }
}
