use serde::{Deserialize, Serialize};

/// Whether `model.onnx` says what the module says, row by row of `check.json`, before the model is published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Parity {
    /// It does, on every row.
    Equal {
        rows: u64,
        /// Rows whose two best classes are within the tolerance of each other: their labels may differ.
        ties: u64,
        /// Between probabilities; between predictions of a regression as a part of the larger of |prediction| and the
        /// target's standard deviation.
        largest_difference: f64,
    },
    /// It does not. The version missed a gate.
    Differs {
        rows: u64,
        ties: u64,
        /// Rows on which it does not.
        differing: u64,
        /// None when a number is missing on one side.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        largest_difference: Option<f64>,
        /// The worst of them, a sentence each.
        worst: Vec<String>,
    },
    /// There is a `model.onnx` and it could not be scored. The version missed a gate.
    Failed { reason: String },
    /// Nothing was compared.
    NotChecked { reason: String },
}

impl Parity {
    /// The largest difference of a probability, and of a prediction as [`Parity::Equal`] measures it.
    pub const TOLERANCE: f64 = 1e-5;

    /// Whether the version may be published.
    #[must_use]
    pub fn met(&self) -> bool {
        matches!(self, Self::Equal { .. } | Self::NotChecked { .. })
    }
}
