//! Parquet: read from its end, then a column of a row group at a time, of which a page is in memory.
//!
//! Source: <https://parquet.apache.org/docs/file-format/>

mod budget;
mod cells;
mod codec;
mod delta;
mod fault;
mod file;
mod footer;
mod hybrid;
mod pages;
mod schema;
mod thrift;
mod values;

use crate::builder::{Builder, Cells};
use crate::cell::{Cell, Exact};
use crate::column::{Reason, Records};
use crate::error::{Problem, ReadError};
use crate::format::{Format, Kind};
use crate::input::Input;
use crate::options::{Options, Skip};
use crate::room::Room;
use crate::rules::Rules;
use crate::source::Source;
use crate::table::Table;
use budget::Budget;
use cells::Form;
use fault::Fault;
use file::File;
use footer::{Chunk, Footer, Group};
use hybrid::Hybrid;
use pages::{Page, Pages};
use schema::{Leaf, Reading};
use values::{Dictionary, Values};

/// Reads the Parquet file that `input` is the beginning of.
///
/// A column of text in which dates, numbers and other text are met is read once more, as text; one of numbers that single
/// precision may merge, in double precision.
pub(crate) fn read(
    input: Input<'_>,
    source: &dyn Source,
    options: &Options,
) -> Result<Records, ReadError> {
    let format = Format {
        kind: Kind::Parquet,
        gzip: input.is_gzip(),
    };
    let mut file = File::open(input, source)?;
    let whole = |fault: Fault| ReadError::from(fault.problem(None));
    let footer = Footer::parse(&file.footer()?).map_err(whole)?;
    let mut leaves = schema::leaves(&footer.schema).map_err(whole)?;
    if options.rules >= Rules::Two {
        find_durations(&mut leaves, &footer);
    }
    let mut table = Table::new(options);
    let columns = add_columns(&leaves, &mut table)?;
    table.index.clone_from(&footer.index);
    let mut reader = Reader {
        file,
        footer,
        leaves,
        columns,
        budget: Budget::of(options),
        options,
    };
    loop {
        reader.pass(&mut table)?;
        table.settle();
        if !table.has_mixed_columns() {
            let mut records = table.finish(format)?;
            records.warnings = records.notes.warnings();
            return Ok(records);
        }
        table.read_again()?;
    }
}

/// Takes whole numbers for durations where pandas says that they are.
fn find_durations(leaves: &mut [Leaf], footer: &Footer) {
    for leaf in leaves {
        let mut durations = footer.durations.iter();
        if leaf.reading == (Reading::Integer { signed: true })
            && let Some((_, unit)) = durations.find(|(name, _)| *name == leaf.name)
        {
            leaf.reading = Reading::Duration(*unit);
        }
    }
}

/// How many rows a file says that it has.
pub(crate) fn rows(bytes: &[u8]) -> Result<usize, ReadError> {
    let whole = |fault: Fault| ReadError::from(fault.problem(None));
    let footer = Footer::parse(&File::of(bytes)?.footer()?).map_err(whole)?;
    let mut rows = 0;
    for (group, of) in footer.groups.iter().enumerate() {
        rows = add(rows, rows_of(of, group)?)?;
    }
    Ok(rows)
}

fn rows_of(group: &Group, index: usize) -> Result<u64, ReadError> {
    u64::try_from(group.rows).map_err(|_| {
        let fault = Fault::Damaged("a row group has fewer than no rows");
        fault.problem(Some(index + 1)).into()
    })
}

fn add(rows: usize, more: u64) -> Result<usize, Problem> {
    let more = usize::try_from(more).ok();
    more.and_then(|more| rows.checked_add(more))
        .ok_or(Problem::OutOfMemory)
}

