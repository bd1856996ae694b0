//! Text that a spreadsheet takes for a formula. Predictions are opened in spreadsheets, and labels come from modules:
//! `=cmd|' /C calc'!A0` must not become a command on somebody's desk.

use crate::foreign;

/// Characters that are shown of a cell.
const SHOWN: usize = 60;

/// What formulas become, and the ones that were met.
pub(super) struct Formulas {
    /// They stay as they are.
    keep: bool,
    found: u64,
    /// The row and the text of the first.
    first: Option<(u64, String)>,
}

impl Formulas {
    pub fn new(keep: bool) -> Self {
        Self {
            keep,
            found: 0,
            first: None,
        }
    }

    /// Takes note of a cell without its quotes, in `row` of the predictions (0 is the header). True when it is to get
    /// an apostrophe before it, by which spreadsheets know text.
    pub fn defuse(&mut self, cell: &[u8], row: u64) -> bool {
        if !is_formula(cell) {
            return false;
        }
        self.found += 1;
        if self.first.is_none() {
            let text = String::from_utf8_lossy(cell);
            self.first = Some((row, foreign::shortened(&text, SHOWN)));
        }
        !self.keep
    }

    /// Warns of what was met.
    pub fn report(&self) {
        let Some((row, text)) = &self.first else {
            return;
        };
        let place = match row {
            0 => "the header".to_owned(),
            row => format!("row {row}"),
        };
        let done = if self.keep {
            "they were written as they are"
        } else {
            "each got an apostrophe before it; --keep-formulas writes them as they are"
        };
        tracing::warn!(
            "{} cells of the predictions begin as a formula of a spreadsheet does, the first in {place}: {text}; {done}",
            self.found
        );
    }
}

/// Whether a spreadsheet would calculate a cell. Numbers are none, and neither is a sign alone.
fn is_formula(cell: &[u8]) -> bool {
    let text = cell.trim_ascii();
    match text.first() {
        Some(b'=' | b'@') => text.len() > 1,
        Some(b'+' | b'-') if text.len() > 1 => {
            let number = std::str::from_utf8(text).ok().map(str::parse::<f64>);
            !matches!(number, Some(Ok(_)))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_signs_are_no_formulas() {
        for cell in [
            "", "1", "-1.5e3", "+7", "-inf", "NaN", "+", "-", "=", "a=b", "won", "'=1",
        ] {
            assert!(!is_formula(cell.as_bytes()), "{cell}");
        }
        for cell in [
            "=1",
            "=cmd|' /C calc'!A0",
            "+1+cmd|x",
            "-2+3",
            "@SUM(A1)",
            "\t=1",
            " =1",
        ] {
            assert!(is_formula(cell.as_bytes()), "{cell}");
        }
    }

    #[test]
    fn they_are_defused_unless_they_are_to_be_kept() {
        for keep in [false, true] {
            let mut formulas = Formulas::new(keep);
            assert!(!formulas.defuse(b"won", 1));
            assert_eq!(formulas.defuse(b"=a", 2), !keep);
            assert_eq!(formulas.defuse(b"=b", 3), !keep);
            assert_eq!(formulas.found, 2);
            assert_eq!(formulas.first, Some((2, "=a".to_owned())));
        }
    }
}
