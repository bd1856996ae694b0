//! The columns while a source is read.

use std::collections::HashSet;

use crate::builder::{Builder, Finished};
use crate::cell::Cell;
use crate::column::{Column, LeftOut, Reason, Records};
use crate::error::{Problem, ReadError};
use crate::format::Format;
use crate::options::Options;
use crate::room::Room;

pub(crate) struct Table<'o> {
    pub columns: Vec<Builder>,
    names: HashSet<String>,
    /// Rows that are complete.
    pub rows: usize,
    pub room: Room,
    /// Columns that stand where an index does.
    pub index: Vec<String>,
    options: &'o Options,
    /// Rows of the first pass over the source.
    expected_rows: Option<usize>,
}

impl<'o> Table<'o> {
    pub fn new(options: &'o Options) -> Self {
        Table {
            columns: Vec::new(),
            names: HashSet::new(),
            rows: 0,
            room: Room::default(),
            index: Vec::new(),
            options,
            expected_rows: None,
        }
    }

    /// Adds a column, missing in the rows so far, and gives its index.
    pub fn add_column(&mut self, name: String) -> Result<usize, ReadError> {
        let limit = self.options.max_columns;
        if self.columns.len() == limit {
            return Err(self.here(Problem::TooManyColumns { limit }.into()));
        }
        if !self.names.insert(name.clone()) {
            return Err(ReadError::from(Problem::DuplicateColumn).in_column(&name));
        }
        self.columns.push(Builder::new(name, self.options));
        Ok(self.columns.len() - 1)
    }

    /// Whether the current row is missing in every column.
    #[inline]
    pub fn skips_row(&self) -> bool {
        !self.options.skip.is_empty() && self.options.skip.holds(self.rows as u64)
    }

    /// Takes a row that is missing in every column.
    pub fn push_missing_row(&mut self) -> Result<(), ReadError> {
        self.rows += 1;
        self.pad()
    }

    /// Takes a cell of the current row.
    pub fn push(&mut self, column: usize, cell: Cell<'_>) -> Result<(), ReadError> {
        let Table {
            columns,
            rows,
            room,
            ..
        } = self;
        columns[column]
            .push(*rows, cell, *room)
            .map_err(|problem| self.in_cell(column, problem))
    }

    /// `problem` in the current row and in `column`.
    #[cold]
    pub fn in_cell(&self, column: usize, problem: Problem) -> ReadError {
        self.here(ReadError::from(problem).in_column(&self.columns[column].name))
    }

    /// `error` in the current row.
    #[cold]
    pub fn here(&self, error: ReadError) -> ReadError {
        error.at_row(self.rows + 1)
    }

    /// Drops the cells of a row that is not complete.
    pub fn drop_partial_row(&mut self) {
        for column in &mut self.columns {
            column.truncate(self.rows);
        }
    }

    /// Learns how many rows to expect.
    pub fn expect_rows(&mut self, read: u64, size: Option<u64>) {
        self.room = Room::after(self.rows, read, size);
    }

    /// Expects so many rows.
    pub fn expect(&mut self, rows: usize) {
        self.room = Room::of(rows);
    }

    /// At the end of the first block: whether to start over with what it showed of the columns' types.
    pub fn reconsider(&mut self) -> bool {
        let mut changed = false;
        for column in &mut self.columns {
            changed |= column.reconsider();
        }
        changed
    }

    /// At the end of a pass: judges what was read.
    pub fn settle(&mut self) {
        self.columns.iter_mut().for_each(Builder::settle);
    }

    pub fn has_mixed_columns(&self) -> bool {
        self.columns.iter().any(Builder::is_mixed)
    }

    /// Forgets all rows; columns in which several types were met are text from now on.
    pub fn restart(&mut self) {
        self.rows = 0;
        self.columns.iter_mut().for_each(Builder::restart);
    }

    /// Keeps all columns but those that are read again: as text where several types were met, or in double precision.
    pub fn read_again(&mut self) -> Result<(), ReadError> {
        self.pad()?;
        if self.expected_rows.is_some_and(|rows| rows != self.rows) {
            return Err(Problem::Changed.into());
        }
        self.expected_rows = Some(self.rows);
        self.room = Room::after(self.rows, 1, Some(1));
        self.rows = 0;
        self.columns.iter_mut().for_each(Builder::read_again);
        Ok(())
    }

    fn pad(&mut self) -> Result<(), ReadError> {
        let Table {
            columns,
            rows,
            room,
            ..
        } = self;
        for column in columns {
            column
                .pad(*rows, *room)
                .map_err(|problem| ReadError::from(problem).in_column(&column.name))?;
        }
        Ok(())
    }

    pub fn finish(mut self, format: Format) -> Result<Records, ReadError> {
        if self.rows == 0 {
            return Err(Problem::NoRows(format).into());
        }
        if self.expected_rows.is_some_and(|rows| rows != self.rows) {
            return Err(Problem::Changed.into());
        }
        self.pad()?;
        self.drop_null_objects();
        let mut records = Records {
            rows: self.rows,
            format,
            index: self.index,
            ..Records::default()
        };
        for column in self.columns {
            let Finished { name, values, note } = column.finish()?;
            match values {
                Ok(values) => records.columns.push(Column { name, values }),
                Err(reason) => records.left_out.push(LeftOut { name, reason }),
            }
            records.notes.add(note);
        }
        if records.columns.is_empty()
            && records
                .left_out
                .iter()
                .all(|column| column.reason != Reason::Requested)
        {
            return Err(Problem::NoColumns.into());
        }
        Ok(records)
    }

    /// A nested object that is null in some rows is no column beside the columns of what is in it.
    fn drop_null_objects(&mut self) {
        let mut parents: Vec<String> = Vec::new();
        for column in &self.columns {
            for (dot, _) in column.name.match_indices('.') {
                parents.push(column.name[..dot].to_owned());
            }
        }
        parents.sort_unstable();
        parents.dedup();
        self.columns.retain(|column| {
            !(column.is_undecided() && parents.binary_search(&column.name).is_ok())
        });
    }
}