/// The index of each leaf's column.
fn add_columns(leaves: &[Leaf], table: &mut Table<'_>) -> Result<Vec<usize>, ReadError> {
    let mut columns: Vec<usize> = Vec::new();
    for (index, leaf) in leaves.iter().enumerate() {
        // All that is in one list or map is one column.
        let before = index
            .checked_sub(1)
            .map(|before| (&leaves[before], columns[before]));
        if let Some((last, column)) = before
            && leaf.reading == Reading::Array
            && last.reading == Reading::Array
            && last.name == leaf.name
        {
            columns.push(column);
            continue;
        }
        let name = match leaf.name.as_str() {
            "" => format!("column_{}", index + 1),
            name => name.to_owned(),
        };
        let column = table.add_column(name)?;
        match leaf.reading {
            Reading::Array => table.columns[column].leave_out(Reason::Array),
            Reading::Bytes => table.columns[column].leave_out(Reason::Bytes),
            // The file has types of its own: a text of digits was meant to be one.
            _ => table.columns[column].keep_text(),
        }
        columns.push(column);
    }
    Ok(columns)
}

struct Reader<'s, 'o> {
    file: File<'s>,
    footer: Footer,
    leaves: Vec<Leaf>,
    columns: Vec<usize>,
    budget: Budget,
    options: &'o Options,
}

/// The rows of a row group.
#[derive(Clone, Copy)]
struct Rows {
    first: usize,
    end: usize,
}

impl Reader<'_, '_> {
    /// Reads all columns that are still to be read.
    fn pass(&mut self, table: &mut Table<'_>) -> Result<(), ReadError> {
        let rows = self.rows(table)?;
        table.expect(rows.last().map_or(0, |rows| rows.end));
        for (group, rows) in rows.iter().enumerate() {
            if self.footer.groups[group].chunks.len() != self.leaves.len() {
                let fault = Fault::Damaged("a row group has another number of columns");
                return Err(fault.problem(Some(group + 1)).into());
            }
            for leaf in 0..self.leaves.len() {
                let column = &mut table.columns[self.columns[leaf]];
                if column.is_read() {
                    self.chunk(group, leaf, *rows, column, table.room)
                        .map_err(|error| error.in_column(&column.name))?;
                }
            }
        }
        table.rows = rows.last().map_or(0, |rows| rows.end);
        Ok(())
    }

    /// Which rows each group has. What they take as columns counts as given: a few bytes may stand for any number.
    fn rows(&mut self, table: &Table<'_>) -> Result<Vec<Rows>, ReadError> {
        let columns = table.columns.iter().filter(|column| column.is_read());
        let bytes_of_row = 4 * columns.count() as u64;
        self.budget = Budget::of(self.options);
        let mut rows = Vec::new();
        let mut first = 0_usize;
        for (group, of) in self.footer.groups.iter().enumerate() {
            let count = rows_of(of, group)?;
            self.budget.take(count.saturating_mul(bytes_of_row))?;
            let end = add(first, count)?;
            rows.push(Rows { first, end });
            first = end;
        }
        Ok(rows)
    }

    /// Reads a column of a row group.
    fn chunk(
        &mut self,
        group: usize,
        leaf: usize,
        rows: Rows,
        column: &mut Builder,
        room: Room,
    ) -> Result<(), ReadError> {
        let in_group = |fault: Fault| ReadError::from(fault.problem(Some(group + 1)));
        let chunk = self.footer.groups[group].chunks[leaf];
        let leaf = &self.leaves[leaf];
        check_chunk(&chunk, leaf).map_err(in_group)?;
        let budget = &mut self.budget;
        let mut pages = Pages::new(&mut self.file, &chunk).map_err(in_group)?;
        let mut dictionary = None;
        let mut row = rows.first;
        // Columns in which several types were met are read again as a whole.
        while row < rows.end && column.is_read() {
            let missing = Fault::Damaged("a column has fewer values than rows");
            let page = pages.next(budget).and_then(|page| page.ok_or(missing));
            let page = page.map_err(in_group)?;
            if page.is_dictionary {
                let values = Dictionary::new(leaf.physical, page.bytes, page.values);
                dictionary = Some(values.map_err(in_group)?);
                continue;
            }
            if page.values > rows.end - row {
                return Err(in_group(Fault::Damaged(
                    "a column has more values than rows",
                )));
            }
            let reading = PageReading {
                leaf,
                dictionary: dictionary.as_ref(),
                longest: self.options.max_row_bytes,
                skip: &self.options.skip,
                rules: self.options.rules,
                room,
            };
            let read = reading.read(&page, row, column, budget);
            read.map_err(|(fault, at)| in_group(fault).at_row(at + 1))?;
            row += page.values;
        }
        Ok(())
    }
}

