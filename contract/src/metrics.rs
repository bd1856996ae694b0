use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Warning;

/// `metrics.json`: what was trained, on what, and how good it is.
///
/// Only `contract`, `task`, `rows`, `held_out` and `primary` are asked of every module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// [`crate::CONTRACT`].
    pub contract: u32,
    pub task: Task,
    /// The column that is predicted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Labels of a classification, in the order of the probabilities.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// The label that counts as positive in a binary classification.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positive: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learner: Option<Learner>,
    /// The seed that was used: the variable `SEED`, unless the specification has one and no flag beats it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    pub rows: Rows,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<Feature>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
    /// The model on the held-out rows.
    pub held_out: Evaluation,
    /// The trivial baseline (most frequent class and class shares, or the mean) on the same rows.
    #[serde(default, skip_serializing_if = "Evaluation::is_empty")]
    pub baseline: Evaluation,
    /// The model on the validation rows, where the specification asks for some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Evaluation>,
    /// Mean over the folds of a cross-validation on the training rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cross_validation: Option<Evaluation>,
    /// The standard deviation of each score among these folds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cross_validation_spread: BTreeMap<String, f64>,
    pub primary: Primary,
    /// Whether more of it is better, for each score above. A name of [`crate::scores`] may be left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub higher_is_better: BTreeMap<String, bool>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<Gate>,
    /// Permutation importance of each original column, largest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub importance: Vec<Importance>,
    /// How much of what the splits of builtin trees gained on the training rows each feature's brought, largest first: shares
    /// that sum to 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub impurity_importance: Vec<Importance>,
    /// Why there is no `model.onnx`, where a module that makes them made none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub onnx_left_out: Option<String>,
    /// The messages of all warnings. [`Metrics::warnings`] has them as values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// The same warnings with their kinds and columns; modules of earlier days have messages alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warning_details: Vec<Warning>,
}

impl Metrics {
    /// Every warning. One that the module left as a message alone is of the kind [`Warning::OTHER`].
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        let is_untold = |message: &&String| {
            let mut details = self.warning_details.iter();
            !details.any(|warning| warning.message == **message)
        };
        let messages = self.warnings.iter().filter(is_untold);
        let others = messages.map(|message| Warning::new(Warning::OTHER, message));
        self.warning_details.iter().cloned().chain(others).collect()
    }

    /// Whether more of a score is better: what the module says of it, else what its name is known for. `None` where neither tells.
    #[must_use]
    pub fn is_higher_better(&self, score: &str) -> Option<bool> {
        let said = self.higher_is_better.get(score).copied();
        let primary = (self.primary.name == score).then_some(self.primary.higher_is_better);
        let gate = self.gates.iter().find(|gate| gate.metric == score);
        said.or(primary)
            .or(gate.map(|gate| gate.higher_is_better))
            .or_else(|| crate::scores::higher_is_better(score))
    }

    /// Says all of `warnings`, and no others.
    pub fn set_warnings(&mut self, warnings: Vec<Warning>) {
        self.warnings = warnings
            .iter()
            .map(|warning| warning.message.clone())
            .collect();
        self.warning_details = warnings;
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    Binary,
    Multiclass,
    Regression,
}

/// Which algorithm trained, and whose implementation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Learner {
    pub algorithm: String,
    pub engine: String,
    /// Every parameter as it was used, defaults included.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, serde_json::Value>,
}

/// How many rows went where. `read` counts the dataset, `kept` what the specification keeps of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rows {
    pub read: u64,
    pub kept: u64,
    pub train: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub validation: u64,
    pub held_out: u64,
    /// Held-out rows that equal a training row in every column that is used and in the target.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub duplicates: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// An original column that the model uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feature {
    pub name: String,
    pub kind: FeatureKind,
    /// How many columns the learner saw for it.
    pub encoded: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeatureKind {
    Number,
    Boolean,
    Date,
    Timestamp,
    Category,
}

/// A column that the model does not use, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    pub column: String,
    pub reason: String,
}

/// Scores by name (`roc_auc`, `log_loss`, `rmse`, …). A score that is undefined on these rows is left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    #[serde(flatten)]
    pub scores: BTreeMap<String, f64>,
    /// Rows are actual classes, columns predicted ones, in the order of [`Metrics::classes`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub confusion: Vec<Vec<u64>>,
}

impl Evaluation {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.scores.is_empty() && self.confusion.is_empty()
    }
}

/// The one score by which versions are compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Primary {
    pub name: String,
    pub higher_is_better: bool,
    pub held_out: f64,
    /// What a choice among versions goes by: the held-out rows are tested on, never chosen by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<f64>,
}

/// A condition on a held-out score, and its verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    pub metric: String,
    /// The least value allowed, or the greatest for a metric of which less is better.
    pub threshold: f64,
    pub higher_is_better: bool,
    pub value: f64,
    pub met: bool,
}

impl Gate {
    /// Threshold and value as texts, with `digits` decimals or as many as tell them apart: 0.99999 is less than 1.
    #[must_use]
    pub fn shown(&self, digits: usize) -> (String, String) {
        let (threshold, value) = (self.threshold, self.value);
        let texts = (digits..=17)
            .map(|digits| (format!("{threshold:.digits$}"), format!("{value:.digits$}")));
        let mut apart = texts.filter(|(left, right)| threshold == value || left != right);
        apart
            .next()
            .unwrap_or_else(|| (threshold.to_string(), value.to_string()))
    }
}

/// How much a column tells: how much the primary score suffers when its held-out values are shuffled (Breiman 2001), or
/// its share of what all splits gained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Importance {
    pub column: String,
    pub importance: f64,
}
