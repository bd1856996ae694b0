//! What is predicted: which column, and what its values mean.

use std::collections::BTreeSet;

use contract::Task;
use records::Text;
use serde::{Deserialize, Serialize};

use super::coerce::written;
use super::{Cells, Column, DataError, Table, Type};
use crate::learners::Target;
use crate::specification::{Specification, SpecificationError, TaskChoice, nearest};

/// More classes than this are no classification.
const MOST_CLASSES: usize = 200;
/// A column of whole numbers with at most so many distinct ones is taken for classes.
const MOST_NUMBER_CLASSES: usize = 10;

/// Names that targets usually have, in lower case and without separators.
const USUAL_NAMES: [&str; 16] = [
    "iswon",
    "won",
    "target",
    "label",
    "labels",
    "y",
    "class",
    "outcome",
    "response",
    "churn",
    "churned",
    "converted",
    "isfraud",
    "fraud",
    "default",
    "survived",
];

/// Labels that count as positive where the specification names none, in lower case.
const POSITIVE_LABELS: [&str; 7] = ["true", "1", "yes", "y", "won", "positive", "pos"];

/// What a model predicts: all of the target that `model.json` keeps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelTarget {
    pub column: String,
    pub task: Task,
    /// Labels in the order of the probabilities; the second is the positive one of a binary classification. Empty
    /// for a regression.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
}

/// The target of a training.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetColumn {
    pub model: ModelTarget,
    pub values: TargetValues,
    /// How it came to be the target, for people.
    pub why: String,
}

/// One value a row of the table.
#[derive(Clone, Debug, PartialEq)]
pub enum TargetValues {
    /// Index of the class, or [`Text::MISSING`].
    Classes(Vec<u32>),
    /// `NaN` is missing.
    Numbers(Vec<f32>),
}

/// Why there is no target.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    #[error(transparent)]
    Specification(#[from] SpecificationError),
    #[error(transparent)]
    Data(#[from] DataError),
}

impl TargetColumn {
    /// Finds the target that the specification names, else the last boolean-like column of a usual name, else the
    /// last column of one. Only `rows` are looked at.
    ///
    /// # Errors
    /// When there is none, or `rows` hold nothing to learn from in it.
    pub fn find(
        table: &Table,
        rows: &[u32],
        specification: &Specification,
    ) -> Result<Self, TargetError> {
        let (column, why) = match &specification.target {
            Some(named) => {
                let column = table
                    .column(&named.name)
                    .ok_or_else(|| named.unknown(table.names()))?;
                (column, "named by the specification".to_owned())
            }
            None => guess(table, rows, specification)?,
        };
        let missing = || DataError::TargetMissing {
            column: column.name.clone(),
        };
        let distinct = distinct_labels(column, rows);
        if let Some(labels) = &distinct {
            match labels.as_slice() {
                [] => return Err(missing().into()),
                [only] => {
                    return Err(DataError::TargetConstant {
                        column: column.name.clone(),
                        value: only.clone(),
                    }
                    .into());
                }
                _ => {}
            }
        }
        let classification = match specification.task {
            Some(TaskChoice::Classification) => true,
            Some(TaskChoice::Regression) => false,
            None => is_classes(column, rows, distinct.as_deref()),
        };
        if classification {
            let labels = distinct.ok_or_else(|| DataError::TooManyClasses {
                column: column.name.clone(),
                classes: count_distinct(column, rows),
                most: MOST_CLASSES,
            })?;
            Ok(classes(column, labels, why, specification)?)
        } else {
            Ok(numbers(column, rows, why)?)
        }
    }

    #[must_use]
    pub fn is_missing(&self, row: u32) -> bool {
        match &self.values {
            TargetValues::Classes(codes) => codes[row as usize] == Text::MISSING,
            TargetValues::Numbers(values) => values[row as usize].is_nan(),
        }
    }

    /// The targets of `rows`, in their order; none of them missing.
    #[must_use]
    pub fn select(&self, rows: &[u32]) -> Target {
        match &self.values {
            TargetValues::Classes(codes) => Target::Classes {
                codes: rows.iter().map(|row| codes[*row as usize]).collect(),
                classes: self.model.classes.len(),
            },
            TargetValues::Numbers(values) => {
                Target::Number(rows.iter().map(|row| values[*row as usize]).collect())
            }
        }
    }
}

impl ModelTarget {
    /// Label of the class that counts as positive in a binary classification.
    #[must_use]
    pub fn positive(&self) -> Option<&str> {
        match self.task {
            Task::Binary => self.classes.get(1).map(String::as_str),
            Task::Multiclass | Task::Regression => None,
        }
    }
}

fn guess<'a>(
    table: &'a Table,
    rows: &[u32],
    specification: &Specification,
) -> Result<(&'a Column, String), DataError> {
    let usual = |column: &&Column| {
        if specification
            .drop
            .iter()
            .any(|drop| drop.covers(&column.name))
        {
            return false;
        }
        let name: String = column
            .name
            .chars()
            .filter(|letter| letter.is_alphanumeric())
            .flat_map(char::to_lowercase)
            .collect();
        USUAL_NAMES.contains(&name.as_str())
    };
    let mut candidates = table.columns.iter().rev().filter(usual);
    if let Some(column) = candidates
        .clone()
        .find(|column| is_boolean_like(column, rows))
    {
        return Ok((
            column,
            "the last column of two values with a usual target's name".to_owned(),
        ));
    }
    match candidates.next() {
        Some(column) => Ok((
            column,
            "the last column with a usual target's name".to_owned(),
        )),
        None => Err(DataError::NoTarget {
            columns: table.names().take(50).collect::<Vec<_>>().join(", "),
        }),
    }
}

