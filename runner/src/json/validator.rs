//! Looks through JSON without parsing it.

use super::{Bounds, Problem};

/// What may come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Value,
    /// A value, or the end of an array that has none.
    FirstValue,
    Name,
    /// A name, or the end of an object that has none.
    FirstName,
    Colon,
    /// A comma, or the end of the array or object.
    Comma,
    Nothing,
}

/// What the last byte stood in the middle of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Within {
    None,
    /// Whether it is a name.
    Text(bool),
    /// Behind a backslash, and how many hexadecimal digits are to come.
    Escape(bool, u8),
    Number(Number),
    /// What is left of `true`, `false` or `null`.
    Word(&'static [u8]),
}

/// How far a number has come (RFC 8259, 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Number {
    Minus,
    Zero,
    Whole,
    Point,
    Fraction,
    Exponent,
    ExponentSign,
    ExponentDigits,
}

/// Where in a document that is an object a byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the name of one of its fields, behind the first quotation mark.
    Name,
    /// Behind the colon, as far as the field's value goes.
    Value,
    Between,
}

/// Looks through a document as it comes, in pieces of any length.
pub struct Validator {
    depth: usize,
    values: u64,
    /// The brackets that are open.
    open: Vec<u8>,
    next: Next,
    within: Within,
    found: u64,
    at: u64,
}

impl Validator {
    /// The length of the document is its reader's to limit.
    #[must_use]
    pub fn new(bounds: &Bounds) -> Self {
        Self {
            depth: bounds.depth,
            values: bounds.values,
            open: Vec::new(),
            next: Next::Value,
            within: Within::None,
            found: 0,
            at: 0,
        }
    }

    /// # Errors
    /// When the document can't be JSON, or passes a bound.
    pub fn feed(&mut self, piece: &[u8]) -> Result<(), Problem> {
        let mut at = 0;
        while at < piece.len() {
            at += self.step(&piece[at..])?;
        }
        Ok(())
    }

    /// Takes the next bytes of `rest`, one at least where it has any: how many. Unless all change nothing, it is one.
    pub(super) fn step(&mut self, rest: &[u8]) -> Result<usize, Problem> {
        let mut taken = self.plain(rest);
        if taken == 0
            && let Some(byte) = rest.first()
        {
            self.byte(*byte)?;
            taken = 1;
        }
        self.at += taken as u64;
        Ok(taken)
    }

    /// Where in a document that is an object the last byte stood.
    pub(super) fn place(&self) -> Place {
        match (self.open.as_slice(), self.within) {
            ([b'{'], Within::Text(true) | Within::Escape(true, _)) => Place::Name,
            ([b'{'], Within::None) if self.next != Next::Value => Place::Between,
            ([b'{', ..], _) => Place::Value,
            _ => Place::Between,
        }
    }

    /// How many bytes come that change nothing: most of a document is the inside of its texts and numbers.
    fn plain(&self, rest: &[u8]) -> usize {
        let first = |ends: fn(&u8) -> bool| rest.iter().position(ends).unwrap_or(rest.len());
        match self.within {
            Within::Text(_) => first(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)),
            Within::Number(Number::Whole | Number::Fraction | Number::ExponentDigits) => {
                first(|byte| !byte.is_ascii_digit())
            }
            _ => 0,
        }
    }

    /// # Errors
    /// When the document has not come to its end.
    pub fn finish(mut self) -> Result<(), Problem> {
        // A number ends where something else begins.
        self.byte(b' ')?;
        if self.next == Next::Nothing && self.within == Within::None {
            Ok(())
        } else {
            Err(Problem::CutShort)
        }
    }

    fn byte(&mut self, byte: u8) -> Result<(), Problem> {
        match self.within {
            Within::None => self.token(byte),
            Within::Text(name) => self.text(name, byte),
            Within::Escape(name, left) => self.escape(name, left, byte),
            Within::Number(number) => match number.then(byte) {
                Some(number) => {
                    self.within = Within::Number(number);
                    Ok(())
                }
                None if number.may_end() => {
                    self.ends_value();
                    self.token(byte)
                }
                None => self.wrong(),
            },
            Within::Word(left) => match left {
                [expected] if *expected == byte => {
                    self.ends_value();
                    Ok(())
                }
                [expected, rest @ ..] if *expected == byte => {
                    self.within = Within::Word(rest);
                    Ok(())
                }
                _ => self.wrong(),
            },
        }
    }

    /// A byte outside of texts, numbers and words.
    fn token(&mut self, byte: u8) -> Result<(), Problem> {
        match (self.next, byte) {
            (_, b' ' | b'\n' | b'\r' | b'\t') => Ok(()),
            (Next::FirstValue, b']') | (Next::FirstName, b'}') => self.close(byte),
            (Next::Comma, b']' | b'}') => self.close(byte),
            (Next::Comma, b',') => {
                self.next = match self.open.last() {
                    Some(b'{') => Next::Name,
                    _ => Next::Value,
                };
                Ok(())
            }
            (Next::Name | Next::FirstName, b'"') => {
                self.within = Within::Text(true);
                Ok(())
            }
            (Next::Colon, b':') => {
                self.next = Next::Value;
                Ok(())
            }
            (Next::Value | Next::FirstValue, byte) => self.value(byte),
            _ => self.wrong(),
        }
    }

    fn value(&mut self, byte: u8) -> Result<(), Problem> {
        self.found += 1;
        if self.found > self.values {
            return Err(Problem::Many(self.values));
        }
        self.within = match byte {
            b'{' => return self.open(byte, Next::FirstName),
            b'[' => return self.open(byte, Next::FirstValue),
            b'"' => Within::Text(false),
            b't' => Within::Word(b"rue"),
            b'f' => Within::Word(b"alse"),
            b'n' => Within::Word(b"ull"),
            b'-' => Within::Number(Number::Minus),
            b'0' => Within::Number(Number::Zero),
            b'1'..=b'9' => Within::Number(Number::Whole),
            _ => return self.wrong(),
        };
        Ok(())
    }

    fn open(&mut self, bracket: u8, next: Next) -> Result<(), Problem> {
        if self.open.len() >= self.depth {
            return Err(Problem::Deep(self.depth));
        }
        self.open.push(bracket);
        self.next = next;
        Ok(())
    }

    fn close(&mut self, bracket: u8) -> Result<(), Problem> {
        match (self.open.pop(), bracket) {
            (Some(b'{'), b'}') | (Some(b'['), b']') => {
                self.ends_value();
                Ok(())
            }
            _ => self.wrong(),
        }
    }

    fn ends_value(&mut self) {
        self.within = Within::None;
        self.next = if self.open.is_empty() {
            Next::Nothing
        } else {
            Next::Comma
        };
    }

    fn text(&mut self, name: bool, byte: u8) -> Result<(), Problem> {
        match byte {
            b'"' if name => {
                self.within = Within::None;
                self.next = Next::Colon;
            }
            b'"' => self.ends_value(),
            b'\\' => self.within = Within::Escape(name, 0),
            0..=0x1f => return self.wrong(),
            _ => {}
        }
        Ok(())
    }

    fn escape(&mut self, name: bool, left: u8, byte: u8) -> Result<(), Problem> {
        self.within = match (left, byte) {
            (0, b'u') => Within::Escape(name, 4),
            (0, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Within::Text(name),
            (1, digit) if digit.is_ascii_hexdigit() => Within::Text(name),
            (2.., digit) if digit.is_ascii_hexdigit() => Within::Escape(name, left - 1),
            _ => return self.wrong(),
        };
        Ok(())
    }

    fn wrong(&self) -> Result<(), Problem> {
        Err(Problem::NotJson(self.at))
    }
}

