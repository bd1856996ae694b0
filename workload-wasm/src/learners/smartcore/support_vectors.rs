//! The support vectors that smartcore fits and hides, read through serde.

use std::collections::BTreeMap;

use ::smartcore::linalg::basic::matrix::DenseMatrix;
use ::smartcore::svm::Kernels;
use serde::{Deserialize, Serialize};

use super::Matrix;
use super::trees::read;
use crate::forms::{KernelFunction, Rows};
use crate::learners::Cause;
use crate::learners::svm::Solution;

/// The rows as smartcore's matrix, as many times over as it says.
///
/// smartcore's machines read no more values of a row than there are rows. Repeating all rows until there are enough
/// leaves the optimum where it is, as long as `C` is divided by the number of times.
pub(super) fn repeated(rows: &Rows) -> Result<(Matrix, usize), Cause> {
    let width = rows.width as usize;
    let count = rows.iter().len();
    let times = width.div_ceil(count.max(1)).max(1);
    let values: Vec<f64> = rows.values.iter().map(|value| f64::from(*value)).collect();
    let matrix = DenseMatrix::new(times * count, width, values.repeat(times), false)?;
    Ok((matrix, times))
}

/// A fitted machine as smartcore serializes it: the fields that predictions need.
#[derive(Deserialize)]
struct Hidden {
    instances: Vec<Vec<f64>>,
    w: Vec<f64>,
    b: f64,
}

/// The machine's sum over `rows`, on which it was fitted. smartcore copies its vectors; each is found by its values.
pub(super) fn solution(model: &impl Serialize, rows: &Rows) -> Result<Solution, Cause> {
    let hidden: Hidden = read(model)?;
    let bits = |row: &[f32]| -> Vec<u32> { row.iter().map(|value| value.to_bits()).collect() };
    let places: BTreeMap<Vec<u32>, usize> = rows
        .iter()
        .enumerate()
        .map(|(index, row)| (bits(row), index))
        .collect();
    let mut weights: BTreeMap<usize, f64> = BTreeMap::new();
    for (instance, weight) in hidden.instances.iter().zip(&hidden.w) {
        let row: Vec<f32> = instance.iter().map(|value| *value as f32).collect();
        let place = places.get(&bits(&row)).ok_or_else(|| {
            Cause::Engine("a support vector is none of the training rows".to_owned())
        })?;
        *weights.entry(*place).or_default() += weight;
    }
    Ok(Solution {
        weights: weights.into_iter().collect(),
        intercept: hidden.b,
        // smartcore does not say.
        converged: true,
    })
}

/// smartcore's name for the kernel.
pub(super) fn kernel(function: KernelFunction) -> Kernels {
    match function {
        KernelFunction::Linear => Kernels::linear(),
        KernelFunction::Rbf { gamma } => Kernels::rbf().with_gamma(gamma),
        KernelFunction::Poly {
            gamma,
            coef0,
            degree,
        } => Kernels::polynomial()
            .with_gamma(gamma)
            .with_coef0(coef0)
            .with_degree(f64::from(degree)),
        KernelFunction::Sigmoid { gamma, coef0 } => {
            Kernels::sigmoid().with_gamma(gamma).with_coef0(coef0)
        }
    }
}