fn is_boolean_like(column: &Column, rows: &[u32]) -> bool {
    match column.kind {
        Type::Boolean => true,
        Type::Date | Type::Timestamp => false,
        Type::Number => distinct_labels(column, rows).is_some_and(|labels| labels == ["0", "1"]),
        Type::Category => distinct_labels(column, rows).is_some_and(|labels| labels.len() == 2),
    }
}

fn is_classes(column: &Column, rows: &[u32], distinct: Option<&[String]>) -> bool {
    match (&column.cells, column.kind) {
        (Cells::Text(_), _) | (_, Type::Boolean) => true,
        (Cells::Numbers(values), Type::Number) => {
            distinct.is_some_and(|labels| labels.len() <= MOST_NUMBER_CLASSES)
                && rows
                    .iter()
                    .map(|row| values[*row as usize])
                    .all(|value| value.is_nan() || value.fract() == 0.0)
        }
        (Cells::Numbers(_), _) => false,
    }
}

/// Every label in `rows`: numbers in their order, texts in the alphabet's; `None` when they are too many for
/// classes.
fn distinct_labels(column: &Column, rows: &[u32]) -> Option<Vec<String>> {
    match &column.cells {
        Cells::Numbers(values) => {
            let mut found = BTreeSet::new();
            for row in rows {
                let value = values[*row as usize];
                if !value.is_nan()
                    && found.insert(ordered_bits(value))
                    && found.len() > MOST_CLASSES
                {
                    return None;
                }
            }
            Some(
                found
                    .into_iter()
                    .map(|bits| written(from_ordered_bits(bits), column.kind))
                    .collect(),
            )
        }
        Cells::Text(text) => {
            let mut seen = vec![false; text.distinct.len()];
            for row in rows {
                if let Some(seen) = seen.get_mut(text.codes[*row as usize] as usize) {
                    *seen = true;
                }
            }
            let labels: BTreeSet<&String> = text
                .distinct
                .iter()
                .zip(seen)
                .filter_map(|(label, seen)| seen.then_some(label))
                .collect();
            (labels.len() <= MOST_CLASSES).then(|| labels.into_iter().cloned().collect())
        }
    }
}

fn count_distinct(column: &Column, rows: &[u32]) -> usize {
    match &column.cells {
        Cells::Numbers(values) => {
            let mut bits: Vec<u32> = rows
                .iter()
                .map(|row| values[*row as usize])
                .filter(|value| !value.is_nan())
                .map(ordered_bits)
                .collect();
            bits.sort_unstable();
            bits.dedup();
            bits.len()
        }
        Cells::Text(text) => {
            let codes: BTreeSet<u32> = rows.iter().map(|row| text.codes[*row as usize]).collect();
            codes.len() - usize::from(codes.contains(&Text::MISSING))
        }
    }
}

/// Bits of a float that compare as the float does; both zeros have the same.
fn ordered_bits(value: f32) -> u32 {
    let bits = (value + 0.0).to_bits();
    if bits >> 31 == 1 {
        !bits
    } else {
        bits | (1 << 31)
    }
}

fn from_ordered_bits(bits: u32) -> f32 {
    f32::from_bits(if bits >> 31 == 1 {
        bits & !(1 << 31)
    } else {
        !bits
    })
}

fn classes(
    column: &Column,
    mut labels: Vec<String>,
    why: String,
    specification: &Specification,
) -> Result<TargetColumn, SpecificationError> {
    let task = if labels.len() == 2 {
        Task::Binary
    } else {
        Task::Multiclass
    };
    let positive = match &specification.positive {
        Some(wanted) => Some(
            labels
                .iter()
                .position(|label| *label == wanted.text)
                .ok_or_else(|| SpecificationError::NotAllowed {
                    line: wanted.line,
                    key: "positive".to_owned(),
                    found: format!("\"{}\"", wanted.text),
                    allowed: labels.join(", "),
                    nearest: nearest(&wanted.text, labels.iter().map(String::as_str)),
                })?,
        ),
        None => labels
            .iter()
            .position(|label| POSITIVE_LABELS.contains(&label.to_lowercase().as_str())),
    };
    if task == Task::Binary && positive == Some(0) {
        labels.swap(0, 1);
    }
    let code_of = |label: &str| {
        labels
            .iter()
            .position(|known| known == label)
            .map_or(Text::MISSING, |code| code as u32)
    };
    let codes = match &column.cells {
        Cells::Text(text) => {
            let by_text: Vec<u32> = text.distinct.iter().map(|label| code_of(label)).collect();
            text.codes
                .iter()
                .map(|code| {
                    by_text
                        .get(*code as usize)
                        .copied()
                        .unwrap_or(Text::MISSING)
                })
                .collect()
        }
        Cells::Numbers(values) => {
            // Labels come back as the floats that they were written from.
            let mut by_bits: Vec<(u32, u32)> = Vec::with_capacity(labels.len());
            for value in values.iter().filter(|value| !value.is_nan()) {
                let bits = ordered_bits(*value);
                if by_bits.len() < labels.len() && !by_bits.iter().any(|(known, _)| *known == bits)
                {
                    let code = code_of(&written(*value + 0.0, column.kind));
                    if code != Text::MISSING {
                        by_bits.push((bits, code));
                    }
                }
            }
            values
                .iter()
                .map(|value| {
                    let bits = ordered_bits(*value);
                    by_bits
                        .iter()
                        .find(|(known, _)| *known == bits)
                        .map_or(Text::MISSING, |(_, code)| *code)
                })
                .collect()
        }
    };
    Ok(TargetColumn {
        model: ModelTarget {
            column: column.name.clone(),
            task,
            classes: labels,
        },
        values: TargetValues::Classes(codes),
        why,
    })
}

