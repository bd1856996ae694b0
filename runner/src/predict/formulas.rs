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

    /// Appends a cell of CSV to a line, in `row` of the predictions (0 is the header). A formula gets an apostrophe before
    /// it, by which spreadsheets know text.
    pub fn push(&mut self, line: &mut Vec<u8>, cell: &[u8], row: u64) {
        match self.defused(cell, row) {
            Some(text) => push_quoted(line, &text),
            None => push_quoted(line, cell),
        }
    }

    /// The cell with an apostrophe before each formula in it; none when it may stay as it is.
    fn defused(&mut self, cell: &[u8], row: u64) -> Option<Vec<u8>> {
        // Most cells are plain numbers and words.
        if !cell.iter().any(|byte| may_begin(*byte)) {
            return None;
        }
        let starts = formulas_in(cell);
        if starts.is_empty() {
            return None;
        }
        self.found += 1;
        if self.first.is_none() {
            let text = String::from_utf8_lossy(cell);
            self.first = Some((row, foreign::shortened(&text, SHOWN)));
        }
        if self.keep {
            return None;
        }
        let mut text = Vec::with_capacity(cell.len() + starts.len());
        let mut from = 0;
        for start in starts {
            text.extend_from_slice(&cell[from..start]);
            text.push(b'\'');
            from = start;
        }
        text.extend_from_slice(&cell[from..]);
        Some(text)
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
            "{} cells of the predictions hold what a spreadsheet takes for a formula, the first in {place}: {text}; {done}",
            self.found
        );
    }
}

/// A cell of CSV, in quotes where it needs them (RFC 4180), or where a program that knows other separators might take
/// it apart.
pub fn push_quoted(line: &mut Vec<u8>, cell: &[u8]) {
    let needs_quotes = |byte: &u8| matches!(byte, b'"' | b',' | b';' | b'\t' | b'\r' | b'\n');
    if !cell.iter().any(needs_quotes) {
        line.extend_from_slice(cell);
        return;
    }
    line.push(b'"');
    for byte in cell {
        if *byte == b'"' {
            line.push(b'"');
        }
        line.push(*byte);
    }
    line.push(b'"');
}

/// A byte that a character of [`sign`] may begin with.
fn may_begin(byte: u8) -> bool {
    matches!(byte, b'=' | b'+' | b'-' | b'@') || !byte.is_ascii()
}

/// The character that a spreadsheet takes this one for, if it begins a formula: some take wide forms as well.
fn sign(each: char) -> Option<char> {
    match each {
        '=' | '+' | '-' | '@' => Some(each),
        '\u{ff1d}' | '\u{fe66}' => Some('='),
        '\u{ff0b}' | '\u{fe62}' => Some('+'),
        '\u{ff0d}' | '\u{fe63}' | '\u{2212}' => Some('-'),
        '\u{ff20}' | '\u{fe6b}' => Some('@'),
        _ => None,
    }
}

/// Where a program that separates cells by other characters than commas, or does not know this cell's quotes, might
/// see another cell begin.
fn separates(each: char) -> bool {
    each == ';' || each.is_control() || matches!(each, '\u{2028}' | '\u{2029}')
}

/// What a program may drop before it looks at a cell.
fn is_dropped(each: char) -> bool {
    each.is_whitespace() || each == '"' || is_unseen(each)
}

