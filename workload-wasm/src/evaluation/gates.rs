use contract::{Evaluation, Gate, Primary, Task};

use super::{Score, score};
use crate::specification;
use crate::table::DataError;

/// The score by which versions of a task are compared.
#[must_use]
pub fn primary(task: Task) -> Score {
    let (name, higher_is_better) = match task {
        Task::Binary => ("roc_auc", true),
        Task::Multiclass => ("accuracy", true),
        Task::Regression => ("rmse", false),
    };
    Score {
        name,
        higher_is_better,
        regression: task == Task::Regression,
    }
}

/// Judges the held-out scores by the gates of the specification. A threshold is met by equality, the baseline must be beaten.
///
/// # Errors
/// When a score that a gate asks for is undefined on the held-out rows.
pub fn judge(
    gate: &specification::Gate,
    primary: &Primary,
    held_out: &Evaluation,
    baseline: &Evaluation,
) -> Result<Vec<Gate>, DataError> {
    let value_of = |evaluation: &Evaluation, name: &str| {
        evaluation
            .scores
            .get(name)
            .copied()
            .ok_or_else(|| DataError::UndefinedScore {
                score: name.to_owned(),
            })
    };
    let mut verdicts = Vec::new();
    if gate.baseline {
        let threshold = value_of(baseline, &primary.name)?;
        let beaten =
            score(&primary.name).is_some_and(|score| score.better(primary.held_out, threshold));
        verdicts.push(Gate {
            metric: primary.name.clone(),
            threshold,
            higher_is_better: primary.higher_is_better,
            value: primary.held_out,
            met: beaten,
        });
    }
    for wanted in &gate.thresholds {
        let value = value_of(held_out, wanted.score.name)?;
        verdicts.push(Gate {
            metric: wanted.score.name.to_owned(),
            threshold: wanted.value,
            higher_is_better: wanted.score.higher_is_better,
            value,
            met: !wanted.score.better(wanted.value, value),
        });
    }
    Ok(verdicts)
}
