//! Weights of whole classes, as scikit-learn's and LightGBM's `class_weight`: every row counts as often as its class weighs.

use contract::Task;

use super::configure::Method;
use super::parameters::Parameters;
use super::{Cause, Fitted, ParameterError, Target, Training, Wants};

/// How much a row of each class counts.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ClassWeight {
    /// Rows / (classes x rows of the class): all classes count the same.
    Balanced,
    /// One a class, in the order of the probabilities.
    Each(Vec<f64>),
}

/// Asks for `class_weight`, where the target has classes, and has `method` follow it.
pub(super) fn weigh(
    parameters: &mut Parameters<'_>,
    task: Task,
    method: Box<dyn Method>,
) -> Result<Box<dyn Method>, ParameterError> {
    if task == Task::Regression {
        return Ok(method);
    }
    Ok(match parameters.class_weight()? {
        None => method,
        Some(class_weight) => Box::new(Weighed {
            class_weight,
            method,
        }),
    })
}

/// A method that sees weighted classes.
struct Weighed {
    class_weight: ClassWeight,
    method: Box<dyn Method>,
}

impl Method for Weighed {
    fn wants(&self) -> Wants {
        self.method.wants()
    }

    fn weighted(&self) -> bool {
        true
    }

    fn fit(&self, training: Training<'_>) -> Result<Fitted, Cause> {
        let Target::Classes { codes, classes } = training.target else {
            return Err(Cause::Task);
        };
        let of_class = self.class_weight.of_classes(codes, *classes)?;
        let weights: Vec<f32> = codes
            .iter()
            .enumerate()
            .map(|(row, code)| {
                let weight = training.weights.map_or(1.0, |weights| weights[row]);
                weight * of_class[*code as usize]
            })
            .collect();
        if weights.iter().all(|weight| *weight == 0.0) {
            return Err(Cause::BadWeights);
        }
        self.method.fit(Training {
            weights: Some(&weights),
            ..training
        })
    }
}

impl ClassWeight {
    fn of_classes(&self, codes: &[u32], classes: usize) -> Result<Vec<f32>, Cause> {
        match self {
            ClassWeight::Balanced => {
                let mut rows = vec![0_u32; classes];
                for code in codes {
                    rows[*code as usize] += 1;
                }
                let all = codes.len() as f64;
                let weight = |rows: u32| (all / (classes as f64 * f64::from(rows))) as f32;
                Ok(rows.into_iter().map(weight).collect())
            }
            ClassWeight::Each(weights) if weights.len() == classes => {
                Ok(weights.iter().map(|weight| *weight as f32).collect())
            }
            ClassWeight::Each(weights) => Err(Cause::Unsuited {
                what: format!(
                    "class_weight has {} weights, and the target has {classes} classes",
                    weights.len()
                ),
                remedy: "give one a class, in the order of `classes` in metrics.json, or \"balanced\"",
            }),
        }
    }
}
