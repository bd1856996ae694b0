//! From sums to scores and labels, by onnxruntime's rules: the specification leaves open what becomes of two classes
//! that have the weights of one, and of base values there.

use tract_onnx::tract_hir::internal::*;

use super::{Sums, Trees};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transform {
    None,
    Logistic,
    Softmax,
    /// Softmax in which a score of 0 stays 0.
    SoftmaxZero,
    /// The normal distribution's quantile.
    Probit,
}

#[derive(Debug)]
pub(super) struct Regressor {
    /// Empty, or one a target.
    pub base: Vec<f32>,
    pub transform: Transform,
}

#[derive(Debug)]
pub(super) struct Classifier {
    /// Whole numbers or strings, one a class.
    pub labels: Tensor,
    pub base: Vec<f32>,
    pub transform: Transform,
    /// Two classes, and all weights are of one: its score is that of the second class.
    pub one_score: bool,
    /// No weight is below 0: scores are probabilities.
    pub positive: bool,
}

impl Regressor {
    /// rows x targets.
    pub fn scores(&self, trees: &Trees, mut sums: Sums) -> Vec<f32> {
        let targets = trees.outputs;
        for row in sums.values.chunks_exact_mut(targets) {
            for (sum, base) in row.iter_mut().zip(&self.base) {
                *sum += f64::from(*base);
            }
            match self.transform {
                // A single target is a plain number to onnxruntime, whatever the transform.
                Transform::Logistic | Transform::Softmax | Transform::SoftmaxZero
                    if targets == 1 => {}
                // And of several there is no quantile.
                Transform::Probit if targets > 1 => {}
                transform => transform.apply(row),
            }
        }
        single(&sums.values)
    }
}

impl Classifier {
    /// Scores, rows x classes, and the label of each row.
    pub fn scores(&self, trees: &Trees, mut sums: Sums) -> TractResult<(Vec<f32>, Tensor)> {
        let classes = trees.outputs;
        let rows = sums
            .values
            .chunks_exact_mut(classes)
            .zip(sums.given.chunks_exact(classes));
        let chosen: Vec<usize> = rows
            .map(|(row, given)| match row {
                [first, second] => self.two(first, second, [given[0], given[1]]),
                row => self.many(row, given),
            })
            .collect();
        Ok((single(&sums.values), self.label(&chosen)?))
    }

    fn many(&self, row: &mut [f64], given: &[bool]) -> usize {
        for (score, base) in row.iter_mut().zip(&self.base) {
            *score += f64::from(*base);
        }
        let mut best = None;
        for (class, score) in row.iter().enumerate() {
            let counts = given[class] || !self.base.is_empty();
            if counts && best.is_none_or(|(_, most)| *score > most) {
                best = Some((class, *score));
            }
        }
        self.transform.apply(row);
        best.map_or(0, |(class, _)| class)
    }

    /// Two classes.
    fn two(&self, first: &mut f64, second: &mut f64, given: [bool; 2]) -> usize {
        let mut alone = !given[1];
        match *self.base {
            [_, base] if given[1] => {
                *second = f64::from(base) + *first;
                *first = -*second;
            }
            [base, other] => {
                *first += f64::from(base);
                *second += f64::from(other);
                alone = false;
            }
            [base] => *first += f64::from(base),
            _ => {}
        }
        let weight = if given[1] { *second } else { *first };
        let (bound, complement) = if self.one_score && self.positive {
            (0.5, 1.0)
        } else {
            (0.0, 0.0)
        };
        if !alone {
            // A class without weights has 0, whatever its base value.
            let mut pair = [
                if given[0] { *first } else { 0.0 },
                if given[1] { *second } else { 0.0 },
            ];
            self.transform.apply(&mut pair);
            [*first, *second] = pair;
        } else if self.transform == Transform::Probit {
            *first = probit(*first);
        } else if self.transform == Transform::Logistic {
            *second = logistic(*first);
            *first = logistic(-*first);
        } else {
            *second = *first;
            *first = complement - *second;
        }
        usize::from(weight > bound)
    }

    fn label(&self, chosen: &[usize]) -> TractResult<Tensor> {
        let labels = self.labels.try_as_plain_ram()?;
        if self.labels.datum_type() == i64::datum_type() {
            let labels = labels.as_slice::<i64>()?;
            let of_rows: Vec<i64> = chosen.iter().map(|class| labels[*class]).collect();
            return Ok(tensor1(&of_rows));
        }
        let labels = labels.as_slice::<String>()?;
        let of_rows: Vec<String> = chosen.iter().map(|class| labels[*class].clone()).collect();
        Ok(tensor1(&of_rows))
    }
}

impl Transform {
    fn apply(self, row: &mut [f64]) {
        match self {
            Self::None => {}
            Self::Logistic => row.iter_mut().for_each(|score| *score = logistic(*score)),
            Self::Softmax => softmax(row, |_| true),
            Self::SoftmaxZero => softmax(row, |score| score.abs() > 1e-7),
            Self::Probit => row.iter_mut().for_each(|score| *score = probit(*score)),
        }
    }
}

/// Softmax of the scores that `counts` holds for; the others stay.
fn softmax(row: &mut [f64], counts: impl Fn(f64) -> bool) {
    let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for score in row.iter_mut() {
        if counts(*score) {
            *score = (*score - most).exp();
            sum += *score;
        } else {
            *score *= (-most).exp();
        }
    }
    row.iter_mut().for_each(|score| *score /= sum);
}

fn logistic(score: f64) -> f64 {
    1.0 / (1.0 + (-score).exp())
}

/// The normal distribution's quantile, by the inverse error function of Winitzki (2008), as onnxruntime computes it.
fn probit(score: f64) -> f64 {
    let value = 2.0 * score - 1.0;
    let log = ((1.0 - value) * (1.0 + value)).ln();
    let part = 2.0 / (std::f64::consts::PI * 0.147) + 0.5 * log;
    let root = (part * part - log / 0.147).sqrt() - part;
    std::f64::consts::SQRT_2 * value.signum() * root.sqrt()
}

fn single(values: &[f64]) -> Vec<f32> {
    values.iter().map(|value| *value as f32).collect()
}
