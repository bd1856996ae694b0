//! The records of the CSV that a module leaves: one at a time, each of a bounded length.

use std::io::{self, BufRead, Read};
use std::ops::Range;

/// A record that is longer is none: the runner holds one at a time.
pub(super) const MAX_RECORD: usize = 1 << 20;

/// What is wrong with a file of records.
#[derive(Debug, thiserror::Error)]
pub(super) enum RecordError {
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    #[error("is longer than {} KiB", MAX_RECORD >> 10)]
    TooLong,
    #[error("has text behind a closing quote, or a quote that is not closed")]
    Quotes,
}

/// A record without its line end, and where its cells lie in it, quotes included.
#[derive(Default)]
pub(super) struct Record {
    pub text: Vec<u8>,
    pub cells: Vec<Range<usize>>,
}

impl Record {
    /// Reads the next record: a line, or several where a quoted cell holds line ends. Empty lines are none. False at
    /// the end.
    ///
    /// # Errors
    /// When it is too long, is not written as CSV, or can't be read.
    pub fn read(&mut self, lines: &mut impl BufRead) -> Result<bool, RecordError> {
        self.text.clear();
        let mut quotes = 0;
        loop {
            let from = self.text.len();
            let left = (MAX_RECORD + 1 - from) as u64;
            if lines.take(left).read_until(b'\n', &mut self.text)? == 0 {
                // What is left at the end is a record whose line end is missing, or whose quote is.
                return if from > 0 { self.split() } else { Ok(false) };
            }
            if self.text.len() > MAX_RECORD {
                return Err(RecordError::TooLong);
            }
            quotes += self.text[from..]
                .iter()
                .filter(|byte| **byte == b'"')
                .count();
            if quotes % 2 == 0 {
                while self
                    .text
                    .last()
                    .is_some_and(|end| matches!(end, b'\n' | b'\r'))
                {
                    self.text.pop();
                }
                if !self.text.is_empty() {
                    return self.split();
                }
            }
        }
    }

    /// The cell of this position as it is meant: without the quotes around it.
    pub fn cell(&self, cell: &Range<usize>) -> Vec<u8> {
        let raw = &self.text[cell.clone()];
        let quoted = raw
            .strip_prefix(b"\"")
            .and_then(|inner| inner.strip_suffix(b"\""));
        match quoted {
            None => raw.to_vec(),
            Some(inner) => {
                let mut cell = Vec::with_capacity(inner.len());
                let mut bytes = inner.iter();
                while let Some(byte) = bytes.next() {
                    cell.push(*byte);
                    if *byte == b'"' {
                        bytes.next();
                    }
                }
                cell
            }
        }
    }

    fn split(&mut self) -> Result<bool, RecordError> {
        self.cells.clear();
        let mut start = 0;
        loop {
            let end = cell_end(&self.text, start).ok_or(RecordError::Quotes)?;
            self.cells.push(start..end);
            if end == self.text.len() {
                return Ok(true);
            }
            start = end + 1;
        }
    }
}

/// Where the cell that begins at `start` ends: at a comma, or with the record.
fn cell_end(text: &[u8], start: usize) -> Option<usize> {
    let find = |byte: u8, from: usize| {
        let found = text[from..].iter().position(|each| *each == byte);
        found.map(|at| from + at)
    };
    if text.get(start) != Some(&b'"') {
        return Some(find(b',', start).unwrap_or(text.len()));
    }
    let mut from = start + 1;
    loop {
        let quote = find(b'"', from)?;
        match text.get(quote + 1) {
            Some(b'"') => from = quote + 2,
            Some(b',') | None => return Some(quote + 1),
            Some(_) => return None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn cells(text: &str) -> Result<Vec<Vec<String>>, RecordError> {
        let (mut bytes, mut record, mut all) = (text.as_bytes(), Record::default(), Vec::new());
        while record.read(&mut bytes)? {
            let cells = record.cells.iter();
            let text = |cell: &Range<usize>| String::from_utf8(record.cell(cell)).unwrap();
            all.push(cells.map(text).collect());
        }
        Ok(all)
    }

    #[test]
    fn records_have_cells_with_and_without_quotes() {
        assert_eq!(
            cells("row,p\r\n\n1,\"a\n\"\"b\"\"\"\n2,\n3,5 feet\n").unwrap(),
            [["row", "p"], ["1", "a\n\"b\""], ["2", ""], ["3", "5 feet"]]
        );
        assert_eq!(cells("a,b").unwrap(), [["a", "b"]]);
        assert!(cells("").unwrap().is_empty());
    }

    #[test]
    fn what_is_no_record_is_refused() {
        for text in ["1,\"a\"b\n", "1,\"a\n", "1,\"a\" ,2\n"] {
            assert!(matches!(cells(text), Err(RecordError::Quotes)), "{text}");
        }
        let long = "x".repeat(MAX_RECORD + 1);
        assert!(matches!(cells(&long), Err(RecordError::TooLong)));
        let quoted = format!("\"{}", "x\n".repeat(MAX_RECORD));
        assert!(matches!(cells(&quoted), Err(RecordError::TooLong)));
        assert_eq!(cells(&"x".repeat(MAX_RECORD - 1)).unwrap().len(), 1);
    }
}
