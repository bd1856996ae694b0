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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    /// Every kind that some source raises.
    fn raised(folder: &Path, kinds: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                raised(&path, kinds);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                // What stands behind the first test is raised by tests alone.
                let text = text.split("#[cfg(test)]").next().unwrap_or_default();
                let raised = text.split("Warning::new(").skip(1);
                let named = raised.filter_map(|rest| rest.trim_start().strip_prefix('"'));
                kinds.extend(named.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
            }
        }
    }

    #[test]
    fn the_contract_names_every_kind() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let docs = std::fs::read_to_string(root.join("docs/contract.md")).unwrap();
        let mut kinds = BTreeSet::new();
        for sources in [
            "contract/src",
            "records/src",
            "workload-wasm/src",
            "runner/src",
        ] {
            raised(&root.join(sources), &mut kinds);
        }
        assert!(kinds.len() > 10, "{kinds:?}");
        for kind in kinds {
            let is_word = |each: char| each.is_ascii_lowercase() || each == '_';
            assert!(kind.chars().all(is_word), "{kind}");
            assert!(
                docs.contains(&format!("`{kind}`")),
                "{kind} is not in docs/contract.md"
            );
        }
    }
}
