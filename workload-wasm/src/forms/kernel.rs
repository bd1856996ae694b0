use serde::{Deserialize, Serialize};

use super::rows::for_each_row;
use super::{FormError, Link, Predictions, Rows, all_finite, sigmoid};
use crate::learners::Features;

/// How far from 0 and 1 a pair's probability stays, so that no class is ruled out by one machine alone.
pub const PAIR_MARGIN: f64 = 1e-7;

/// Support vectors: weighted sums of a kernel between a row and some training rows.
///
/// A regression has one machine, whose sum is the prediction. A classification has one machine for each pair of
/// classes. Each gives the probability of the pair's second class by Platt scaling; those of all pairs are coupled to
/// one per class as in Price et al. 1995 ("Pairwise neural network classifiers with probabilistic outputs").
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kernel {
    pub function: KernelFunction,
    pub vectors: Rows,
    pub machines: Machines,
}

/// The similarity of two rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kernel", rename_all = "snake_case")]
pub enum KernelFunction {
    /// `<x, y>`
    Linear,
    /// `exp(-gamma |x - y|²)`
    Rbf { gamma: f64 },
    /// `(gamma <x, y> + coef0)^degree`
    Poly { gamma: f64, coef0: f64, degree: u32 },
    /// `tanh(gamma <x, y> + coef0)`
    Sigmoid { gamma: f64, coef0: f64 },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Machines {
    Regression(Machine),
    Classification { classes: u32, pairs: Vec<Pair> },
}

/// A weighted sum over support vectors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Indices of rows of `vectors`.
    pub vectors: Vec<u32>,
    /// One a vector.
    pub weights: Vec<f64>,
    pub intercept: f64,
}

/// The machine that tells two classes apart: its sum is above 0 for the second.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    pub first: u32,
    pub second: u32,
    pub machine: Machine,
    /// The second class's probability is `1 / (1 + exp(-(slope * sum + offset)))` (Platt 1999).
    pub slope: f64,
    pub offset: f64,
}

impl KernelFunction {
    /// The kernel of two rows of one length.
    #[must_use]
    pub fn apply(&self, a: &[f32], b: &[f32]) -> f64 {
        match *self {
            KernelFunction::Linear => dot(a, b),
            KernelFunction::Rbf { gamma } => {
                let squares = sum_of(a, b, |a, b| (a - b) * (a - b));
                (-gamma * squares).exp()
            }
            KernelFunction::Poly {
                gamma,
                coef0,
                degree,
            } => (gamma * dot(a, b) + coef0).powi(degree as i32),
            KernelFunction::Sigmoid { gamma, coef0 } => (gamma * dot(a, b) + coef0).tanh(),
        }
    }
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    sum_of(a, b, |a, b| a * b)
}

/// The sum of `term` over both rows, in four sums side by side: processors add them at once.
fn sum_of(a: &[f32], b: &[f32], term: impl Fn(f64, f64) -> f64) -> f64 {
    let mut sums = [0.0_f64; 4];
    let (a_whole, b_whole) = (a.chunks_exact(4), b.chunks_exact(4));
    let rest = a_whole.remainder().iter().zip(b_whole.remainder());
    let rest: f64 = rest.map(|(a, b)| term(f64::from(*a), f64::from(*b))).sum();
    for (a, b) in a_whole.zip(b_whole) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += term(f64::from(*a), f64::from(*b));
        }
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest
}

impl Machine {
    /// The sum, from the kernels between a row and all of the form's vectors.
    fn sum(&self, kernels: &[f64]) -> f64 {
        let terms = self.vectors.iter().zip(&self.weights);
        self.intercept
            + terms
                .map(|(vector, weight)| weight * kernels[*vector as usize])
                .sum::<f64>()
    }
}

impl Kernel {
    pub(super) fn predict(&self, features: &Features) -> Predictions {
        let outputs = match &self.machines {
            Machines::Regression(_) => 1,
            Machines::Classification { classes, .. } => *classes as usize,
        };
        let mut sums = vec![0.0_f64; features.rows * outputs];
        let mut kernels = vec![0.0_f64; self.vectors.iter().len()];
        for_each_row(features, |index, row| {
            for (kernel, vector) in kernels.iter_mut().zip(self.vectors.iter()) {
                *kernel = self.function.apply(row, vector);
            }
            let sums = &mut sums[index * outputs..(index + 1) * outputs];
            match &self.machines {
                Machines::Regression(machine) => sums[0] = machine.sum(&kernels),
                Machines::Classification { pairs, .. } => couple(pairs, &kernels, sums),
            }
        });
        match self.machines {
            Machines::Regression(_) => Link::Identity.apply(sums, outputs),
            Machines::Classification { .. } => Link::Shares.apply(sums, outputs),
        }
    }

    pub(super) fn check(&self, features: usize) -> Result<(), FormError> {
        self.vectors.check(features)?;
        let vectors = self.vectors.iter().len();
        let check = |machine: &Machine| {
            all_finite(&machine.weights)?;
            all_finite(&[machine.intercept])?;
            let known = machine.vectors.iter().all(|v| (*v as usize) < vectors);
            if known && machine.vectors.len() == machine.weights.len() {
                Ok(())
            } else {
                Err(FormError::Lengths {
                    what: "support vectors",
                })
            }
        };
        match &self.machines {
            Machines::Regression(machine) => check(machine),
            Machines::Classification { classes, pairs } => {
                Link::Shares.check(*classes as usize)?;
                for pair in pairs {
                    check(&pair.machine)?;
                    all_finite(&[pair.slope, pair.offset])?;
                }
                let known = |pair: &Pair| pair.first < *classes && pair.second < *classes;
                let wanted = *classes as usize * (*classes as usize - 1) / 2;
                if pairs.iter().all(known) && pairs.len() == wanted {
                    Ok(())
                } else {
                    Err(FormError::Lengths { what: "pairs" })
                }
            }
        }
    }
}

/// Probabilities of the classes from those of their pairs: `1 / (sum of 1 / r - (classes - 2))`, then shares.
fn couple(pairs: &[Pair], kernels: &[f64], shares: &mut [f64]) {
    let classes = shares.len() as f64;
    shares.fill(2.0 - classes);
    for pair in pairs {
        let sum = pair.machine.sum(kernels);
        let second = sigmoid(pair.slope * sum + pair.offset).clamp(PAIR_MARGIN, 1.0 - PAIR_MARGIN);
        shares[pair.second as usize] += 1.0 / second;
        shares[pair.first as usize] += 1.0 / (1.0 - second);
    }
    let mut total = 0.0;
    for share in shares.iter_mut() {
        *share = 1.0 / *share;
        total += *share;
    }
    shares.iter_mut().for_each(|share| *share /= total);
}
