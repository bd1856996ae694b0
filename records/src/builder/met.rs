use crate::marks::Marks;
use crate::notes::Spellings;
use crate::number_format::{NumberFormat, other_form};

/// What was met in a column besides its values.
#[derive(Debug, Default)]
pub(crate) struct Met {
    pub tokens: Spellings,
    /// Cells of another type.
    pub odd: Spellings,
    /// Numbers in another form among them: the first one's row, counted from 1, its text, and its format.
    pub form: Option<(u64, String, NumberFormat)>,
    pub marks: Marks,
    /// The last cell, until it is certain that its row is not read again.
    pending: Option<Pending>,
    /// Its text.
    text: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    row: usize,
    is_token: bool,
}

impl Met {
    /// Takes a word for a missing value in `row`, counted from 0.
    pub fn token(&mut self, text: &[u8], row: usize) {
        self.take(text, row, true);
    }

    /// Takes a cell of another type.
    pub fn odd(&mut self, text: &[u8], row: usize) {
        self.take(text, row, false);
    }

    fn take(&mut self, text: &[u8], row: usize, is_token: bool) {
        self.commit();
        self.pending = Some(Pending { row, is_token });
        self.text.clear();
        self.text.extend_from_slice(text);
    }

    /// Counts the last cell, whose row is complete.
    pub fn commit(&mut self) {
        match self.pending.take() {
            Some(Pending {
                row,
                is_token: true,
            }) => self.tokens.add(&self.text, row),
            Some(Pending { row, .. }) => {
                self.odd.add(&self.text, row);
                self.see_form(row);
            }
            None => {}
        }
    }

    fn see_form(&mut self, row: usize) {
        if self.form.is_none()
            && let Ok(text) = std::str::from_utf8(&self.text)
            && let Some(format) = other_form(text)
        {
            self.form = Some((row as u64 + 1, text.to_owned(), format));
        }
    }

    /// Whether so many of `rows` rows are odd that the column is read sooner as text.
    pub fn is_mostly_odd(&self, rows: usize) -> bool {
        const LEAST: u64 = 1_000;
        self.odd.cells() > LEAST && self.odd.cells() * 10 > rows as u64
    }

    /// Drops the last cell if it is of a row that is read again.
    pub fn forget(&mut self, rows: usize) {
        if self.pending.is_some_and(|pending| pending.row >= rows) {
            self.pending = None;
        }
    }
}
