//! What the registry's verbs print.

use std::io::Write as _;

use comfy_table::{ContentArrangement, Table, presets};

use crate::error::Error;
use crate::report::ignore_closed_pipe;

/// A plain table: no lines, one row a line.
pub fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    if !header.is_empty() {
        table.set_header(header.iter().copied());
    }
    table
}

/// Prints a result on stdout.
pub fn print(text: impl std::fmt::Display) -> Result<(), Error> {
    let lines: Vec<String> = crate::harmless(&text.to_string())
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect();
    ignore_closed_pipe(writeln!(std::io::stdout().lock(), "{}", lines.join("\n")))
        .map_err(|error| Error::local("cannot write the result to stdout", error))
}
