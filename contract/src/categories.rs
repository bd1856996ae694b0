use serde::{Deserialize, Serialize};

use crate::Warning;

/// A share of unknown values that is larger than training's by this is warned of.
const MARGIN: f64 = 0.2;
/// Fewer values than this, all of them unknown, may be chance.
const LEAST_VALUES: u64 = 20;
/// Values that a message shows.
const MAX_SHOWN: usize = 3;
/// Values that are kept for it: one more tells that there are others.
const MAX_EXAMPLES: usize = MAX_SHOWN + 1;
/// Characters that a message shows of a value.
const MAX_VALUE: usize = 40;

/// What a model knows of the values of a column of categories.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KnownCategories {
    pub values: Vec<String>,
    /// Further values of the training rows, spelled like one of [`KnownCategories::values`] but for case, Unicode form or
    /// the form of a number. They are none of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub apart: Vec<String>,
    /// Share of values that are none of them, among rows that the model was not fitted on.
    pub unknown: f64,
}

/// How many values of a column of categories are none that training knows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CategoryCounts {
    pub column: String,
    /// Cells that are not missing.
    pub values: u64,
    /// Those of them that are none of the model's categories.
    pub unknown: u64,
    /// The share of unknown values that is to be expected: [`KnownCategories::unknown`].
    pub expected: f64,
    /// Some of the unknown values, in the order of the rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<String>,
    /// Some of the model's categories.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known: Vec<String>,
}

/// What the counts of a whole dataset say of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum CategoryVerdict {
    /// As in training.
    Expected,
    /// Far more values are unknown than in training.
    Unusual(Warning),
    /// None is known: it is not the column that the model was trained on. Why, and what to do.
    NoneKnown(String),
}

impl CategoryCounts {
    #[must_use]
    pub fn new(column: &str, known: &KnownCategories) -> Self {
        Self {
            column: column.to_owned(),
            expected: known.unknown,
            known: known.values.iter().take(MAX_EXAMPLES).cloned().collect(),
            ..Self::default()
        }
    }

    /// Counts a value that `count` cells hold.
    pub fn add(&mut self, value: &str, is_known: bool, count: u64) {
        self.values += count;
        if !is_known {
            self.unknown += count;
            self.example(value);
        }
    }

    fn example(&mut self, value: &str) {
        if self.examples.len() < MAX_EXAMPLES && self.examples.iter().all(|known| known != value) {
            self.examples.push(value.to_owned());
        }
    }

    /// Adds the counts of further rows.
    pub fn merge(&mut self, later: &Self) {
        self.values = self.values.saturating_add(later.values);
        self.unknown = self.unknown.saturating_add(later.unknown);
        for value in &later.examples {
            self.example(value);
        }
    }

    /// Judges the counts of all rows.
    #[must_use]
    pub fn verdict(&self) -> CategoryVerdict {
        let share = self.unknown as f64 / self.values.max(1) as f64;
        // Counts are whole: a share of just the margin is at it, however it is rounded.
        if share + 1e-9 < self.expected + MARGIN {
            return CategoryVerdict::Expected;
        }
        let column = &self.column;
        let (examples, known) = (listed(&self.examples), listed(&self.known));
        if self.unknown >= self.values && self.values >= LEAST_VALUES {
            return CategoryVerdict::NoneKnown(format!(
                "column `{column}`: none of its {} values is known from training; it holds {examples}, and the model knows {known}: give the column that the model was trained on, spelled as it was then",
                self.values
            ));
        }
        let message = format!(
            "{column}: {} of {} values ({:.0} %) are not known from training, where it was {:.0} %; it holds {examples}, and the model knows {known}",
            self.unknown,
            self.values,
            share * 100.0,
            self.expected * 100.0
        );
        CategoryVerdict::Unusual(Warning::new("unknown_categories", message).in_column(column))
    }
}

/// `a`, `b`, …
fn listed(values: &[String]) -> String {
    let shown = values.iter().take(MAX_SHOWN).map(|value| {
        let mut chars = value.chars();
        let start: String = chars.by_ref().take(MAX_VALUE).collect();
        let end = if chars.next().is_some() { "…" } else { "" };
        format!("`{start}{end}`")
    });
    let mut shown: Vec<String> = shown.collect();
    if values.len() > MAX_SHOWN {
        shown.push("…".to_owned());
    }
    if shown.is_empty() {
        "none".to_owned()
    } else {
        shown.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(values: u64, unknown: u64, expected: f64) -> CategoryVerdict {
        let known = KnownCategories {
            values: ["a", "b"].map(str::to_owned).to_vec(),
            apart: Vec::new(),
            unknown: expected,
        };
        let mut counts = CategoryCounts::new("shop", &known);
        counts.add("a", true, values - unknown);
        for value in ["x", "y", "x", "z", "w"] {
            counts.add(value, false, 0);
        }
        counts.unknown = unknown;
        counts.values = values;
        counts.verdict()
    }

    #[test]
    fn a_share_of_twenty_points_above_training_is_warned_of() {
        assert_eq!(verdict(100, 29, 0.1), CategoryVerdict::Expected);
        let CategoryVerdict::Unusual(warning) = verdict(100, 30, 0.1) else {
            unreachable!("30 is 20 points above 10")
        };
        assert_eq!(
            warning.message,
            "shop: 30 of 100 values (30 %) are not known from training, where it was 10 %; it holds `x`, `y`, `z`, …, and the model knows `a`, `b`"
        );
        assert_eq!(warning.column.as_deref(), Some("shop"));
        assert_eq!(verdict(0, 0, 0.0), CategoryVerdict::Expected);
    }

    #[test]
    fn a_column_of_which_nothing_is_known_is_refused_from_twenty_values_on() {
        assert!(matches!(
            verdict(20, 20, 0.0),
            CategoryVerdict::NoneKnown(_)
        ));
        assert!(matches!(verdict(19, 19, 0.0), CategoryVerdict::Unusual(_)));
        assert!(matches!(verdict(20, 19, 0.0), CategoryVerdict::Unusual(_)));
        // Where most values were unknown in training, too, it says nothing.
        assert_eq!(verdict(20, 20, 0.85), CategoryVerdict::Expected);
    }

    #[test]
    fn blocks_of_rows_are_judged_as_one() {
        let of = |unknown: u64, example: &str| CategoryCounts {
            column: "shop".to_owned(),
            values: 20,
            unknown,
            examples: vec![example.to_owned()],
            ..CategoryCounts::default()
        };
        assert!(matches!(
            of(20, "x").verdict(),
            CategoryVerdict::NoneKnown(_)
        ));
        let mut all = of(20, "x");
        all.merge(&of(1, "y"));
        all.merge(&of(0, "x"));
        all.merge(&of(0, "z"));
        all.merge(&of(0, "w"));
        assert_eq!((all.values, all.unknown), (100, 21));
        assert_eq!(all.examples, ["x", "y", "z", "w"]);
        assert!(matches!(all.verdict(), CategoryVerdict::Unusual(_)));
    }
}
