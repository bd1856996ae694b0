//! What support vector machines share, whoever fits them: kernels, pairs of classes, probabilities.

use contract::Warning;

use super::parameters::Parameters;
use super::random::Random;
use super::{Cause, Features, Fitted, ParameterError, Training, Wants, platt};
use crate::forms::{Form, Kernel, KernelFunction, Machine, Machines, Pair, Rows};

/// Distances and products mean something on one scale only.
pub(super) const WANTS: Wants = Wants {
    imputed: true,
    scaled: true,
    one_hot: true,
};

/// Parts of the rows that the sums are found on for Platt scaling, by machines that were not fitted on them.
const FOLDS: usize = 5;

/// A kernel as the parameters give it.
pub(super) struct KernelParameters {
    name: &'static str,
    /// None: 1 / (features x variance of all values), scikit-learn's `scale`.
    gamma: Option<f64>,
    degree: u32,
    coef0: f64,
}

impl KernelParameters {
    pub fn ask(parameters: &mut Parameters<'_>) -> Result<Self, ParameterError> {
        Ok(KernelParameters {
            name: parameters.choice("kernel", "rbf", &["linear", "poly", "rbf", "sigmoid"])?,
            gamma: parameters.number_or_word("gamma", "scale", 1e-10..=1e10)?,
            degree: parameters.integer("degree", 3, 1..=20)?,
            coef0: parameters.number("coef0", 0.0, -1e6..=1e6)?,
        })
    }

    pub fn function(&self, features: &Features) -> KernelFunction {
        let gamma = self.gamma.unwrap_or_else(|| scale(features));
        match self.name {
            "linear" => KernelFunction::Linear,
            "poly" => KernelFunction::Poly {
                gamma,
                coef0: self.coef0,
                degree: self.degree,
            },
            "sigmoid" => KernelFunction::Sigmoid {
                gamma,
                coef0: self.coef0,
            },
            _ => KernelFunction::Rbf { gamma },
        }
    }
}

fn scale(features: &Features) -> f64 {
    let values = || features.columns.iter().flat_map(|column| &column.values);
    let count = (features.rows * features.columns.len()) as f64;
    let mean = values().map(|value| f64::from(*value)).sum::<f64>() / count;
    let variance = values()
        .map(|value| (f64::from(*value) - mean).powi(2))
        .sum::<f64>()
        / count;
    let gamma = 1.0 / (features.columns.len() as f64 * variance);
    if gamma.is_normal() { gamma } else { 1.0 }
}

/// What a solver finds: a sum over some of the rows that it was given.
pub(super) struct Solution {
    /// Index of a row and its weight, ascending.
    pub weights: Vec<(usize, f64)>,
    pub intercept: f64,
    pub converged: bool,
}

impl Solution {
    fn sum(&self, function: &KernelFunction, rows: &Rows, row: &[f32]) -> f64 {
        let width = rows.width as usize;
        self.intercept
            + self
                .weights
                .iter()
                .map(|(index, weight)| {
                    let vector = &rows.values[index * width..(index + 1) * width];
                    weight * function.apply(vector, row)
                })
                .sum::<f64>()
    }
}

/// Fits a machine for each pair of classes by `solve`, which is given rows and whether each is of the second class.
pub(super) fn classify(
    training: Training<'_>,
    codes: &[u32],
    classes: usize,
    function: KernelFunction,
    solve: impl Fn(&Rows, &[bool]) -> Result<Solution, Cause>,
) -> Result<Fitted, Cause> {
    let mut pairs = Vec::new();
    let mut converged = true;
    for first in 0..classes as u32 {
        for second in first + 1..classes as u32 {
            let rows: Vec<usize> = (0..codes.len())
                .filter(|row| codes[*row] == first || codes[*row] == second)
                .collect();
            let seconds: Vec<bool> = rows.iter().map(|row| codes[*row] == second).collect();
            let vectors = Rows::gather(training.features, rows.iter().copied());
            let solution = solve(&vectors, &seconds)?;
            let sums = honest_sums(
                &vectors,
                &seconds,
                &function,
                training.seed,
                &solution,
                &solve,
            )?;
            let (slope, offset) = platt::fit(&sums, &seconds);
            converged &= solution.converged;
            pairs.push(Pair {
                first,
                second,
                machine: machine(solution, &rows),
                slope,
                offset,
            });
        }
    }
    let mut used = vec![false; codes.len()];
    for pair in &pairs {
        for vector in &pair.machine.vectors {
            used[*vector as usize] = true;
        }
    }
    let (vectors, places) = keep(training.features, &used);
    for vector in pairs.iter_mut().flat_map(|pair| &mut pair.machine.vectors) {
        *vector = places[*vector as usize];
    }
    Ok(fitted(
        function,
        vectors,
        Machines::Classification {
            classes: classes as u32,
            pairs,
        },
        converged,
    ))
}

