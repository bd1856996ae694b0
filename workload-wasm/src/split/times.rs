//! When rows took place, as far as a split by time goes by it.

use super::hold_out::by_key;
use crate::specification::{ColumnName, SpecificationError};
use crate::table::{Cells, Column, DataError, Table, TargetError, Type};

/// Rows in the order of time: a rank for each row of the table, equal for one instant.
pub(super) struct Times {
    own: Vec<u32>,
    /// When the row's group began, where groups stay together.
    start: Option<Vec<u32>>,
}

impl Times {
    /// Of `rows`, all of which must have a time. With `groups`, the group of each row of the table, a group is as old as
    /// its oldest row.
    pub fn new(
        table: &Table,
        rows: &[u32],
        named: &ColumnName,
        groups: Option<&[u32]>,
    ) -> Result<Self, TargetError> {
        let column = table
            .column(&named.name)
            .ok_or_else(|| named.unknown(table.names()))?;
        let values = match &column.cells {
            Cells::Numbers(values) if column.kind.is_time() || column.kind == Type::Number => {
                values
            }
            _ => return Err(no_time(column, named).into()),
        };
        refuse_missing(column, rows)?;
        let own = ranks(rows, table.rows, |row| values.get(row as usize));
        let start = groups.map(|groups| starts(rows, &own, groups));
        Ok(Self { own, start })
    }

    /// When the row took place, or its group began.
    pub fn start(&self, row: u32) -> u32 {
        self.start.as_ref().unwrap_or(&self.own)[row as usize]
    }

    /// When the row took place.
    pub fn of(&self, row: u32) -> u32 {
        self.own[row as usize]
    }
}

fn no_time(column: &Column, named: &ColumnName) -> SpecificationError {
    SpecificationError::Unusable {
        line: named.line,
        key: named.key.clone(),
        reason: format!(
            "`{}` is a {}, and no date, timestamp or number (a year, a week, an epoch)",
            column.name,
            column.kind.name()
        ),
        remedy: "name such a column, or set its type in [types]".to_owned(),
    }
}

fn refuse_missing(column: &Column, rows: &[u32]) -> Result<(), DataError> {
    let missing: Vec<u64> = rows
        .iter()
        .filter(|row| column.is_missing(**row))
        .map(|row| u64::from(*row) + 1)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(DataError::TimeMissing {
        column: column.name.clone(),
        rows: missing,
    })
}

/// The rank of each of `rows` among their distinct values, by row of the table.
fn ranks(rows: &[u32], all: usize, value: impl Fn(u32) -> f64) -> Vec<u32> {
    let mut sorted = rows.to_vec();
    sorted.sort_by(|left, right| value(*left).total_cmp(&value(*right)));
    let mut ranks = vec![0; all];
    let instants = sorted.chunk_by(|left, right| value(*left) == value(*right));
    for (rank, instant) in (0..).zip(instants) {
        for row in instant {
            ranks[*row as usize] = rank;
        }
    }
    ranks
}

/// The least rank in the group of each of `rows`, by row of the table.
fn starts(rows: &[u32], own: &[u32], groups: &[u32]) -> Vec<u32> {
    let mut starts = own.to_vec();
    for group in by_key(rows.to_vec(), |row| groups[row as usize]) {
        let first = group.iter().map(|row| own[*row as usize]).min();
        for row in group {
            starts[row as usize] = first.unwrap_or_default();
        }
    }
    starts
}
