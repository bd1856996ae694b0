//! How good a model is on rows that it was not fitted on.

mod baseline;
mod classification;
mod effort;
mod gates;
mod importance;
mod ranking;
mod regression;
mod scores;

use contract::{Evaluation, Task};

pub use baseline::baseline;
pub use effort::Effort;
pub use gates::{judge, primary};
pub use importance::{Importances, Question, permutation_importance};
pub use ranking::roc_auc;
pub use scores::{SCORES, Score, score};

use crate::forms::Predictions;
use crate::learners::Target;

/// Scores predictions against what is known of the same rows. A score that is undefined on them is left out.
#[must_use]
pub fn evaluate(task: Task, predictions: &Predictions, actual: &Target) -> Evaluation {
    match (predictions, actual) {
        (Predictions::Probabilities { values, classes }, Target::Classes { codes, .. }) => {
            classification::evaluate(task, values, *classes, codes)
        }
        (Predictions::Values(values), Target::Number(actual)) => {
            regression::evaluate(values, actual)
        }
        // A learner's form never speaks of another task than its own.
        (Predictions::Probabilities { .. }, Target::Number(_))
        | (Predictions::Values(_), Target::Classes { .. }) => Evaluation::default(),
    }
}

/// The class of the largest probability in each row, the first of equal ones.
pub fn labels(values: &[f32], classes: usize) -> impl Iterator<Item = u32> {
    values.chunks_exact(classes.max(1)).map(|row| {
        let mut best = 0;
        for (class, probability) in row.iter().enumerate() {
            if *probability > row[best] {
                best = class;
            }
        }
        best as u32
    })
}
