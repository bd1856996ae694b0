//! Rows to keep.

use records::Text;

use super::coerce::read_text;
use super::{Cells, Column, Table, Type};
use crate::specification::{Comparison, Condition, SpecificationError, Test, nearest};

/// The rows that meet all conditions, in their order.
///
/// # Errors
/// When a condition names no column of the table, or compares it with what its type cannot hold.
pub fn kept_rows(table: &Table, conditions: &[Condition]) -> Result<Vec<u32>, SpecificationError> {
    let mut rows: Vec<u32> = (0..table.rows as u32).collect();
    for condition in conditions {
        let column =
            table
                .column(&condition.column)
                .ok_or_else(|| SpecificationError::UnknownColumn {
                    line: condition.line,
                    key: "keep".to_owned(),
                    column: condition.column.clone(),
                    nearest: nearest(&condition.column, table.names()),
                })?;
        match &condition.test {
            Test::Missing => rows.retain(|row| column.is_missing(*row)),
            Test::Present => rows.retain(|row| !column.is_missing(*row)),
            Test::Compare(comparison, value) => match &column.cells {
                Cells::Numbers(numbers) => {
                    let mut bound = bound(condition, column, value)?;
                    if column.kind == Type::Number {
                        bound = numbers.nearest(bound);
                    }
                    rows.retain(|row| {
                        let number = numbers.get(*row as usize);
                        !number.is_nan() && comparison.holds(&number, &bound)
                    });
                }
                Cells::Text(text) => keep_text(&mut rows, condition, *comparison, text, value)?,
            },
        }
    }
    Ok(rows)
}

fn bound(condition: &Condition, column: &Column, value: &str) -> Result<f64, SpecificationError> {
    let only_equal = column.kind == Type::Boolean
        && matches!(
            &condition.test,
            Test::Compare(comparison, _)
                if !matches!(comparison, Comparison::Equal | Comparison::NotEqual)
        );
    match read_text(value, column.kind) {
        Some(bound) if !only_equal => Ok(bound),
        _ => Err(SpecificationError::Condition {
            line: condition.line,
            condition: condition.text.clone(),
            reason: if only_equal {
                "orders booleans: only = and != compare them".to_owned()
            } else {
                format!("compares a {} with `{value}`", column.kind.name())
            },
        }),
    }
}

fn keep_text(
    rows: &mut Vec<u32>,
    condition: &Condition,
    comparison: Comparison,
    text: &Text,
    value: &str,
) -> Result<(), SpecificationError> {
    if !matches!(comparison, Comparison::Equal | Comparison::NotEqual) {
        return Err(SpecificationError::Condition {
            line: condition.line,
            condition: condition.text.clone(),
            reason: "orders categories: only = and != compare them".to_owned(),
        });
    }
    let wanted = text.distinct.iter().position(|known| known == value);
    rows.retain(|row| {
        let code = text.codes[*row as usize];
        code != Text::MISSING
            && (wanted == Some(code as usize)) == (comparison == Comparison::Equal)
    });
    Ok(())
}

impl Comparison {
    fn holds<T: PartialOrd>(self, left: &T, right: &T) -> bool {
        match self {
            Comparison::Equal => left == right,
            Comparison::NotEqual => left != right,
            Comparison::Less => left < right,
            Comparison::LessOrEqual => left <= right,
            Comparison::Greater => left > right,
            Comparison::GreaterOrEqual => left >= right,
        }
    }
}
