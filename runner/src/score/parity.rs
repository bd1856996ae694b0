//! The parity gate: before a model is published, its `model.onnx` says of the rows of `check.json` what the module
//! says of them.

use std::path::Path;

use contract::{Parity, files};

use crate::outputs::Outputs;
use crate::sandbox::Limits;

/// What compares a model's two forms, made ready while the guest trains. Without the feature `score` nothing does.
pub struct Gate {
    #[cfg(feature = "score")]
    standby: super::Standby,
}

#[cfg(feature = "score")]
impl Gate {
    /// The process that scores has as much memory as the guest, 256 MiB at least.
    #[must_use]
    pub fn ready(limits: &Limits) -> Self {
        Self {
            standby: super::Standby::start(limits.memory),
        }
    }

    /// Compares the forms of the model in the folder `model`. That takes as much time as the guest may take, at most a
    /// minute.
    pub async fn check(self, model: &Path, outputs: &Outputs, limits: &Limits) -> Parity {
        use super::ScoreError;
        let check = match comparable(outputs) {
            Ok(check) => check.clone(),
            Err(reason) => return Parity::NotChecked { reason },
        };
        let deviation = gate::deviation(outputs, &check);
        let file = model.join(files::MODEL_ONNX);
        let limit = limits
            .timeout
            .map_or(gate::MOST, |limit| limit.min(gate::MOST));
        let compared = self.standby.score(Some(limit), move |scorer| {
            gate::compare_with(scorer, &file, &check, deviation)
        });
        match compared.await {
            Ok(parity) => parity,
            // This machine's fault, not the model's, and no word on the model: whoever looks on gets to know.
            Err(error @ (ScoreError::Start(_) | ScoreError::Read { .. })) => {
                tracing::warn!(
                    "the model goes on unproven: its {} was not compared with the module, since {error}",
                    files::MODEL_ONNX
                );
                Parity::NotChecked {
                    reason: error.to_string(),
                }
            }
            Err(error) => Parity::Failed {
                reason: error.to_string(),
            },
        }
    }
}

#[cfg(not(feature = "score"))]
impl Gate {
    #[must_use]
    pub fn ready(_: &Limits) -> Self {
        Self {}
    }

    #[allow(clippy::unused_async)]
    pub async fn check(self, _: &Path, outputs: &Outputs, _: &Limits) -> Parity {
        Parity::NotChecked {
            reason: match comparable(outputs) {
                Ok(_) => "this runner was built without the feature `score`".to_owned(),
                Err(reason) => reason,
            },
        }
    }
}

/// The rows to compare on, where there are both forms.
fn comparable(outputs: &Outputs) -> Result<&contract::Check, String> {
    if !outputs
        .files
        .iter()
        .any(|file| file.path == files::MODEL_ONNX)
    {
        return Err(format!("the module left no {}", files::MODEL_ONNX));
    }
    match &outputs.check {
        Some(check) if !(check.labels.is_empty() && check.predictions.is_empty()) => Ok(check),
        Some(_) => Err(format!("{} holds no rows", files::CHECK_JSON)),
        None => Err(format!("the module left no {}", files::CHECK_JSON)),
    }
}

#[cfg(feature = "score")]
mod gate {
    use std::path::Path;
    use std::time::Duration;

    use contract::{Check, CheckValues, Parity};

    use crate::outputs::Outputs;
    use crate::score::compare::compare;
    use crate::score::{Column, ScoreError, Scorer, Scores, Values, arrange};

    /// A thousand rows take a model of any use less.
    pub const MOST: Duration = Duration::from_secs(60);

    pub fn compare_with(
        mut scorer: Scorer,
        model: &Path,
        check: &Check,
        deviation: f64,
    ) -> Result<Parity, ScoreError> {
        let rows = check.labels.len().max(check.predictions.len());
        let columns: Vec<Column> = check.columns.iter().map(column).collect();
        scorer.load(model, rows)?;
        let block = arrange(scorer.signature(), &columns, rows)
            .map_err(|reason| ScoreError::Model(format!("on the rows of check.json: {reason}")))?;
        scorer.send(block)?;
        let outputs = scorer.receive()?;
        let scores = Scores::of(scorer.signature(), outputs, rows).map_err(ScoreError::Model)?;
        compare(check, &scores, deviation).map_err(ScoreError::Model)
    }

    fn column(column: &contract::CheckColumn) -> Column {
        Column {
            name: column.name.clone(),
            values: match &column.values {
                CheckValues::Number(values) => Values::Numbers(
                    values
                        .iter()
                        .map(|value| value.unwrap_or(f32::NAN))
                        .collect(),
                ),
                CheckValues::Text(values) => Values::Text(
                    values
                        .iter()
                        .map(|value| value.clone().unwrap_or_default())
                        .collect(),
                ),
            },
        }
    }

    /// The target's standard deviation: the error of the baseline, which always says the mean of the training rows;
    /// that of the predictions where the module gives no baseline.
    pub fn deviation(outputs: &Outputs, check: &Check) -> f64 {
        if let Some(rmse) = outputs.metrics.baseline.scores.get("rmse") {
            return *rmse;
        }
        let predictions = check.predictions.iter().copied().map(f64::from);
        let count = check.predictions.len().max(1) as f64;
        let mean = predictions.clone().sum::<f64>() / count;
        let variance = predictions.map(|value| (value - mean).powi(2)).sum::<f64>() / count;
        variance.sqrt()
    }
}