fn check_chunk(chunk: &Chunk, leaf: &Leaf) -> Result<(), Fault> {
    if chunk.encrypted {
        return Err(Problem::Encrypted.into());
    }
    if chunk.elsewhere {
        return Err(Fault::Damaged("a column is in another file"));
    }
    if chunk.physical != leaf.physical.code() {
        return Err(Fault::Damaged("a column is of two types"));
    }
    Ok(())
}

/// How the pages of a column in a row group are read.
struct PageReading<'r> {
    leaf: &'r Leaf,
    dictionary: Option<&'r Dictionary>,
    /// The longest text, in bytes.
    longest: usize,
    skip: &'r Skip,
    rules: Rules,
    room: Room,
}

impl PageReading<'_> {
    /// Takes the values of `page` into `column` from `row` on; or tells what is wrong, and in which row.
    fn read(
        &self,
        page: &Page,
        row: usize,
        column: &mut Builder,
        budget: &mut Budget,
    ) -> Result<(), (Fault, usize)> {
        let at_first = |fault| (fault, row);
        let (mut levels, bytes) = self.levels(page).map_err(at_first)?;
        let physical = self.leaf.physical;
        let mut values = Values::new(page.encoding, physical, bytes, page.values, self.dictionary)
            .map_err(at_first)?;
        // The first rules have times of day as text.
        let is_text =
            self.rules == Rules::One && matches!(self.leaf.reading, Reading::TimeOfDay(_));
        let form = if is_text || column.is_read_as_other_than(self.leaf.reading.natural_type()) {
            Form::Written
        } else if column.is_in_double() {
            Form::Double
        } else {
            Form::Single
        };
        let mut text = Vec::new();
        for row in row..row + page.values {
            let at_row = |fault| (fault, row);
            if let Some(levels) = &mut levels {
                let level = levels.next().map_err(at_row)?;
                if level > self.leaf.most_defined {
                    return Err((Fault::Damaged("a level is too high"), row));
                }
                if level < self.leaf.most_defined {
                    continue;
                }
            }
            let value = values.next().map_err(at_row)?;
            if !self.skip.is_empty() && self.skip.holds(row as u64) {
                continue;
            }
            let cell = cells::cell(self.leaf, value, form, &mut text).map_err(at_row)?;
            if let Cell::Exact(Exact::Number(value)) = cell
                && let Cells::Number(numbers) = &mut column.cells
                && numbers.is_at(row)
                && value.is_finite()
            {
                let pushed = numbers.push(value, self.room);
                pushed.map_err(|problem| (problem.into(), row))?;
                continue;
            }
            let length = cell.text().len();
            self.take_text(length, budget).map_err(at_row)?;
            let pushed = column.push(row, cell, self.room);
            pushed.map_err(|problem| (problem.into(), row))?;
        }
        Ok(())
    }

    /// A text may be met in any number of rows, and is looked at in each.
    fn take_text(&self, length: usize, budget: &mut Budget) -> Result<(), Fault> {
        let limit = self.longest;
        if length > limit {
            return Err(Problem::RowTooLong { limit }.into());
        }
        Ok(budget.take(length as u64)?)
    }

    /// The levels that say which cells are there, when some may not be, and the bytes of the values.
    fn levels<'p>(&self, page: &'p Page) -> Result<(Option<Hybrid<'p>>, &'p [u8]), Fault> {
        let width = hybrid::width_of(self.leaf.most_defined);
        if let Some(levels) = page.levels {
            let (_, rest) = split(&page.bytes, levels.repetition)?;
            let (levels, rest) = split(rest, levels.definition)?;
            let levels = match width {
                0 => None,
                _ => Some(Hybrid::new(levels, width)?),
            };
            return Ok((levels, rest));
        }
        match (width, page.level_encoding) {
            (0, _) => Ok((None, &page.bytes)),
            (_, values::RLE) => {
                let (levels, rest) = Hybrid::with_length(&page.bytes, width)?;
                Ok((Some(levels), rest))
            }
            (_, other) => Err(Fault::Encoding(values::name(other))),
        }
    }
}

fn split(bytes: &[u8], at: usize) -> Result<(&[u8], &[u8]), Fault> {
    bytes.split_at_checked(at).ok_or(Fault::EndsEarly)
}
