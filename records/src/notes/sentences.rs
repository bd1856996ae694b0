use contract::Warning;

use super::{Ambiguous, Note, Notes, Outcome, Passed};
use crate::number_format::NumberFormat;
use crate::options::Type;

/// A column's name as a key of `[types]`.
pub(crate) fn key(column: &str) -> String {
    let is_bare = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    };
    if column.split('.').all(is_bare) {
        return column.to_owned();
    }
    format!("{column:?}")
}

/// What is to be said of a dataset.
pub(super) fn of(notes: &Notes) -> Vec<Warning> {
    let mut warnings = passed(notes.passed);
    let units = units(notes);
    warnings.extend(units.as_ref().map(|units| units.warning()));
    let in_units = |note: &Note| {
        let units = units.iter().flat_map(|units| &units.notes);
        units.clone().any(|of_units| of_units.column == note.column)
    };
    warnings.extend(tokens(notes));
    for note in &notes.columns {
        if !note.odd.is_empty() && !in_units(note) {
            warnings.push(odd(note));
        }
        if let Some(ambiguous) = &note.ambiguous {
            warnings.push(note.warning("ambiguous_numbers", ambiguous.sentence(&note.column)));
        }
    }
    warnings.extend(strings(notes));
    warnings
}

impl Note {
    fn warning(&self, kind: &str, message: String) -> Warning {
        Warning::new(kind, message).in_column(&self.column)
    }
}

fn count(cells: u64) -> String {
    match cells {
        1 => "1 cell".to_owned(),
        cells => format!("{cells} cells"),
    }
}

/// What the values of a type are called.
fn values(kind: Type) -> &'static str {
    match kind {
        Type::Number => "numbers",
        Type::Boolean => "booleans",
        Type::Time => "dates",
        Type::Text => "texts",
    }
}

/// Words for a missing value, of all columns at once: many tables have them everywhere.
fn tokens(notes: &Notes) -> Option<Warning> {
    const MOST_SHOWN: usize = 8;
    let with: Vec<&Note> = notes
        .columns
        .iter()
        .filter(|note| !note.tokens.is_empty())
        .collect();
    let mut shown: Vec<String> = with
        .iter()
        .take(MOST_SHOWN)
        .map(|note| {
            let cells = note.cells + note.tokens.cells();
            format!(
                "{}: {} of {cells} ({})",
                note.column,
                note.tokens.cells(),
                note.tokens.shown()
            )
        })
        .collect();
    if with.len() > MOST_SHOWN {
        shown.push(format!("{} more columns", with.len() - MOST_SHOWN));
    }
    let message = format!(
        "cells that hold a word for a missing value count as missing: {}",
        shown.join("; ")
    );
    match with.as_slice() {
        [] => None,
        [note] => Some(note.warning("missing_words", message)),
        _ => Some(Warning::new("missing_words", message)),
    }
}

/// Cells of another type than their column.
fn odd(note: &Note) -> Warning {
    let column = &note.column;
    let (cells, shown) = (note.odd.cells(), note.odd.shown());
    let key = key(column);
    match &note.outcome {
        Outcome::Missing if note.is_declared => {
            let of = note.cells;
            let kind = note.kind;
            let verb = if cells == 1 { "counts" } else { "count" };
            note.warning(
                "unread_cells",
                format!("{column}: {cells} of {of} cells cannot be read as {kind} ({shown}) and {verb} as missing"),
            )
        }
        Outcome::Missing => {
            let (of, values) = (note.cells, values(note.kind));
            note.warning(
                "odd_cells",
                format!("{column}: {cells} of {of} cells are not {values} ({shown}) and count as missing; `[types] {key} = \"category\"` keeps the column as text"),
            )
        }
        Outcome::Text { form: Some(format), .. } => note.warning(
            "numbers_in_another_form",
            format!("{column}: {} are not plain numbers ({shown}), so the column is text; `[types] {key} = {{ number = \"{format}\" }}` reads numbers of that form", count(cells)),
        ),
        Outcome::Text { share, form: None } => {
            let percent = (share * 100.0).floor();
            note.warning(
                "mostly_numbers",
                format!("{column}: {percent} % of the cells are numbers or dates, but {} are not ({shown}), so the column is text; `[types] {key} = \"number\"` (or `\"date\"`) takes the others for missing", count(cells)),
            )
        }
    }
}

