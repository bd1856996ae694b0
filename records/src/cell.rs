//! What a cell says, read as one type or another.

use crate::duration;
use crate::number::{self, Parsed, Real};
use crate::number_format::{NumberFormat, is_code};
use crate::rules::Rules;
use crate::time::{self, Moment};
use crate::tokens;

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
    /// The nearest f64, where the column asks for it; and whether it is a whole number that no f64 is sure to hold.
    Double {
        value: f64,
        is_beyond: bool,
    },
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

/// How the cells of a column are read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct How {
    pub rules: Rules,
    /// Whether the user or a model says what the column holds, so that further ways to write it count.
    pub declared: bool,
}

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
    pub fn is_token(self, rules: Rules) -> bool {
        self.written().is_some_and(|text| match rules {
            Rules::One => tokens::is_first(text),
            Rules::Two => tokens::is_second(text),
        })
    }

    pub fn is_nan(self) -> bool {
        self.written().is_some_and(tokens::is_nan)
    }

    pub fn number<T: Real>(self, how: How) -> As<T> {
        let parsed = match self {
            Cell::Plain(text) => parse(text, how, number::parse),
            Cell::PlainWithComma(text) => parse(text, how, parse_with_comma),
            Cell::Number(text) => number::parse(text),
            Cell::String(text) if how.declared || how.rules >= Rules::Two => {
                parse(text, how, number::parse)
            }
            Cell::Boolean(value) if how.declared => {
                Parsed::Finite(T::of_single(f32::from(u8::from(value))))
            }
            Cell::Exact(Exact::Number(value)) if value.is_finite() => {
                Parsed::Finite(T::of_single(value))
            }
            Cell::Exact(Exact::Double { value, .. }) if (value as f32).is_finite() => {
                Parsed::Finite(T::of_double(value))
            }
            Cell::Exact(Exact::Number(_) | Exact::Double { .. }) => Parsed::Unfit,
            _ => Parsed::NotANumber,
        };
        match parsed {
            Parsed::Finite(value) => As::Value(value),
            Parsed::Unfit => As::Unfit,
            Parsed::NotANumber if self.is_nan() => As::Unfit,
            Parsed::NotANumber if self.is_token(how.rules) => As::Missing,
            // In a column that holds numbers, a duration is one of seconds.
            Parsed::NotANumber if how.declared && how.rules >= Rules::Two => self
                .seconds()
                .map_or(As::Other, |value| As::Value(T::of_double(value))),
            Parsed::NotANumber => As::Other,
        }
    }

    /// A duration or time of day, in seconds.
    pub fn duration(self, how: How) -> As<f64> {
        match self.seconds() {
            Some(seconds) => As::Value(seconds),
            None if self.is_token(how.rules) => As::Missing,
            None => As::Other,
        }
    }

    fn seconds(self) -> Option<f64> {
        self.written().and_then(duration::parse)
    }

    /// Whether it is a whole number that no f64 is sure to hold, written in digits.
    pub fn is_beyond_double(self) -> bool {
        match self {
            Cell::Exact(Exact::Double { is_beyond, .. }) => is_beyond,
            _ => number::is_beyond_double(self.text()),
        }
    }

    /// A number whose text is of a declared format; numbers that the source has as such are what they are.
    pub fn formatted<T: Real>(self, format: &NumberFormat, how: How) -> As<T> {
        let Some(text) = self.written() else {
            return self.number(how);
        };
        if self.is_nan() {
            return As::Unfit;
        }
        if self.is_token(how.rules) {
            return As::Missing;
        }
        let has_mark = text.iter().any(|byte| matches!(byte, b'.' | b','));
        let decimal = std::str::from_utf8(text)
            .ok()
            .and_then(|text| format.decimal(text));
        let parsed = match &decimal {
            Some(decimal) => number::parse(decimal.as_bytes()),
            None if has_mark => Parsed::NotANumber,
            None => number::parse(text),
        };
        match parsed {
            Parsed::Finite(value) => As::Value(value),
            Parsed::Unfit => As::Unfit,
            Parsed::NotANumber => As::Other,
        }
    }

    pub fn boolean(self, how: How) -> As<bool> {
        let declared = how.declared;
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
        } else if self.is_token(how.rules) {
            As::Missing
        } else {
            As::Other
        }
    }

    pub fn time(self, how: How) -> As<Moment> {
        if let Cell::Exact(Exact::Moment(moment)) = self {
            return As::Value(moment);
        }
        match self.written() {
            Some(text) => match time::parse(text) {
                Some(moment) => As::Value(moment),
                None if self.is_token(how.rules) => As::Missing,
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

/// A number as `read` tells one. By the second rules, codes are none unless the column was declared one of numbers, and
/// what nobody sees around a number is not looked at.
fn parse<T: Real>(text: &[u8], how: How, read: fn(&[u8]) -> Parsed<T>) -> Parsed<T> {
    let text = text.trim_ascii();
    if how.rules >= Rules::Two && !how.declared && is_code(text) {
        return Parsed::NotANumber;
    }
    match read(text) {
        Parsed::NotANumber if how.rules >= Rules::Two => {
            visible(text).map_or(Parsed::NotANumber, read)
        }
        parsed => parsed,
    }
}

/// The text without blanks of any kind, NUL and marks of byte order around it; `None` where there are none.
pub(crate) fn visible(text: &[u8]) -> Option<&[u8]> {
    let is_shown = |byte: &u8| (0x21..0x7f).contains(byte);
    if text.first().is_none_or(is_shown) && text.last().is_none_or(is_shown) {
        return None;
    }
    let is_unseen = |character: char| {
        character.is_whitespace() || matches!(character, '\0' | '\u{feff}' | '\u{200b}')
    };
    let seen = std::str::from_utf8(text).ok()?.trim_matches(is_unseen);
    (seen.len() < text.len()).then_some(seen.as_bytes())
}

/// A number with a decimal point or comma. Longer ones than the copy holds are no numbers that people write.
fn parse_with_comma<T: Real>(text: &[u8]) -> Parsed<T> {
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
