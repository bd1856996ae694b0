use serde::{Deserialize, Serialize};

/// `check.json`: up to 1,000 held-out rows, raw, column by column, with what the model says of them.
///
/// The runner's parity gate reads it; manifest and store never hold it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// The raw input columns that the model reads, all of one length.
    pub columns: Vec<CheckColumn>,
    /// Predicted class of each row; empty for a regression.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Probability of each class, rows x classes; empty for a regression.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub probabilities: Vec<Vec<f32>>,
    /// Predicted value of each row; empty for a classification.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub predictions: Vec<f64>,
}

/// One raw column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckColumn {
    pub name: String,
    pub values: CheckValues,
}

/// Values as a scorer takes them: numbers (dates as days since 1970) or text, `null` for missing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckValues {
    Number(Vec<Option<f64>>),
    Text(Vec<Option<String>>),
}
