//! The records of the CSV that a module leaves: one at a time, each of a bounded length.
//!
//! Only what RFC 4180 has is CSV here, so that no reader sees other records or cells than the runner does: a quote stands
//! at the beginning of a cell or in a quoted one, and a line ends with LF or CR LF.

use std::io::{self, BufRead, Read};
use std::ops::Range;

/// A record that is longer is none: the runner holds one at a time.
pub const MAX_RECORD: usize = 1 << 20;
/// A mark that some programs put before the first record.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// What is wrong with a file of records.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    #[error("is longer than {} KiB", MAX_RECORD >> 10)]
    TooLong,
    #[error("has text behind a closing quote, or a quote that is not closed")]
    Quotes,
    #[error(
        "has a quote in a cell that does not begin with one: such a cell is put in quotes, and its quotes are doubled"
    )]
    InnerQuote,
    #[error("has a carriage return that ends no line, in a cell without quotes")]
    CarriageReturn,
}

/// What was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    Record,
    /// A line without anything, which is no record.
    Empty,
    /// There is no more.
    End,
}

/// The cells of a record as they are meant: without the quotes around them and in them.
#[derive(Default)]
pub struct Record {
    line: Vec<u8>,
    text: Vec<u8>,
    cells: Vec<Range<usize>>,
    /// Whether the file has begun.
    begun: bool,
}

impl Record {
    /// Reads the next record: a line, or several where a quoted cell holds line ends.
    ///
    /// # Errors
    /// When it is too long, is not written as CSV, or can't be read.
    pub fn read(&mut self, lines: &mut impl BufRead) -> Result<Line, RecordError> {
        self.line.clear();
        let mut quotes = 0;
        loop {
            let from = self.line.len();
            let left = (MAX_RECORD + 1 - from) as u64;
            let read = lines.take(left).read_until(b'\n', &mut self.line)?;
            if self.line.len() > MAX_RECORD {
                return Err(RecordError::TooLong);
            }
            let new = &self.line[from..];
            quotes += new.iter().filter(|byte| **byte == b'"').count();
            // At the end, a record's line end may be missing. So may its closing quote be, which splitting notices.
            if read == 0 || quotes % 2 == 0 {
                break;
            }
        }
        if self.line.is_empty() {
            return Ok(Line::End);
        }
        if self.line.pop_if(|end| *end == b'\n').is_some() {
            self.line.pop_if(|end| *end == b'\r');
        }
        let first = !std::mem::replace(&mut self.begun, true);
        let text = match self.line.strip_prefix(BYTE_ORDER_MARK) {
            Some(rest) if first => rest,
            _ => &self.line,
        };
        if text.is_empty() {
            return Ok(Line::Empty);
        }
        split(text, &mut self.text, &mut self.cells)?;
        Ok(Line::Record)
    }

    /// As they are meant.
    pub fn cells(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.cells.iter().map(|cell| &self.text[cell.clone()])
    }
}

/// Takes the record `line`, which is without its line end, apart: its cells lie in `text` one behind the other.
fn split(
    line: &[u8],
    text: &mut Vec<u8>,
    cells: &mut Vec<Range<usize>>,
) -> Result<(), RecordError> {
    text.clear();
    cells.clear();
    let mut rest = line;
    loop {
        let start = text.len();
        rest = match rest.strip_prefix(b"\"") {
            Some(inner) => quoted(inner, text)?,
            None => plain(rest, text)?,
        };
        cells.push(start..text.len());
        match rest.split_first() {
            None => return Ok(()),
            Some((b',', next)) => rest = next,
            Some(_) => return Err(RecordError::Quotes),
        }
    }
}

/// Takes a cell without quotes over; returns what follows it.
fn plain<'a>(line: &'a [u8], text: &mut Vec<u8>) -> Result<&'a [u8], RecordError> {
    let end = line.iter().position(|byte| *byte == b',');
    let (cell, rest) = line.split_at(end.unwrap_or(line.len()));
    if cell.contains(&b'"') {
        return Err(RecordError::InnerQuote);
    }
    // Some programs end a line here. One before the line's LF was taken off with it.
    if cell.contains(&b'\r') {
        return Err(RecordError::CarriageReturn);
    }
    text.extend_from_slice(cell);
    Ok(rest)
}

/// Takes a cell over that `line` is behind the opening quote of; returns what follows its closing quote.
fn quoted<'a>(mut line: &'a [u8], text: &mut Vec<u8>) -> Result<&'a [u8], RecordError> {
    loop {
        let quote = line.iter().position(|byte| *byte == b'"');
        let quote = quote.ok_or(RecordError::Quotes)?;
        text.extend_from_slice(&line[..quote]);
        line = &line[quote + 1..];
        match line.strip_prefix(b"\"") {
            Some(rest) => {
                text.push(b'"');
                line = rest;
            }
            None => return Ok(line),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn cells(text: &str) -> Result<Vec<Vec<String>>, RecordError> {
        let (mut bytes, mut record, mut all) = (text.as_bytes(), Record::default(), Vec::new());
        loop {
            match record.read(&mut bytes)? {
                Line::End => return Ok(all),
                Line::Empty => {}
                Line::Record => {
                    let text = |cell: &[u8]| String::from_utf8(cell.to_vec()).unwrap();
                    all.push(record.cells().map(text).collect());
                }
            }
        }
    }

    #[test]
    fn records_have_cells_with_and_without_quotes() {
        assert_eq!(
            cells("row,p\r\n\n1,\"a\n\"\"b\"\"\"\n2,\n3,5 feet\n").unwrap(),
            [["row", "p"], ["1", "a\n\"b\""], ["2", ""], ["3", "5 feet"]]
        );
        assert_eq!(cells("a,b").unwrap(), [["a", "b"]]);
        assert_eq!(cells("\"\",\"a\rb\"\r\n").unwrap(), [["", "a\rb"]]);
        assert!(cells("").unwrap().is_empty());
        assert!(cells("\u{feff}\n").unwrap().is_empty());
        let marked = "\u{feff}\"row\",p\n\u{feff}1,2";
        assert_eq!(cells(marked).unwrap(), [["row", "p"], ["\u{feff}1", "2"]]);
    }

    #[test]
    fn what_is_no_record_is_refused() {
        for text in [
            "1,\"a\"b\n",
            "1,\"a\n",
            "1,\"a\" ,2\n",
            "1,\"",
            "\"a\"\r,2\n",
        ] {
            assert!(matches!(cells(text), Err(RecordError::Quotes)), "{text}");
        }
        // A reader may take these for something else than another reader does.
        for text in ["1,a\"\n,=1\"\n", "1,5\" disk\n", "1, \"a\"\n"] {
            assert!(
                matches!(
                    cells(text),
                    Err(RecordError::InnerQuote | RecordError::Quotes)
                ),
                "{text}"
            );
        }
        for text in ["1,a\r2,b\n", "row\r1\r", "1,a\r\r\n", "\r\r\n"] {
            assert!(
                matches!(cells(text), Err(RecordError::CarriageReturn)),
                "{text:?}"
            );
        }
        let long = "x".repeat(MAX_RECORD + 1);
        assert!(matches!(cells(&long), Err(RecordError::TooLong)));
        let quoted = format!("\"{}", "x\n".repeat(MAX_RECORD));
        assert!(matches!(cells(&quoted), Err(RecordError::TooLong)));
        assert_eq!(cells(&"x".repeat(MAX_RECORD - 1)).unwrap().len(), 1);
    }
}
