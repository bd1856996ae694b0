//! What was met in columns besides their values, and how people are told.

mod sentences;
mod spellings;

use contract::Warning;

pub(crate) use sentences::key;
pub use spellings::{Spelling, Spellings};

use crate::number_format::NumberFormat;
use crate::options::Type;

/// What was met in a column besides its values.
#[derive(Clone, Debug, PartialEq)]
pub struct Note {
    pub column: String,
    /// What the column holds.
    pub kind: Type,
    pub is_declared: bool,
    /// Cells that are values, or are of another type.
    pub cells: u64,
    /// Words for a missing value.
    pub tokens: Spellings,
    /// Cells of another type: missing, unless the outcome is text.
    pub odd: Spellings,
    pub outcome: Outcome,
    /// Numbers whose mark may mean two things.
    pub ambiguous: Option<Ambiguous>,
    /// How the numbers are written, where their marks of thousands were told from decimal ones.
    pub format: Option<NumberFormat>,
    /// `NA` is a code like the others.
    pub na_is_text: bool,
    /// Numbers were read from JSON strings, though nobody declared them.
    pub numbers_in_strings: bool,
    /// The first number in another form: its row, counted from 1, its text, and how it is written.
    pub(crate) other_form: Option<(u64, String, NumberFormat)>,
}

/// What became of the cells of another type.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Outcome {
    /// They are missing.
    #[default]
    Missing,
    /// They made the column text, of which `share` is numbers or dates. `form`: how those numbers are written that are
    /// in another form.
    Text {
        share: f64,
        form: Option<NumberFormat>,
    },
}

/// A number with one mark and three digits behind it, as all of its column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ambiguous {
    pub text: String,
    /// Counted from 1.
    pub row: u64,
    /// Whether it was read as thousands.
    pub is_thousands: bool,
}

impl Note {
    pub(crate) fn of(column: &str) -> Self {
        Self {
            column: column.to_owned(),
            kind: Type::Text,
            is_declared: false,
            cells: 0,
            tokens: Spellings::default(),
            odd: Spellings::default(),
            outcome: Outcome::default(),
            ambiguous: None,
            format: None,
            na_is_text: false,
            numbers_in_strings: false,
            other_form: None,
        }
    }

    fn is_empty(&self) -> bool {
        self.tokens.is_empty()
            && self.odd.is_empty()
            && self.outcome == Outcome::Missing
            && self.ambiguous.is_none()
            && self.format.is_none()
            && !self.na_is_text
            && !self.numbers_in_strings
    }

    fn absorb(&mut self, other: Note, first_row: u64) {
        self.cells += other.cells;
        self.tokens.absorb(other.tokens, first_row);
        self.odd.absorb(other.odd, first_row);
        let ambiguous = other.ambiguous.map(|ambiguous| Ambiguous {
            row: ambiguous.row + first_row,
            ..ambiguous
        });
        self.ambiguous = self.ambiguous.take().or(ambiguous);
    }
}

/// What was met in columns besides their values, and rows that were passed over.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Notes {
    pub(crate) columns: Vec<Note>,
    pub passed: Passed,
}

/// Lines that are no rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Lines that repeat the header.
    pub headers: u64,
    /// Blank lines between rows.
    pub blank: u64,
    /// Blank lines that are rows, for the dataset has one column.
    pub blank_rows: u64,
    /// Marks of byte order in mid-file.
    pub byte_order_marks: u64,
    /// Cells with a NUL at an end.
    pub nuls: u64,
}

impl Notes {
    pub(crate) fn add(&mut self, note: Note) {
        // Of declared columns all cells are counted, for there may be further parts of the dataset.
        if note.is_declared || !note.is_empty() {
            self.columns.push(note);
        }
    }

    /// Of each column that was declared, or where anything was met.
    #[must_use]
    pub fn columns(&self) -> &[Note] {
        &self.columns
    }

    #[must_use]
    pub fn of(&self, column: &str) -> Option<&Note> {
        self.columns.iter().find(|note| note.column == column)
    }

    /// Takes what was met in another part of the same dataset, behind `first_row` rows.
    pub fn absorb(&mut self, other: Notes, first_row: u64) {
        for note in other.columns {
            match self
                .columns
                .iter_mut()
                .find(|known| known.column == note.column)
            {
                Some(known) => known.absorb(note, first_row),
                None => {
                    let mut known = Note {
                        kind: note.kind,
                        is_declared: note.is_declared,
                        outcome: note.outcome.clone(),
                        format: note.format.clone(),
                        ..Note::of(&note.column)
                    };
                    known.absorb(note, first_row);
                    self.columns.push(known);
                }
            }
        }
        self.passed.add(other.passed);
    }

    /// What people should know, a sentence each.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        sentences::of(self)
    }
}

impl Passed {
    pub fn add(&mut self, other: Passed) {
        self.headers += other.headers;
        self.blank += other.blank;
        self.blank_rows += other.blank_rows;
        self.byte_order_marks += other.byte_order_marks;
        self.nuls += other.nuls;
    }
}
