use std::collections::BTreeSet;
use std::path::Path;

use contract::Warning;
use records::{Columns, Options, Reason};

use super::{DataError, Table};

/// What to read of a dataset, and as what.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// Columns of text, whatever their cells look like.
    pub text: BTreeSet<String>,
    /// Columns that nothing asks for; the name of a nested object stands for all in it.
    pub skip: BTreeSet<String>,
}

/// A dataset that was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dataset {
    pub table: Table,
    /// Columns that were skipped as asked.
    pub skipped: Vec<String>,
    /// Columns that hold no cells, and what they hold.
    pub unreadable: Vec<(String, String)>,
    /// What the user should know, a sentence each.
    pub warnings: Vec<Warning>,
}

/// Reads the dataset at `path`.
///
/// # Errors
/// When it cannot be read, with the row and column where there is one.
pub fn read_dataset(path: &Path, reading: Reading) -> Result<Dataset, DataError> {
    let options = Options {
        types: reading
            .text
            .into_iter()
            .map(|column| (column, records::Type::Text))
            .collect(),
        columns: if reading.skip.is_empty() {
            Columns::All
        } else {
            Columns::Except(reading.skip)
        },
        ..Options::default()
    };
    let mut records = records::read(&path.to_owned(), &options)?;
    let mut dataset = Dataset {
        warnings: std::mem::take(&mut records.warnings),
        ..Dataset::default()
    };
    for column in std::mem::take(&mut records.left_out) {
        match column.reason {
            Reason::Requested => dataset.skipped.push(column.name),
            Reason::Array | Reason::Bytes => dataset
                .unreadable
                .push((column.name, column.reason.to_string())),
        }
    }
    let (table, notes) = Table::from_records(records);
    dataset.table = table;
    dataset.warnings.extend(notes);
    Ok(dataset)
}

impl Dataset {
    /// Every column of the source, read or not.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let unread = self.unreadable.iter().map(|(column, _)| column);
        self.table
            .names()
            .chain(self.skipped.iter().chain(unread).map(String::as_str))
    }
}
