//! The parity gate: before a model is published, its `model.onnx` says of the rows of `check.json` what the module
//! says of them.

#[cfg(feature = "score")]
use std::path::PathBuf;
#[cfg(feature = "score")]
use std::sync::{Arc, OnceLock};

use contract::{Check, FileEntry, Parity, files};

#[cfg(feature = "score")]
use super::compare::compare;
#[cfg(feature = "score")]
use crate::outputs::MAX_CHECK_ROWS;
use crate::outputs::Outputs;
use crate::platform::NamedFolder;
use crate::sandbox::Limits;
#[cfg(feature = "score")]
use crate::store::LocalFile;

/// What compares a model's two forms, made ready while the guest trains. Without the feature `score` nothing does.
pub struct Gate {
    #[cfg(feature = "score")]
    standby: super::Standby,
    #[cfg(feature = "score")]
    early: Arc<OnceLock<gate::Early>>,
    /// Where folders can't be watched, nothing is early.
    #[cfg(feature = "score")]
    _watch: std::io::Result<super::early::Watch>,
}

#[cfg(feature = "score")]
impl Gate {
    /// The process that scores has as much memory as the guest, 256 MiB at least. A guest that leaves `check.json` and
    /// then `model.onnx` in the folder `model` before it is done finds the model scored when it is.
    #[must_use]
    pub fn ready(limits: &Limits, model: &NamedFolder) -> Self {
        let standby = super::Standby::start(limits.memory);
        let early = Arc::<OnceLock<gate::Early>>::default();
        let (folder, result) = (model.clone(), early.clone());
        let score = standby.early(move |scorer| {
            if let Some(early) = gate::Early::score(scorer, &folder) {
                // It is called once.
                let _ = result.set(early);
            }
        });
        let watch = |path: PathBuf| super::early::when_written(&path, files::MODEL_ONNX, score);
        Self {
            _watch: model.reach().and_then(watch),
            early,
            standby,
        }
    }

    /// Compares the forms of the model in the folder `model`. That takes as much time as the guest may take, at most a
    /// minute.
    pub async fn check(self, model: &NamedFolder, outputs: &Outputs, limits: &Limits) -> Parity {
        use super::ScoreError;
        let (check, onnx) = match comparable(outputs) {
            Ok((check, onnx)) => (check.clone(), onnx.sha256.clone()),
            Err(reason) => return Parity::NotChecked { reason },
        };
        let deviation = gate::deviation(outputs, &check);
        let file = LocalFile::beneath(model, files::MODEL_ONNX);
        let limit = limits
            .timeout
            .map_or(gate::MOST, |limit| limit.min(gate::MOST));
        let early = self.early;
        let compared = self.standby.score(Some(limit), move |scorer| {
            let scores = match early.get() {
                Some(early) if early.is_of(&onnx, &check) => {
                    tracing::debug!("{} was scored while the module went on", files::MODEL_ONNX);
                    &early.scores
                }
                _ => {
                    scorer.renew()?;
                    scorer.load(&file, MAX_CHECK_ROWS)?;
                    &gate::score(scorer, &check)?
                }
            };
            compare(&check, scores, deviation).map_err(ScoreError::Model)
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
                    reason: crate::foreign::line(&error.to_string()),
                }
            }
            Err(error) => Parity::Failed {
                reason: crate::foreign::line(&error.to_string()),
            },
        }
    }
}

#[cfg(not(feature = "score"))]
impl Gate {
    #[must_use]
    pub fn ready(_: &Limits, _: &NamedFolder) -> Self {
        Self {}
    }

    #[allow(clippy::unused_async)]
    pub async fn check(self, _: &NamedFolder, outputs: &Outputs, _: &Limits) -> Parity {
        Parity::NotChecked {
            reason: match comparable(outputs) {
                Ok(_) => "this runner was built without the feature `score`".to_owned(),
                Err(reason) => reason,
            },
        }
    }
}

/// The rows to compare on, and the other form, where there are both.
fn comparable(outputs: &Outputs) -> Result<(&Check, &FileEntry), String> {
    let mut files = outputs.files.iter();
    let onnx = files
        .find(|file| file.path == files::MODEL_ONNX)
        .ok_or_else(|| format!("the module left no {}", files::MODEL_ONNX))?;
    match &outputs.check {
        Some(check) if !(check.labels.is_empty() && check.predictions.is_empty()) => {
            Ok((check, onnx))
        }
        Some(_) => Err(format!("{} holds no rows", files::CHECK_JSON)),
        None => Err(format!("the module left no {}", files::CHECK_JSON)),
    }
}

#[cfg(feature = "score")]
mod gate {
    use std::time::Duration;

    use contract::{Check, CheckValues, files};

    use crate::outputs::{self, MAX_CHECK_ROWS, Outputs};
    use crate::platform::NamedFolder;
    use crate::score::{Column, ScoreError, Scorer, Scores, Values, arrange};
    use crate::store::LocalFile;

    /// A thousand rows take a model of any use less.
    pub const MOST: Duration = Duration::from_secs(60);

    /// What a model said while the guest that left it went on.
    pub struct Early {
        onnx: String,
        check: Check,
        pub scores: Scores,
    }

    impl Early {
        /// `None` where something is missing or wrong: the guest may mend it, and what it does not is found in the end.
        pub fn score(scorer: &mut Scorer, model: &NamedFolder) -> Option<Self> {
            let check = outputs::check_rows(model).ok()??;
            let onnx = scorer
                .load_early(
                    &LocalFile::beneath(model, files::MODEL_ONNX),
                    MAX_CHECK_ROWS,
                )
                .ok()?;
            let scores = score(scorer, &check).ok()?;
            Some(Self {
                onnx,
                check,
                scores,
            })
        }

        /// Whether these are the model, by its SHA-256, and the rows that there are in the end.
        pub fn is_of(&self, onnx: &str, check: &Check) -> bool {
            self.onnx == onnx && self.check == *check
        }
    }

    /// What the model that `scorer` has says of the rows.
    pub fn score(scorer: &mut Scorer, check: &Check) -> Result<Scores, ScoreError> {
        let rows = check.labels.len().max(check.predictions.len());
        let columns: Vec<Column> = check.columns.iter().map(column).collect();
        let block = arrange(scorer.signature(), &columns, rows)
            .map_err(|reason| ScoreError::Model(format!("on the rows of check.json: {reason}")))?;
        scorer.send(block)?;
        let outputs = scorer.receive()?;
        Scores::of(scorer.signature(), outputs, rows).map_err(ScoreError::Model)
    }

    fn column(column: &contract::CheckColumn) -> Column {
        Column {
            name: column.name.clone(),
            values: match &column.values {
                CheckValues::Number(values) => Values::Doubles(
                    values
                        .iter()
                        .map(|value| value.unwrap_or(f64::NAN))
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
        let predictions = check.predictions.iter().copied();
        let count = check.predictions.len().max(1) as f64;
        let mean = predictions.clone().sum::<f64>() / count;
        let variance = predictions.map(|value| (value - mean).powi(2)).sum::<f64>() / count;
        variance.sqrt()
    }
}
