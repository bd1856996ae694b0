use serde::{Deserialize, Serialize};

use crate::CategoryCounts;

/// Something that the user should know of a run that did what it was started for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// What it is about, for programs: one word in snake case. It stays the same when the message is worded anew.
    pub kind: String,
    /// One sentence for people that stands alone: it names the column, and the key that settles it where there is one.
    pub message: String,
    /// The column that it is about, as the dataset names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
}

impl Warning {
    /// The kind of a warning whose author gave it none.
    pub const OTHER: &str = "other";

    pub fn new(kind: &str, message: impl Into<String>) -> Self {
        Self {
            kind: kind.to_owned(),
            message: message.into(),
            column: None,
        }
    }

    /// The same, about `column`.
    #[must_use]
    pub fn in_column(mut self, column: &str) -> Self {
        self.column = Some(column.to_owned());
        self
    }
}

impl std::fmt::Display for Warning {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.message)
    }
}

/// `warnings.json`: what a module has to say of the rows that one run of it predicted. The runner judges what all runs
/// left together, since a long dataset goes to the module in several.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PredictionWarnings {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<CategoryCounts>,
}

impl PredictionWarnings {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.warnings.is_empty() && self.categories.is_empty()
    }
}