impl Ambiguous {
    /// Both readings, and the keys that settle which it is.
    #[must_use]
    pub fn sentence(&self, column: &str) -> String {
        let (thousands, decimal) = if self.text.contains('.') {
            (NumberFormat::COMMA, NumberFormat::plain('.', None))
        } else {
            (NumberFormat::POINT, NumberFormat::plain(',', None))
        };
        let read = |format: &NumberFormat| format.decimal(&self.text).unwrap_or_default();
        let (large, small) = (read(&thousands), read(&decimal));
        let taken = if self.is_thousands { &large } else { &small };
        let key = key(column);
        format!(
            "{column}: `{}` in row {} may be {large} or {small}, and no other cell tells which: it is read as {taken}; `[types] {key} = {{ number = \"{thousands}\" }}` says that the mark groups thousands, `{{ number = \"{decimal}\" }}` that decimals follow it",
            self.text, self.row
        )
    }
}

/// Columns of JSON strings that are numbers all the same.
fn strings(notes: &Notes) -> Option<Warning> {
    let columns: Vec<&str> = notes
        .columns
        .iter()
        .filter(|note| note.numbers_in_strings)
        .map(|note| note.column.as_str())
        .collect();
    let first = columns.first()?;
    let message = format!(
        "texts that are numbers are read as numbers: {}; `[types] {} = \"category\"` keeps a column as text",
        columns.join(", "),
        key(first)
    );
    Some(Warning::new("numbers_in_strings", message))
}

/// A first row that alone keeps columns from being numbers or dates.
struct Units<'n> {
    notes: Vec<&'n Note>,
}

fn units(notes: &Notes) -> Option<Units<'_>> {
    let is_of_units = |note: &&Note| {
        note.odd.cells() == 1
            && !note.is_declared
            && note.odd.first().is_some_and(|(row, _)| row == 1)
    };
    let notes: Vec<&Note> = notes.columns.iter().filter(is_of_units).collect();
    (notes.len() >= 2).then_some(Units { notes })
}

impl Units<'_> {
    fn warning(&self) -> Warning {
        let cells: Vec<String> = self
            .notes
            .iter()
            .filter_map(|note| Some(format!("`{}` in {}", note.odd.first()?.1, note.column)))
            .collect();
        let message = format!(
            "row 1 is no data: {}, where all further rows hold numbers or dates; `[data] skip = 1` passes over it",
            cells.join(", ")
        );
        Warning::new("units_row", message)
    }
}

fn passed(passed: Passed) -> Vec<Warning> {
    let lines = |lines: u64| match lines {
        1 => "1 line".to_owned(),
        lines => format!("{lines} lines"),
    };
    let mut warnings = Vec::new();
    let mut warn = |count: u64, kind: &str, message: String| {
        if count > 0 {
            warnings.push(Warning::new(kind, message));
        }
    };
    warn(
        passed.headers,
        "header_repeated",
        format!(
            "{} in mid-file, equal to the header, passed over: rows are counted without",
            lines(passed.headers)
        ),
    );
    warn(
        passed.blank,
        "blank_lines",
        format!(
            "{} between rows, blank, passed over: rows are counted without",
            lines(passed.blank)
        ),
    );
    warn(
        passed.blank_rows,
        "blank_rows",
        format!(
            "{}, blank, of a dataset of one column: each is a row whose cell is missing",
            lines(passed.blank_rows)
        ),
    );
    warn(
        passed.byte_order_marks,
        "byte_order_marks",
        format!(
            "{} in mid-file began with a byte order mark, which was removed",
            lines(passed.byte_order_marks)
        ),
    );
    warn(
        passed.nuls,
        "nuls",
        format!(
            "{} began or ended with NUL, which was removed",
            count(passed.nuls)
        ),
    );
    warnings
}
