//! Which column is the target, and whether it is classes, where the specification does not say.

use super::labels::distinct_labels;
use super::spellings::unify;
use crate::specification::Specification;
use crate::table::{Cells, Column, DataError, Table, Type};

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

/// The last boolean-like column of a usual name, else the last column of one; and why.
pub(super) fn guess<'a>(
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
        Type::Category => {
            let unified = unify(column, rows);
            let column = unified.as_ref().map_or(column, |unified| &unified.column);
            distinct_labels(column, rows).is_some_and(|labels| labels.len() == 2)
        }
    }
}

/// Whether the column's values are classes rather than amounts.
pub(super) fn is_classes(column: &Column, rows: &[u32], distinct: Option<&[String]>) -> bool {
    match (&column.cells, column.kind) {
        (Cells::Text(_), _) | (_, Type::Boolean) => true,
        (Cells::Numbers(values), Type::Number) => {
            distinct.is_some_and(|labels| labels.len() <= MOST_NUMBER_CLASSES)
                && rows
                    .iter()
                    .map(|row| values.get(*row as usize))
                    .all(|value| value.is_nan() || value.fract() == 0.0)
        }
        (Cells::Numbers(_), _) => false,
    }
}