fn numbers(column: &Column, rows: &[u32], why: String) -> Result<TargetColumn, DataError> {
    match &column.cells {
        Cells::Numbers(values) => Ok(TargetColumn {
            model: ModelTarget {
                column: column.name.clone(),
                task: Task::Regression,
                classes: Vec::new(),
            },
            values: TargetValues::Numbers(values.clone()),
            why,
        }),
        Cells::Text(_) => {
            let row = rows
                .iter()
                .copied()
                .find(|row| !column.is_missing(*row))
                .unwrap_or_default();
            Err(DataError::TargetNotNumeric {
                column: column.name.clone(),
                row: u64::from(row) + 1,
                cell: column.cell(row),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn table(columns: &[(&str, &[f32])]) -> Table {
        Table {
            rows: columns[0].1.len(),
            columns: columns
                .iter()
                .map(|(name, values)| Column {
                    name: (*name).to_owned(),
                    kind: Type::Number,
                    cells: Cells::Numbers(values.to_vec()),
                })
                .collect(),
        }
    }

    fn find(table: &Table, specification: &str) -> Result<TargetColumn, TargetError> {
        let rows: Vec<u32> = (0..table.rows as u32).collect();
        TargetColumn::find(table, &rows, &Specification::parse(specification).unwrap())
    }

    #[test]
    fn the_last_boolean_like_column_of_a_usual_name_is_the_target() {
        let table = table(&[
            ("label", &[0.0, 1.0, 1.0]),
            ("Is Won", &[1.0, 0.0, 0.0]),
            ("y", &[1.5, 2.5, 3.5]),
            ("other", &[0.0, 1.0, 0.0]),
        ]);
        let target = find(&table, "").unwrap();
        assert_eq!(target.model.column, "Is Won");
        assert_eq!(target.model.classes, ["0", "1"]);
        assert_eq!(target.model.task, Task::Binary);
        assert_eq!(target.values, TargetValues::Classes(vec![1, 0, 0]));
        assert!(target.why.contains("usual"), "{}", target.why);
    }

    #[test]
    fn a_usual_name_alone_is_enough_where_no_column_is_boolean_like() {
        let table = table(&[("a", &[0.0, 1.0, 0.0]), ("target", &[1.5, 2.5, 3.5])]);
        let target = find(&table, "").unwrap();
        assert_eq!(target.model.task, Task::Regression);
        assert_eq!(target.model.column, "target");
    }

    #[test]
    fn the_positive_class_comes_second() {
        let table = table(&[("y", &[0.0, 1.0, f32::NAN])]);
        let target = find(&table, "positive = 0").unwrap();
        assert_eq!(target.model.classes, ["1", "0"]);
        assert_eq!(target.model.positive(), Some("0"));
        assert_eq!(
            target.values,
            TargetValues::Classes(vec![1, 0, Text::MISSING])
        );
        assert!(target.is_missing(2));
    }

    #[test]
    fn a_task_from_the_specification_wins() {
        let table = table(&[("y", &[-2.0, 1.0, 2.0])]);
        assert_eq!(find(&table, "").unwrap().model.classes, ["-2", "1", "2"]);
        let target = find(&table, "task = \"regression\"").unwrap();
        assert_eq!(target.values, TargetValues::Numbers(vec![-2.0, 1.0, 2.0]));
    }

    #[test]
    fn a_target_that_says_nothing_is_refused() {
        let message = |values: &[f32], specification: &str| {
            find(&table(&[("y", values)]), specification)
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            message(&[f32::NAN, f32::NAN], ""),
            "the target `y` is missing in every row"
        );
        assert_eq!(message(&[4.0, 4.0], ""), "the target `y` is 4 in every row");
        let many: Vec<f32> = (0..100_000).map(|row| row as f32).collect();
        assert_eq!(
            message(&many, "task = \"classification\""),
            "the target `y` has 100000 classes, more than 200"
        );
    }
}
