//! Whether the odd cells of a column are missing, or make it text.

use super::Met;
use crate::options::Type;

/// A column of numbers or dates has more distinct ones than this; codes have few.
const MOST_CODES: usize = 20;

/// Distinct values, as far as they are counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Distinct(pub(super) Vec<u64>);

impl Distinct {
    pub fn is_enough(&self) -> bool {
        self.0.len() > MOST_CODES
    }
}

/// What the cells of a column are, those that are missing aside.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// What the column's values are, once that is judged.
    pub kind: Option<Type>,
    /// Cells that are values of it.
    pub values: u64,
    pub odd: u64,
    /// Whole numbers with leading zeros are among the odd ones.
    pub has_codes: bool,
    pub distinct: Distinct,
    /// Of the dates, and of the durations, while numbers may be what the column holds.
    pub times: Distinct,
    pub durations: Distinct,
}

impl Tally {
    pub fn number(&mut self, value: f64, cells: u64) {
        self.values += cells;
        self.distinct.see(value);
    }

    /// Whether the cells that are of another type are missing: there are many distinct values, none of them a code, and
    /// few odd cells, none of which is a number in another form.
    pub fn odd_is_missing(&self, met: &Met) -> bool {
        if self.odd == 0 {
            return true;
        }
        let cells = self.values + self.odd;
        let is_few = self.odd * 100 <= cells;
        let is_word = !met.odd.holds_digits() && met.odd.distinct() <= 3 && self.odd * 20 <= cells;
        let is_form = met.form.is_some() && self.kind != Some(Type::Time);
        self.distinct.is_enough() && !self.has_codes && !is_form && (is_few || is_word)
    }

    /// The share of the cells that are values of the type.
    pub fn share(&self) -> f64 {
        self.values as f64 / (self.values + self.odd).max(1) as f64
    }
}
