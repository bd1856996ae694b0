//! CSV (RFC 4180, and what else is called so): a header line, then a row a line, cells separated by comma,
//! semicolon or tab.

use crate::builder::Cells;
use crate::cell::Cell;
use crate::error::{Problem, ReadError};
use crate::format::{Kind, separator};
use crate::input::Window;
use crate::number::{self, Parsed};
use crate::table::Table;

#[derive(Debug, Default)]
pub(crate) struct Csv {
    separator: u8,
    /// Whether this pass is behind the header line.
    has_header: bool,
    /// A quoted cell without its doubled quotes.
    unquoted: Vec<u8>,
}

/// A cell in a window.
struct Span {
    from: usize,
    to: usize,
    /// Whether it holds doubled quotes.
    doubled: bool,
    end: End,
    /// Where the next cell begins.
    next: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Cell,
    Row,
}

impl Csv {
    pub fn kind(&self) -> Kind {
        Kind::Csv {
            separator: self.separator,
        }
    }

    pub fn restart(&mut self) {
        self.has_header = false;
    }

    pub fn rows(&mut self, window: Window<'_>, table: &mut Table<'_>) -> Result<usize, ReadError> {
        let mut at = 0;
        if !self.has_header {
            match self.header(window, table)? {
                Some(next) => at = next,
                None => return Ok(0),
            }
        }
        while at < window.end {
            if let Some(next) = blank_line(window, at) {
                at = next;
                continue;
            }
            match self.row(window, at, table)? {
                Some(next) => at = next,
                None => break,
            }
            table.rows += 1;
        }
        Ok(at)
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
        let mut names = Vec::new();
        loop {
            let Some(span) = span(window, at, self.separator)? else {
                let is_line = text.contains(&b'\n') || !text.contains(&b'\r');
                return if is_line {
                    Ok(None)
                } else {
                    Err(Problem::CarriageReturns.into())
                };
            };
            let cell = unquote(&mut self.unquoted, window, &span);
            let name = std::str::from_utf8(cell).map_err(|_| Problem::NotUtf8)?;
            names.push(name.trim().to_owned());
            at = span.next;
            if span.end == End::Row {
                break;
            }
        }
        self.has_header = true;
        if table.columns.is_empty() {
            add_columns(names, table)?;
        } else if table.columns.len() != names.len() {
            return Err(Problem::Changed.into());
        }
        Ok(Some(at))
    }

