use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use contract::Warning;
use records::{Columns, Note, Notes, NumberFormat, Options, Reason, Rules, Skip};

use super::{DataError, Table, Type};

/// What to read of a dataset, and as what.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Types that are not inferred.
    pub types: BTreeMap<String, Type>,
    /// How the numbers of columns are written.
    pub formats: BTreeMap<String, NumberFormat>,
    /// Columns whose numbers are held in double precision, whatever they are.
    pub double: BTreeSet<String>,
    /// Columns that nothing asks for; the name of a nested object stands for all in it.
    pub skip: BTreeSet<String>,
    pub skip_rows: Skip,
    pub rules: Rules,
    /// Columns of text in which `NA` is a text like others, where nothing is inferred.
    pub na_is_text: BTreeSet<String>,
    /// Whether marks, `NA` and the precision of numbers are told by the dataset; a model knows what they are in its columns.
    pub infer: bool,
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            types: BTreeMap::new(),
            formats: BTreeMap::new(),
            double: BTreeSet::new(),
            skip: BTreeSet::new(),
            skip_rows: Skip::default(),
            rules: Rules::NEWEST,
            na_is_text: BTreeSet::new(),
            infer: true,
        }
    }
}

impl Reading {
    /// By the first rules only texts are declared: all else is inferred, and changed behind.
    fn options(self) -> Options {
        let declared = self.types.into_iter().filter_map(|(column, kind)| {
            let kind = match kind {
                Type::Category => records::Type::Text,
                _ if self.rules == Rules::One => return None,
                Type::Number => records::Type::Number,
                Type::Boolean => records::Type::Boolean,
                Type::Date | Type::Timestamp => records::Type::Time,
            };
            Some((column, kind))
        });
        Options {
            types: declared.collect(),
            formats: self.formats,
            double: self.double,
            skip: self.skip_rows,
            rules: self.rules,
            na_is_text: self.na_is_text,
            infer: self.infer,
            columns: if self.skip.is_empty() {
                Columns::All
            } else {
                Columns::Except(self.skip)
            },
            ..Options::default()
        }
    }
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
    /// What was met in columns besides their values.
    pub notes: Notes,
    /// Columns that may count the rows only, by where they stand.
    pub index: Vec<String>,
}

/// Reads the dataset at `path`.
///
/// # Errors
/// When it cannot be read, with the row and column where there is one.
pub fn read_dataset(path: &Path, reading: Reading) -> Result<Dataset, DataError> {
    let mut records = records::read(&path.to_owned(), &reading.options())?;
    refuse_unread(&records.notes)?;
    let mut dataset = Dataset {
        warnings: std::mem::take(&mut records.warnings),
        notes: std::mem::take(&mut records.notes),
        index: std::mem::take(&mut records.index),
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

/// A declared column of which no cell can be read is no such column.
fn refuse_unread(notes: &Notes) -> Result<(), DataError> {
    let is_unread =
        |note: &&Note| note.is_declared && !note.odd.is_empty() && note.odd.cells() == note.cells;
    let Some(note) = notes
        .columns()
        .iter()
        .filter(|note| note.kind != records::Type::Text)
        .find(is_unread)
    else {
        return Ok(());
    };
    let first = note.odd.first();
    Err(DataError::WrongType {
        column: note.column.clone(),
        row: first.map(|(row, _)| row),
        cell: first.map(|(_, cell)| cell.to_owned()).unwrap_or_default(),
        expected: match note.kind {
            records::Type::Number | records::Type::Text => "number",
            records::Type::Boolean => "boolean",
            records::Type::Time => "date or timestamp",
        },
    })
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
