//! What verbs print on stdout: tables for people, JSON for programs. Foreign text does nothing to a terminal in either.

use std::fmt;
use std::io::{self, Write as _};

use comfy_table::{ContentArrangement, presets};
use serde::Serialize;

use crate::error::Error;
use crate::foreign;

/// A plain table: no lines, one row a line whatever its cells hold.
pub struct Table(comfy_table::Table);

/// [`Table::new`].
#[must_use]
pub fn table(header: &[&str]) -> Table {
    Table::new(header)
}

impl Table {
    #[must_use]
    pub fn new(header: &[&str]) -> Self {
        let mut table = comfy_table::Table::new();
        table
            .load_preset(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled);
        if !header.is_empty() {
            table.set_header(header.iter().map(|cell| foreign::line(cell)));
        }
        Self(table)
    }

    pub fn add_row(&mut self, cells: impl IntoIterator<Item: AsRef<str>>) {
        let cells = cells.into_iter().map(|cell| foreign::line(cell.as_ref()));
        self.0.add_row(cells);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Prints text that has lines of its own; foreign text in it has passed [`foreign::line`].
///
/// # Errors
/// When stdout cannot be written. A reader who has left (a closed pipe) is no error.
pub fn print(text: impl fmt::Display) -> Result<(), Error> {
    let lines: Vec<String> = foreign::lines(&text.to_string())
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect();
    write(&lines.join("\n"))
}

/// Prints one JSON object, which means what `value` means.
///
/// # Errors
/// As [`print`].
pub fn print_json(value: &impl Serialize) -> Result<(), Error> {
    let text = serde_json::to_string(value)
        .map_err(|error| Error::local("cannot write the result as JSON", error.into()))?;
    write(&foreign::json(&text))
}

fn write(text: &str) -> Result<(), Error> {
    ignore_closed_pipe(writeln!(io::stdout().lock(), "{text}"))
        .map_err(|error| Error::local("cannot write the result to stdout", error))
}

/// Somebody who reads only the first lines of our output is no reason to fail.
///
/// # Errors
/// Any other error of `result`.
pub fn ignore_closed_pipe(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_one_line_whatever_its_cells_hold() {
        let mut table = Table::new(&["name", "score\nstored gs://prod"]);
        table.add_row(["a\nstored    gs://prod", "\x1b[2J\u{202e}"]);
        let text = table.to_string();
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(!text.contains(['\x1b', '\u{202e}']), "{text}");
    }
}