    /// Reads the row that begins at `at`, and gives where the next one does; `None` when the window does not hold
    /// all of it.
    fn row(
        &mut self,
        window: Window<'_>,
        mut at: usize,
        table: &mut Table<'_>,
    ) -> Result<Option<usize>, ReadError> {
        let last = table.columns.len() - 1;
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
                at += length + 1;
                continue;
            }
            let span = match span(window, at, self.separator) {
                Ok(Some(span)) => span,
                Ok(None) => return Ok(None),
                Err(problem) => return Err(table.in_cell(index, problem)),
            };
            if (span.end == End::Row) != (index == last) {
                return self.ragged(window, index, &span, table);
            }
            let text = unquote(&mut self.unquoted, window, &span);
            let cell = if self.separator == b';' {
                Cell::PlainWithComma(text)
            } else {
                Cell::Plain(text)
            };
            table.push(index, cell)?;
            at = span.next;
        }
        Ok(Some(at))
    }

    /// The error of a row that has fewer or more cells than the header.
    #[cold]
    fn ragged(
        &self,
        window: Window<'_>,
        index: usize,
        span_of_index: &Span,
        table: &Table<'_>,
    ) -> Result<Option<usize>, ReadError> {
        let mut cells = index + 1;
        let mut end = span_of_index.end;
        let mut at = span_of_index.next;
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

fn add_columns(names: Vec<String>, table: &mut Table<'_>) -> Result<(), ReadError> {
    let is_number = |name: &String| matches!(number::parse(name.as_bytes()), Parsed::Finite(_));
    if names
        .iter()
        .any(|name| name.replace("\r\n", "").contains('\r'))
    {
        return Err(Problem::CarriageReturns.into());
    }
    if names.iter().all(is_number) {
        return Err(Problem::NoHeader.into());
    }
    for (index, mut name) in names.into_iter().enumerate() {
        // Such as the index that pandas writes.
        if name.is_empty() {
            name = format!("column_{}", index + 1);
        }
        table.add_column(name)?;
    }
    Ok(())
}

/// The end of the first line that is not blank, and the separator; `None` when the window does not hold all of it.
pub(crate) fn header_end(window: Window<'_>) -> Result<Option<(usize, u8)>, Problem> {
    let mut at = 0;
    while at < window.end
        && let Some(next) = blank_line(window, at)
    {
        at = next;
    }
    let separator = separator(&window.bytes[at..window.end]);
    Ok(row_end(window, at, separator)?.map(|end| (end, separator)))
}

/// Where the next row begins, blank lines passed over, and where it ends; `None` when the window does not hold all of
/// it. Cells are not counted.
pub(crate) fn next_row(
    window: Window<'_>,
    mut at: usize,
    separator: u8,
) -> Result<Option<(usize, usize)>, Problem> {
    while at < window.end {
        match blank_line(window, at) {
            Some(next) => at = next,
            None => return Ok(row_end(window, at, separator)?.map(|end| (at, end))),
        }
    }
    Ok(None)
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

/// Where the line after an empty one begins.
#[inline(always)]
fn blank_line(window: Window<'_>, at: usize) -> Option<usize> {
    match window.bytes[at] {
        b'\n' => Some(at + 1),
        b'\r' if window.bytes[at + 1] == b'\n' => Some(at + 2),
        _ => None,
    }
}

/// The cell that begins at `at`; `None` when the window does not hold all of it.
#[inline]
fn span(window: Window<'_>, at: usize, separator: u8) -> Result<Option<Span>, Problem> {
    if window.bytes[at] == b'"' {
        return quoted_span(window, at, separator);
    }
    let Some(to) = find(window, at, separator) else {
        return Ok(None);
    };
    let is_row = window.bytes[to] == b'\n';
    let carriage = is_row && to > at && window.bytes[to - 1] == b'\r';
    Ok(Some(Span {
        from: at,
        to: to - usize::from(carriage),
        doubled: false,
        end: if is_row { End::Row } else { End::Cell },
        next: to + 1,
    }))
}

fn quoted_span(window: Window<'_>, at: usize, separator: u8) -> Result<Option<Span>, Problem> {
    let text = &window.bytes[..window.end];
    let mut doubled = false;
    let mut to = at + 1;
    loop {
        let Some(quote) = text[to..].iter().position(|byte| *byte == b'"') else {
            return Ok(None);
        };
        to += quote;
        match text.get(to + 1) {
            None => return Ok(None),
            Some(b'"') => {
                doubled = true;
                to += 2;
            }
            Some(_) => break,
        }
    }
    let (end, next) = match &text[to + 1..] {
        [byte, ..] if *byte == separator => (End::Cell, to + 2),
        [b'\n', ..] => (End::Row, to + 2),
        [b'\r', b'\n', ..] => (End::Row, to + 3),
        [b'\r'] => return Ok(None),
        _ => return Err(Problem::TextAfterQuote),
    };
    Ok(Some(Span {
        from: at + 1,
        to,
        doubled,
        end,
        next,
    }))
}

/// The text of a cell, its doubled quotes single.
fn unquote<'t>(unquoted: &'t mut Vec<u8>, window: Window<'t>, span: &Span) -> &'t [u8] {
    let text = &window.bytes[span.from..span.to];
    if !span.doubled {
        return text;
    }
    unquoted.clear();
    let mut rest = text;
    while let Some(quote) = rest.iter().position(|byte| *byte == b'"') {
        unquoted.extend_from_slice(&rest[..=quote]);
        rest = &rest[quote + 2..];
    }
    unquoted.extend_from_slice(rest);
    unquoted
}

/// The first separator or line feed from `at` on, eight bytes at a time.
#[inline(always)]
fn find(window: Window<'_>, mut at: usize, separator: u8) -> Option<usize> {
    let separators = u64::from_le_bytes([separator; 8]);
    let line_feeds = u64::from_le_bytes([b'\n'; 8]);
    while at < window.end {
        let chunk = u64::from_le_bytes(*window.bytes[at..].first_chunk::<8>()?);
        let found = zeros(chunk ^ separators) | zeros(chunk ^ line_feeds);
        if found != 0 {
            let to = at + (found.trailing_zeros() / 8) as usize;
            return (to < window.end).then_some(to);
        }
        at += 8;
    }
    None
}

/// The high bit of each byte up to the first that is zero; higher ones may be set too often.
#[inline(always)]
fn zeros(chunk: u64) -> u64 {
    chunk.wrapping_sub(0x0101_0101_0101_0101) & !chunk & 0x8080_8080_8080_8080
}
