//! The header line, and lines in mid-file that repeat it.

use super::span::{End, span, unquote};
use crate::error::{Problem, ReadError};
use crate::format::BOM;
use crate::input::Window;
use crate::number::{self, Parsed};
use crate::table::Table;

/// The names of the columns, as they stand in the header line.
#[derive(Debug, Default)]
pub(crate) struct Header {
    names: Vec<Vec<u8>>,
    separator: u8,
}

impl Header {
    /// Reads the header line at `at`, and gives where the next line begins; `None` when the window does not hold all
    /// of it.
    pub fn read(
        window: Window<'_>,
        mut at: usize,
        separator: u8,
    ) -> Result<Option<(Header, usize)>, Problem> {
        let mut names = Vec::new();
        let mut unquoted = Vec::new();
        loop {
            let Some(span) = span(window, at, separator)? else {
                return Ok(None);
            };
            names.push(unquote(&mut unquoted, window, &span).trim_ascii().to_vec());
            at = span.next;
            if span.end == End::Row {
                return Ok(Some((Header { names, separator }, at)));
            }
        }
    }

    pub fn separator(&self) -> u8 {
        self.separator
    }

    pub fn columns(&self) -> usize {
        self.names.len()
    }

    /// The names as text, blanks around them dropped.
    pub fn names(&self) -> Result<Vec<String>, Problem> {
        let name = |name: &Vec<u8>| {
            let text = std::str::from_utf8(name).map_err(|_| Problem::NotUtf8)?;
            Ok(text.trim().to_owned())
        };
        self.names.iter().map(name).collect()
    }

    /// Where the line behind the one at `at` begins, if that repeats the header: every cell of two and more does.
    #[inline]
    pub fn again(&self, window: Window<'_>, at: usize) -> Option<usize> {
        let first = self
            .names
            .first()?
            .first()
            .copied()
            .unwrap_or(self.separator);
        let byte = window.bytes[at];
        if byte != first && !matches!(byte, b'"' | b' ' | b'\t') && byte != BOM[0] {
            return None;
        }
        self.repeats(window, at)
    }

    #[cold]
    fn repeats(&self, window: Window<'_>, mut at: usize) -> Option<usize> {
        let mut unquoted = Vec::new();
        let last = self.names.len().checked_sub(1).filter(|last| *last > 0)?;
        if window.bytes[at..].starts_with(&BOM) {
            at += BOM.len();
        }
        for (index, name) in self.names.iter().enumerate() {
            let span = span(window, at, self.separator).ok()??;
            let is_same = unquote(&mut unquoted, window, &span).trim_ascii() == name.as_slice();
            if !is_same || (span.end == End::Row) != (index == last) {
                return None;
            }
            at = span.next;
        }
        Some(at)
    }
}

pub(super) fn add_columns(names: Vec<String>, table: &mut Table<'_>) -> Result<(), ReadError> {
    let is_number =
        |name: &String| matches!(number::parse::<f32>(name.as_bytes()), Parsed::Finite(_));
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
            if index == 0 {
                table.index.push(name.clone());
            }
        }
        table.add_column(name)?;
    }
    Ok(())
}
