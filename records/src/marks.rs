//! Whether a column's points and commas group thousands or begin decimals.

use crate::number_format::{NumberFormat, is_ambiguous};

/// What the numbers of a column show of their marks. Seeing a cell twice changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    points: bool,
    commas: bool,
    /// Some number can't have its decimals behind a point, or behind a comma.
    not_point: bool,
    not_comma: bool,
    /// The first number with a mark, and its row, counted from 1.
    example: Option<(String, u64)>,
}

/// How a column's numbers are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MarksSay {
    /// None has a mark.
    Nothing,
    /// Each has one mark and three digits behind it, and it is the same mark in all.
    Ambiguous,
    Point,
    Comma,
    /// No format reads all of them.
    Neither,
}

impl Marks {
    /// Takes a number of `row`, counted from 0, that has no comma.
    #[inline]
    pub fn see_point(&mut self, text: &[u8], row: usize) {
        if !(self.points && self.not_comma) {
            self.see(text, row);
        }
    }

    /// Takes a number of `row`, counted from 0.
    pub fn see(&mut self, text: &[u8], row: usize) {
        if self.is_settled() {
            return;
        }
        let points = text.contains(&b'.');
        let commas = text.contains(&b',');
        if !points && !commas {
            return;
        }
        let Ok(text) = std::str::from_utf8(text) else {
            return;
        };
        let text = text.trim();
        self.points |= points;
        self.commas |= commas;
        let marks = text
            .bytes()
            .filter(|byte| matches!(byte, b'.' | b','))
            .count();
        if marks == 1 {
            let may_be_thousands = is_ambiguous(text);
            self.not_point |= commas && !may_be_thousands;
            self.not_comma |= points && !may_be_thousands;
        } else {
            self.not_point |= NumberFormat::POINT.decimal(text).is_none();
            self.not_comma |= NumberFormat::COMMA.decimal(text).is_none();
        }
        self.example
            .get_or_insert_with(|| (text.to_owned(), row as u64 + 1));
    }

    /// Whether no further number changes what is known: both marks were met, and no format reads all.
    fn is_settled(&self) -> bool {
        self.not_point && self.not_comma && self.points && self.commas
    }

    pub fn say(&self) -> MarksSay {
        match (self.points || self.commas, self.not_point, self.not_comma) {
            (false, _, _) => MarksSay::Nothing,
            // Thousands with a point in some cells and with a comma in others are of no one format.
            (true, false, false) if self.points && self.commas => MarksSay::Neither,
            (true, false, false) => MarksSay::Ambiguous,
            (true, false, true) => MarksSay::Point,
            (true, true, false) => MarksSay::Comma,
            (true, true, true) => MarksSay::Neither,
        }
    }

    pub fn has_points(&self) -> bool {
        self.points
    }

    pub fn has_commas(&self) -> bool {
        self.commas
    }

    pub fn example(&self) -> Option<&(String, u64)> {
        self.example.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(cells: &[&str]) -> MarksSay {
        let mut marks = Marks::default();
        for (row, cell) in cells.iter().enumerate() {
            marks.see(cell.as_bytes(), row);
        }
        marks.say()
    }

    #[test]
    fn a_second_mark_settles_what_the_first_means() {
        for (cells, expected) in [
            (&["1", "2"][..], MarksSay::Nothing),
            (&["2.411", "17", "999.001"], MarksSay::Ambiguous),
            (&["2,411"], MarksSay::Ambiguous),
            (&["2.411", "0.123"], MarksSay::Point),
            (&["2.411", "1.5"], MarksSay::Point),
            (&["2,411", "1,5"], MarksSay::Comma),
            (&["2.411", "1.234.567"], MarksSay::Comma),
            (&["2.411", "1,5"], MarksSay::Comma),
            (&["2.411", "1.234,5"], MarksSay::Comma),
            (&["2,411", "1,234.5"], MarksSay::Point),
            (&["1.5", "1,5"], MarksSay::Neither),
            (&["2.411", "2,411"], MarksSay::Neither),
            (&["1234.567"], MarksSay::Point),
        ] {
            assert_eq!(say(cells), expected, "{cells:?}");
        }
    }
}
