//! CSV (RFC 4180, and what else is called so): a header line, then a row a line, cells separated by comma,
//! semicolon or tab.

mod header;
mod span;

use crate::builder::Cells;
use crate::cell::Cell;
use crate::error::{Problem, ReadError};
use crate::format::{BOM, Kind, separator};
use crate::input::Window;
use crate::notes::Passed;
use crate::number;
use crate::rules::Rules;
use crate::table::Table;
pub(crate) use header::Header;
use header::add_columns;
use span::{End, blank_line, span, unquote};

#[derive(Debug, Default)]
pub(crate) struct Csv {
    separator: u8,
    rules: Rules,
    /// Once this pass is behind the header line.
    header: Option<Header>,
    /// A quoted cell without its doubled quotes.
    unquoted: Vec<u8>,
    passed: Passed,
    /// Blank lines behind which no row was met.
    blank: u64,
    /// What was removed from the row that is read.
    row_nuls: u64,
}

impl Csv {
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            ..Self::default()
        }
    }

    pub fn kind(&self) -> Kind {
        Kind::Csv {
            separator: self.separator,
        }
    }

    pub fn restart(&mut self) {
        *self = Self {
            unquoted: std::mem::take(&mut self.unquoted),
            ..Self::new(self.rules)
        };
    }

    /// Lines that are no rows.
    pub fn passed(&self) -> Passed {
        match self.rules {
            Rules::One => Passed::default(),
            Rules::Two => self.passed,
        }
    }

    pub fn rows(&mut self, window: Window<'_>, table: &mut Table<'_>) -> Result<usize, ReadError> {
        let mut at = 0;
        if self.header.is_none() {
            match self.header(window, table)? {
                Some(next) => at = next,
                None => return Ok(0),
            }
        }
        while at < window.end {
            if let Some(next) = blank_line(window, at) {
                self.take_blank(table)?;
                at = next;
                continue;
            }
            if self.rules >= Rules::Two
                && let Some(next) = self
                    .header
                    .as_ref()
                    .and_then(|header| header.again(window, at))
            {
                self.passed.headers += 1;
                at = next;
                continue;
            }
            let is_skipped = table.skips_row();
            match self.next(window, at, table, is_skipped)? {
                Some(next) => at = next,
                None => break,
            }
            if is_skipped {
                table.push_missing_row()?;
            } else {
                table.rows += 1;
            }
            self.passed.blank += std::mem::take(&mut self.blank);
        }
        Ok(at)
    }

    /// A blank line is a row where the dataset has one column: rows would be counted wrongly else.
    fn take_blank(&mut self, table: &mut Table<'_>) -> Result<(), ReadError> {
        if self.rules < Rules::Two || table.columns.len() > 1 {
            self.blank += 1;
            return Ok(());
        }
        self.passed.blank_rows += 1;
        table.push_missing_row()
    }

    /// Reads the row that begins at `at`, or passes over it, and gives where the next one does; `None` when the window
    /// does not hold all of it.
    fn next(
        &mut self,
        window: Window<'_>,
        at: usize,
        table: &mut Table<'_>,
        is_skipped: bool,
    ) -> Result<Option<usize>, ReadError> {
        if is_skipped {
            return row_end(window, at, self.separator)
                .map_err(|problem| table.here(problem.into()));
        }
        let marked = self.rules >= Rules::Two && window.bytes[at..].starts_with(&BOM);
        let from = if marked { at + BOM.len() } else { at };
        self.row_nuls = 0;
        let next = self.row(window, from, table)?;
        if next.is_some() {
            self.passed.byte_order_marks += u64::from(marked);
            self.passed.nuls += self.row_nuls;
        }
        Ok(next)
    }

    /// Only a row that never ends is left at the end of a dataset.
    pub fn end(&mut self, rest: Window<'_>, table: &Table<'_>) -> Result<(), ReadError> {
        if rest.end == 0 {
            return Ok(());
        }
        Err(table.here(Problem::UnclosedQuote.into()))
    }

    /// Reads the header line; `None` when the window does not hold all of it.
    fn header(
        &mut self,
        window: Window<'_>,
        table: &mut Table<'_>,
    ) -> Result<Option<usize>, ReadError> {
        let text = &window.bytes[..window.end];
        let mut at = 0;
        while let Some(next) = blank_line(window, at) {
            at = next;
        }
        self.separator = separator(&text[at..]);
        let Some((header, at)) = Header::read(window, at, self.separator)? else {
            let is_line = text.contains(&b'\n') || !text.contains(&b'\r');
            return if is_line {
                Ok(None)
            } else {
                Err(Problem::CarriageReturns.into())
            };
        };
        if table.columns.is_empty() {
            add_columns(header.names()?, table)?;
        } else if table.columns.len() != header.columns() {
            return Err(Problem::Changed.into());
        }
        self.header = Some(header);
        Ok(Some(at))
    }

    /// Reads the row that begins at `at`, and gives where the next one does; `None` when the window does not hold
    /// all of it.
    #[inline(never)]
    fn row(
        &mut self,
        window: Window<'_>,
        mut at: usize,
        table: &mut Table<'_>,
    ) -> Result<Option<usize>, ReadError> {
        let last = table.columns.len() - 1;
        // Where a comma may be the decimal mark, a point may group thousands.
        let sees_marks = self.separator == b';';
        for index in 0..=last {
            let stop = if index == last { b'\n' } else { self.separator };
            // The short way for nearly every cell of a column of numbers.
            if let Cells::Number(numbers) = &mut table.columns[index].cells
                && let Some((value, length)) = number::plain(&window.bytes[at..])
                && window.bytes[at + length] == stop
            {
                if let Err(problem) = numbers.push(value, table.room) {
                    return Err(table.in_cell(index, problem));
                }
                if sees_marks {
                    let row = table.rows;
                    table.columns[index].see_point(&window.bytes[at..at + length], row);
                }
                at += length + 1;
                continue;
            }
            match self.cell(window, at, index, table)? {
                Some((next, is_last)) if is_last == (index == last) => at = next,
                Some(_) => return self.ragged(window, at, index, table),
                None => return Ok(None),
            }
        }
        Ok(Some(at))
    }

    /// Reads the cell that begins at `at`, and gives where the next one does and whether it ends the row; `None` when the
    /// window does not hold all of it. Apart from the short way, which it would slow down.
    #[inline(never)]
    fn cell(
        &mut self,
        window: Window<'_>,
        at: usize,
        index: usize,
        table: &mut Table<'_>,
    ) -> Result<Option<(usize, bool)>, ReadError> {
        let is_last = index + 1 == table.columns.len();
        if let Cells::Double(doubles) = &mut table.columns[index].cells
            && let Some(numbers) = doubles.short_way()
            && let Some((value, length)) = number::plain_double(&window.bytes[at..])
        {
            let stop = if is_last { b'\n' } else { self.separator };
            if window.bytes[at + length] == stop {
                if let Err(problem) = numbers.push(value, table.room) {
                    return Err(table.in_cell(index, problem));
                }
                if self.separator == b';' {
                    let row = table.rows;
                    table.columns[index].see_point(&window.bytes[at..at + length], row);
                }
                return Ok(Some((at + length + 1, is_last)));
            }
        }
        let span = match span(window, at, self.separator) {
            Ok(Some(span)) => span,
            Ok(None) => return Ok(None),
            Err(problem) => return Err(table.in_cell(index, problem)),
        };
        let is_last = span.end == End::Row;
        // A ragged row is an error of its own, whatever its cells hold.
        if is_last != (index + 1 == table.columns.len()) {
            return Ok(Some((span.next, is_last)));
        }
        let mut text = unquote(&mut self.unquoted, window, &span);
        if self.rules >= Rules::Two && !span.is_quoted {
            let inner = trimmed(text);
            self.row_nuls += u64::from(inner.len() < text.len() && has_nul_around(text));
            text = inner;
        }
        let cell = if self.separator == b';' {
            Cell::PlainWithComma(text)
        } else {
            Cell::Plain(text)
        };
        table.push(index, cell)?;
        Ok(Some((span.next, is_last)))
    }

    /// The error of a row that has fewer or more cells than the header.
    #[cold]
    fn ragged(
        &self,
        window: Window<'_>,
        mut at: usize,
        index: usize,
        table: &Table<'_>,
    ) -> Result<Option<usize>, ReadError> {
        let mut cells = index;
        let mut end = End::Cell;
        while end == End::Cell {
            let Some(next) =
                span(window, at, self.separator).map_err(|problem| table.here(problem.into()))?
            else {
                return Ok(None);
            };
            cells += 1;
            end = next.end;
            at = next.next;
        }
        let expected = table.columns.len();
        Err(table.here(Problem::Ragged { cells, expected }.into()))
    }
}

