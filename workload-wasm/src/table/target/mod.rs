//! What is predicted: which column, and what its values mean.

mod guess;
mod labels;
mod spellings;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use contract::{Task, Warning};
use records::{Floats, Text};
use serde::{Deserialize, Serialize};

use guess::{guess, is_classes};
use labels::{MOST_CLASSES, count_distinct, distinct_labels, ordered_bits};
use spellings::unify;

use super::coerce::written;
use super::{Cells, Column, DataError, Table};
use crate::features::offset;
use crate::learners::Target;
use crate::specification::{Specification, SpecificationError, TaskChoice, nearest};

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
    /// Of a regression whose numbers single precision would merge: what the model's numbers are counted from. It is added in
    /// double precision to what the model says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<f64>,
    /// The class of each further spelling that the training rows had.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub spellings: BTreeMap<String, String>,
}

/// The target of a training.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetColumn {
    pub model: ModelTarget,
    pub values: TargetValues,
    /// How it came to be the target, for people.
    pub why: String,
    /// About its labels.
    pub warnings: Vec<Warning>,
}

/// One value a row of the table.
#[derive(Clone, Debug, PartialEq)]
pub enum TargetValues {
    /// Index of the class, or [`Text::MISSING`].
    Classes(Vec<u32>),
    /// `NaN` is missing.
    Numbers(Floats),
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
        let unified = unify(column, rows);
        let column = unified.as_ref().map_or(column, |unified| &unified.column);
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
            let mut target = classes(column, labels, why, specification)?;
            if let Some(unified) = unified {
                target.model.spellings = unified.joined;
                target.warnings = unified.warnings;
            }
            Ok(target)
        } else {
            Ok(numbers(column, rows, why)?)
        }
    }

    #[must_use]
    pub fn is_missing(&self, row: u32) -> bool {
        match &self.values {
            TargetValues::Classes(codes) => codes[row as usize] == Text::MISSING,
            TargetValues::Numbers(values) => values.get(row as usize).is_nan(),
        }
    }

    /// Counts the numbers of a regression from an offset, where those of `train` need one.
    pub fn center(&mut self, train: &[u32]) {
        if let TargetValues::Numbers(values) = &self.values {
            self.model.offset = offset(values, train, false);
        }
    }

    /// The targets of `rows`, in their order and without the offset; none of them missing.
    #[must_use]
    pub fn select(&self, rows: &[u32]) -> Target {
        match &self.values {
            TargetValues::Classes(codes) => Target::Classes {
                codes: rows.iter().map(|row| codes[*row as usize]).collect(),
                classes: self.model.classes.len(),
            },
            TargetValues::Numbers(values) => {
                let offset = self.model.offset.unwrap_or(0.0);
                let number = |row: &u32| (values.get(*row as usize) - offset) as f32;
                Target::Number(rows.iter().map(number).collect())
            }
        }
    }
}

impl ModelTarget {
    /// A prediction as it is meant, in the target's own precision.
    #[must_use]
    pub fn number(&self, said: f32) -> f64 {
        self.offset.unwrap_or(0.0) + f64::from(said)
    }

    /// The same as a person would write it.
    #[must_use]
    pub fn written(&self, said: f32) -> String {
        match self.offset {
            Some(_) => self.number(said).to_string(),
            None => said.to_string(),
        }
    }

    /// Label of the class that counts as positive in a binary classification.
    #[must_use]
    pub fn positive(&self) -> Option<&str> {
        match self.task {
            Task::Binary => self.classes.get(1).map(String::as_str),
            Task::Multiclass | Task::Regression => None,
        }
    }
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
            let mut by_bits: Vec<(u64, u32)> = Vec::with_capacity(labels.len());
            for value in values.iter().filter(|value| !value.is_nan()) {
                let bits = ordered_bits(value);
                if by_bits.len() < labels.len() && !by_bits.iter().any(|(known, _)| *known == bits)
                {
                    let code = code_of(&written(values, value + 0.0, column.kind));
                    if code != Text::MISSING {
                        by_bits.push((bits, code));
                    }
                }
            }
            values
                .iter()
                .map(|value| {
                    let bits = ordered_bits(value);
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
            offset: None,
            spellings: BTreeMap::new(),
        },
        values: TargetValues::Classes(codes),
        why,
        warnings: Vec::new(),
    })
}

fn numbers(column: &Column, rows: &[u32], why: String) -> Result<TargetColumn, DataError> {
    match &column.cells {
        Cells::Numbers(values) => Ok(TargetColumn {
            model: ModelTarget {
                column: column.name.clone(),
                task: Task::Regression,
                classes: Vec::new(),
                offset: None,
                spellings: BTreeMap::new(),
            },
            values: TargetValues::Numbers(values.clone()),
            why,
            warnings: Vec::new(),
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