/// Characters that take no place or show nothing (Unicode's default ignorable ones, and blanks that are no spaces), and
/// what stands for no character.
pub(super) fn is_unseen(each: char) -> bool {
    matches!(
        each,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffd}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// The positions in a cell at which a spreadsheet might see a formula begin.
fn formulas_in(cell: &[u8]) -> Vec<usize> {
    let mut starts = Vec::new();
    // Pieces between separators, of which each begins at `start`.
    let (mut start, mut piece) = (0, String::new());
    let mut at = 0;
    let mut ends = |start: usize, piece: &mut String| {
        if is_formula(piece) {
            starts.push(start);
        }
        piece.clear();
    };
    for chunk in cell.utf8_chunks() {
        for each in chunk.valid().chars() {
            at += each.len_utf8();
            if separates(each) {
                ends(start, &mut piece);
                start = at;
            } else {
                piece.push(each);
            }
        }
        if !chunk.invalid().is_empty() {
            piece.push(char::REPLACEMENT_CHARACTER);
            at += chunk.invalid().len();
        }
    }
    ends(start, &mut piece);
    starts
}

/// Whether a spreadsheet would calculate a text. Numbers are none, and neither is a sign alone.
fn is_formula(text: &str) -> bool {
    let text = text.trim_matches(is_dropped);
    let mut rest = text.chars();
    let Some(sign) = rest.next().and_then(sign) else {
        return false;
    };
    let rest = rest.as_str();
    let is_number = || format!("{sign}{rest}").parse::<f64>().is_ok();
    !rest.is_empty() && (matches!(sign, '=' | '@') || !is_number())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn defused(cell: impl AsRef<[u8]>) -> Option<Vec<u8>> {
        Formulas::new(false).defused(cell.as_ref(), 1)
    }

    #[test]
    fn numbers_and_signs_are_no_formulas() {
        for cell in [
            "",
            "1",
            "-1.5e3",
            "+7",
            "-inf",
            "NaN",
            "+",
            "-",
            "=",
            "a=b",
            "won",
            "'=1",
            "a;b",
            "1;-2.5",
            "2024-01-01",
            "\u{2212}1.5",
            "\u{ff0d}7",
            "été",
            "価格",
            "a - b",
            "\u{a0}-3",
        ] {
            assert_eq!(defused(cell), None, "{cell}");
        }
    }

    #[test]
    fn a_formula_is_seen_behind_whatever_a_program_may_drop_or_split_at() {
        for cell in [
            "=1",
            "=cmd|' /C calc'!A0",
            "+1+cmd|x",
            "-2+3",
            "@SUM(A1)",
            " =1",
            "\u{a0}=1",
            "\u{3000}@x",
            "\u{200b}=1",
            "\u{feff}=1",
            "\u{ad}=1",
            "\"=1\"",
            "\u{ff1d}1",
            "\u{ff0b}a",
            "\u{ff0d}a",
            "\u{ff20}a",
            "\u{fe66}1",
            "\u{2212}a",
            " \u{ff1d}1",
        ] {
            assert_eq!(
                defused(cell),
                Some(format!("'{cell}").into_bytes()),
                "{cell:?}"
            );
        }
        // The apostrophe stands at the beginning of the piece that would be calculated.
        for (cell, expected) in [
            ("a;=1", "a;'=1"),
            ("\t=1", "\t'=1"),
            ("\0\u{b}=1", "\0\u{b}'=1"),
            ("a\n=1;b\r @x", "a\n'=1;b\r' @x"),
            ("\u{85}=1", "\u{85}'=1"),
            ("\u{2028}=1", "\u{2028}'=1"),
            ("x;\"=1\"", "x;'\"=1\""),
        ] {
            assert_eq!(defused(cell), Some(expected.into()), "{cell:?}");
        }
        assert_eq!(defused(b"\xff=1"), Some(b"'\xff=1".to_vec()));
        assert_eq!(defused(b"\xff\xc3"), None);
    }

    #[test]
    fn they_are_defused_unless_they_are_to_be_kept() {
        for keep in [false, true] {
            let mut formulas = Formulas::new(keep);
            let mut line = Vec::new();
            for (row, cell) in [(1, "won"), (2, "=a"), (3, "=b")] {
                formulas.push(&mut line, cell.as_bytes(), row);
            }
            let expected: &[u8] = if keep { b"won=a=b" } else { b"won'=a'=b" };
            assert_eq!(line, expected);
            assert_eq!(formulas.found, 2);
            assert_eq!(formulas.first, Some((2, "=a".to_owned())));
        }
    }

    #[test]
    fn what_another_program_might_take_apart_is_in_quotes() {
        for (cell, expected) in [
            ("a b", "a b"),
            ("a\"b", "\"a\"\"b\""),
            ("a,b", "\"a,b\""),
            ("a;b", "\"a;b\""),
            ("a\tb", "\"a\tb\""),
            ("a\rb", "\"a\rb\""),
            ("\0\u{1b}", "\0\u{1b}"),
        ] {
            let mut line = Vec::new();
            push_quoted(&mut line, cell.as_bytes());
            assert_eq!(line, expected.as_bytes(), "{cell:?}");
        }
    }
}