/// A cell without blanks, tabs and NULs around it.
#[inline]
fn trimmed(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t' | 0, rest @ ..] | [rest @ .., b' ' | b'\t' | 0] = text {
        text = rest;
    }
    text
}

#[cold]
fn has_nul_around(text: &[u8]) -> bool {
    let is_around = |byte: &&u8| matches!(byte, b' ' | b'\t' | 0);
    let before = text.iter().take_while(is_around);
    let behind = text.iter().rev().take_while(is_around);
    before.chain(behind).any(|byte| *byte == 0)
}

/// The header line, and where it ends; `None` when the window does not hold all of it.
pub(crate) fn first_header(window: Window<'_>) -> Result<Option<(Header, usize)>, Problem> {
    let mut at = 0;
    while at < window.end
        && let Some(next) = blank_line(window, at)
    {
        at = next;
    }
    let separator = separator(&window.bytes[at..window.end]);
    Header::read(window, at, separator)
}

/// A line, or the lines of a row, and where it ends. Cells are not counted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Line {
    Row(usize),
    Blank(usize),
    Header(usize),
}

/// The line at `at`; `None` when the window does not hold all of it.
pub(crate) fn next_line(
    window: Window<'_>,
    at: usize,
    header: &Header,
    rules: Rules,
) -> Result<Option<Line>, Problem> {
    if at >= window.end {
        return Ok(None);
    }
    if let Some(next) = blank_line(window, at) {
        let is_row = rules >= Rules::Two && header.columns() == 1;
        return Ok(Some(if is_row {
            Line::Row(next)
        } else {
            Line::Blank(next)
        }));
    }
    if rules >= Rules::Two
        && let Some(next) = header.again(window, at)
    {
        return Ok(Some(Line::Header(next)));
    }
    Ok(row_end(window, at, header.separator())?.map(Line::Row))
}

fn row_end(window: Window<'_>, mut at: usize, separator: u8) -> Result<Option<usize>, Problem> {
    while at < window.end {
        let Some(span) = span(window, at, separator)? else {
            return Ok(None);
        };
        at = span.next;
        if span.end == End::Row {
            return Ok(Some(at));
        }
    }
    Ok(None)
}