impl Number {
    /// How far it has come with this byte; `None` when that is no part of it.
    fn then(self, byte: u8) -> Option<Self> {
        Some(match (self, byte) {
            (Self::Minus, b'0') => Self::Zero,
            (Self::Minus | Self::Whole, b'0'..=b'9') => Self::Whole,
            (Self::Zero | Self::Whole, b'.') => Self::Point,
            (Self::Point | Self::Fraction, b'0'..=b'9') => Self::Fraction,
            (Self::Zero | Self::Whole | Self::Fraction, b'e' | b'E') => Self::Exponent,
            (Self::Exponent, b'+' | b'-') => Self::ExponentSign,
            (Self::Exponent | Self::ExponentSign | Self::ExponentDigits, b'0'..=b'9') => {
                Self::ExponentDigits
            }
            _ => return None,
        })
    }

    fn may_end(self) -> bool {
        matches!(
            self,
            Self::Zero | Self::Whole | Self::Fraction | Self::ExponentDigits
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        bytes: 1 << 20,
        depth: 4,
        values: 10,
    };

    /// Looked through in one piece, and byte by byte.
    fn look(text: &str) -> Result<(), Problem> {
        let through = |size: usize| {
            let mut validator = Validator::new(&BOUNDS);
            for piece in text.as_bytes().chunks(size) {
                validator.feed(piece)?;
            }
            validator.finish()
        };
        let whole = through(text.len().max(1));
        assert_eq!(through(1), whole, "{text}");
        whole
    }

    #[test]
    fn json_is_told_from_what_is_none_as_another_parser_tells_it() {
        for text in [
            "{}",
            " [1, -0, 0.5e+3, 12E-1] ",
            r#"{"a": {"b": [true, false, null]}, "c": "\u00e9\n\"\\"}"#,
            "7",
            "\"é\"",
            "",
            "{",
            "[1,]",
            "[,1]",
            "{\"a\"}",
            "{\"a\":1,}",
            "{a:1}",
            "[1 2]",
            "[1}",
            "{\"a\":1]",
            "01",
            "-",
            "1.",
            "1e",
            "+1",
            ".5",
            "NaN",
            "tru",
            "truee",
            "nul l",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"\n\"",
            "\"open",
            "{} {}",
            "}",
            "1,2",
        ] {
            let other = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
            assert_eq!(look(text).is_ok(), other, "{text}");
        }
    }

    #[test]
    fn what_is_too_deep_or_too_much_is_found_before_it_is_parsed() {
        assert_eq!(look("[[[[]]]]"), Ok(()));
        assert_eq!(look("[[[[[]]]]]"), Err(Problem::Deep(4)));
        assert_eq!(look("[1,2,3,4,5,6,7,8,9]"), Ok(()));
        assert_eq!(look("[1,2,3,4,5,6,7,8,9,10]"), Err(Problem::Many(10)));
        // Brackets in a text are none, and names are no values.
        assert_eq!(look(r#"{"[[[[[[":"[[[[[["}"#), Ok(()));
        let endless = "[".repeat(1 << 20);
        assert_eq!(BOUNDS.hold(endless.as_bytes()), Err(Problem::Deep(4)));
        let long = vec![b' '; (1 << 20) + 1];
        assert_eq!(BOUNDS.hold(&long), Err(Problem::Large(1 << 20)));
    }
}