/// The form of a regression that was solved on all training rows.
pub(super) fn regression(
    training: Training<'_>,
    function: KernelFunction,
    solution: Solution,
) -> Fitted {
    let converged = solution.converged;
    let mut used = vec![false; training.features.rows];
    for (row, _) in &solution.weights {
        used[*row] = true;
    }
    let (vectors, places) = keep(training.features, &used);
    let rows: Vec<usize> = places.iter().map(|place| *place as usize).collect();
    let machine = machine(solution, &rows);
    fitted(function, vectors, Machines::Regression(machine), converged)
}

fn fitted(function: KernelFunction, vectors: Rows, machines: Machines, converged: bool) -> Fitted {
    let mut warnings = Vec::new();
    if !converged {
        warnings.push(Warning::new(
            "not_converged",
            "the support vectors did not converge within max_iter steps; scale the columns, raise max_iter or lower C",
        ));
    }
    Fitted {
        form: Form::Kernel(Kernel {
            function,
            vectors,
            machines,
        }),
        warnings,
        importance: None,
    }
}

/// A machine whose vectors are `rows` of the training.
fn machine(solution: Solution, rows: &[usize]) -> Machine {
    Machine {
        vectors: solution
            .weights
            .iter()
            .map(|(index, _)| rows[*index] as u32)
            .collect(),
        weights: solution.weights.iter().map(|(_, weight)| *weight).collect(),
        intercept: solution.intercept,
    }
}

/// The rows that are used, and the place of each row among them.
fn keep(features: &Features, used: &[bool]) -> (Rows, Vec<u32>) {
    let mut places = vec![0; used.len()];
    let mut kept = Vec::new();
    for (row, _) in used.iter().enumerate().filter(|(_, used)| **used) {
        places[row] = kept.len() as u32;
        kept.push(row);
    }
    (Rows::gather(features, kept.into_iter()), places)
}

/// A sum for each row, by a machine that was fitted without it: what a machine says of its own rows is too sure.
/// With fewer rows of a class than folds, by `whole`, the machine that was fitted on all of them.
fn honest_sums(
    rows: &Rows,
    second: &[bool],
    function: &KernelFunction,
    seed: u64,
    whole: &Solution,
    solve: &impl Fn(&Rows, &[bool]) -> Result<Solution, Cause>,
) -> Result<Vec<f64>, Cause> {
    let seconds = second.iter().filter(|second| **second).count();
    if seconds.min(second.len() - seconds) < FOLDS {
        return Ok(rows
            .iter()
            .map(|row| whole.sum(function, rows, row))
            .collect());
    }
    let mut order: Vec<usize> = (0..second.len()).collect();
    Random::new(seed, 0).shuffle(&mut order);
    order.sort_by_key(|row| second[*row]);
    let mut fold = vec![0; second.len()];
    for (place, row) in order.iter().enumerate() {
        fold[*row] = place % FOLDS;
    }
    let width = rows.width as usize;
    let mut sums = vec![0.0; second.len()];
    for held_out in 0..FOLDS {
        let mut part = Rows {
            width: rows.width,
            values: Vec::with_capacity(rows.values.len()),
        };
        let mut part_second = Vec::with_capacity(second.len());
        for (index, row) in rows
            .iter()
            .enumerate()
            .filter(|(i, _)| fold[*i] != held_out)
        {
            part.values.extend_from_slice(row);
            part_second.push(second[index]);
        }
        let solution = solve(&part, &part_second)?;
        for (index, sum) in sums.iter_mut().enumerate() {
            if fold[index] == held_out {
                let row = &rows.values[index * width..(index + 1) * width];
                *sum = solution.sum(function, &part, row);
            }
        }
    }
    Ok(sums)
}
