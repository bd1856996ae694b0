//! What a cell says, read as one type or another.

use crate::number::{self, Parsed};
use crate::time::{self, Moment};

/// A cell as the source has it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell<'a> {
    Missing,
    /// Text of CSV, whose type is what it looks like.
    Plain(&'a [u8]),
    /// The same, where a number may have a decimal comma.
    PlainWithComma(&'a [u8]),
    /// A JSON number as it is written.
    Number(&'a [u8]),
    Boolean(bool),
    /// A JSON string: text or a date, a number only where the column was declared one.
    String(&'a [u8]),
    Array,
    /// What a format holds that has types of its own.
    Exact(Exact),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Exact {
    /// The nearest f32.
    Number(f32),
    Moment(Moment),
}

/// A cell read as a type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum As<T> {
    Value(T),
    Missing,
    /// There, and no finite f32: missing, and counted.
    Unfit,
    /// Of another type.
    Other,
}

/// What stands for a missing value in columns of numbers, booleans and dates, as in pandas; in a column of text
/// these are text.
const MISSING: [&[u8]; 10] = [
    b"NA",
    b"N/A",
    b"n/a",
    b"NULL",
    b"null",
    b"None",
    b"#N/A",
    b"<NA>",
    b"#NA",
    b"#N/A N/A",
];
/// "Not a number" as the usual tools write it.
const NAN: [&[u8]; 9] = [
    b"NaN",
    b"nan",
    b"NAN",
    b"-NaN",
    b"-nan",
    b"1.#IND",
    b"-1.#IND",
    b"1.#QNAN",
    b"-1.#QNAN",
];

impl<'a> Cell<'a> {
    /// An empty text is missing in every format, so that the same data is the same table in all of them.
    pub fn is_missing(self) -> bool {
        match self {
            Cell::Missing => true,
            Cell::Plain(text) | Cell::PlainWithComma(text) | Cell::String(text) => {
                text.trim_ascii().is_empty()
            }
            _ => false,
        }
    }

    /// The text of the cell, where it is written as text.
    fn written(self) -> Option<&'a [u8]> {
        match self {
            Cell::Plain(text) | Cell::PlainWithComma(text) | Cell::String(text) => {
                Some(text.trim_ascii())
            }
            _ => None,
        }
    }

    /// Whether it is one of the words for a missing value, "not a number" among them.
    pub fn is_marker(self) -> bool {
        self.written()
            .is_some_and(|text| MISSING.contains(&text) || NAN.contains(&text))
    }

    pub fn is_nan(self) -> bool {
        self.written().is_some_and(|text| NAN.contains(&text))
    }

    /// `declared`: the user says that the column is one of numbers, so that text of numbers counts too.
    pub fn number(self, declared: bool) -> As<f32> {
        let parsed = match self {
            Cell::Plain(text) => number::parse(text.trim_ascii()),
            Cell::PlainWithComma(text) => parse_with_comma(text.trim_ascii()),
            Cell::Number(text) => number::parse(text),
            Cell::String(text) if declared => number::parse(text.trim_ascii()),
            Cell::Boolean(value) if declared => Parsed::Finite(f32::from(value)),
            Cell::Exact(Exact::Number(value)) if value.is_finite() => Parsed::Finite(value),
            Cell::Exact(Exact::Number(_)) => Parsed::Unfit,
            _ => Parsed::NotANumber,
        };
        match parsed {
            Parsed::Finite(value) => As::Value(value),
            Parsed::Unfit => As::Unfit,
            Parsed::NotANumber if self.is_nan() => As::Unfit,
            Parsed::NotANumber if self.is_marker() => As::Missing,
            Parsed::NotANumber => As::Other,
        }
    }

    /// `declared`: the user says that the column is one of booleans, so that other words for them count too.
    pub fn boolean(self, declared: bool) -> As<bool> {
        let word = match self {
            Cell::Boolean(value) => return As::Value(value),
            Cell::Plain(text) | Cell::PlainWithComma(text) => text.trim_ascii(),
            Cell::String(text) | Cell::Number(text) if declared => text.trim_ascii(),
            _ => b"",
        };
        let is = |words: &[&str]| {
            words
                .iter()
                .any(|known| word.eq_ignore_ascii_case(known.as_bytes()))
        };
        if is(&["true"]) || declared && is(&["1", "1.0", "yes", "y", "t"]) {
            As::Value(true)
        } else if is(&["false"]) || declared && is(&["0", "0.0", "no", "n", "f"]) {
            As::Value(false)
        } else if self.is_marker() {
            As::Missing
        } else {
            As::Other
        }
    }

    pub fn time(self) -> As<Moment> {
        if let Cell::Exact(Exact::Moment(moment)) = self {
            return As::Value(moment);
        }
        match self.written() {
            Some(text) => match time::parse(text) {
                Some(moment) => As::Value(moment),
                None if self.is_marker() => As::Missing,
                None => As::Other,
            },
            None => As::Other,
        }
    }

    /// The cell as text; a number as it is written.
    pub fn text(self) -> &'a [u8] {
        match self {
            Cell::Plain(text)
            | Cell::PlainWithComma(text)
            | Cell::String(text)
            | Cell::Number(text) => text,
            Cell::Boolean(true) => b"true",
            Cell::Boolean(false) => b"false",
            Cell::Missing | Cell::Array | Cell::Exact(_) => b"",
        }
    }
}

/// A number with a decimal point or comma. Longer ones than the copy holds are no numbers that people write.
fn parse_with_comma(text: &[u8]) -> Parsed {
    let commas = text.iter().filter(|byte| **byte == b',').count();
    if commas == 0 {
        return number::parse(text);
    }
    let mut copy = [0; 64];
    let Some(copy) = copy.get_mut(..text.len()) else {
        return Parsed::NotANumber;
    };
    if commas != 1 || text.contains(&b'.') {
        return Parsed::NotANumber;
    }
    for (to, from) in copy.iter_mut().zip(text) {
        *to = if *from == b',' { b'.' } else { *from };
    }
    number::parse(copy)
}
