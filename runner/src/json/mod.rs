//! JSON that somebody else wrote, bounded before it is believed: its length, its depth and how many values it holds.
//!
//! A parser makes up to a hundred bytes of two (`[],`) and calls itself for each level, so a document is looked through
//! before it is parsed. Looking takes a byte a level and nothing else.

mod field;
mod validator;

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use field::{FieldError, number};
pub use validator::Validator;

use crate::foreign;
use crate::size::Size;

/// What a document may be.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub bytes: u64,
    /// Arrays and objects within each other.
    pub depth: usize,
    /// Strings, numbers, arrays and their like; the names of an object's fields are none.
    pub values: u64,
}

/// Why a document is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("it is larger than {}", Size(*.0))]
    Large(u64),
    #[error("it is nested deeper than {0} levels")]
    Deep(usize),
    #[error("it holds more than {0} values")]
    Many(u64),
    /// At this byte, from 0.
    #[error("it is no JSON from byte {0} on")]
    NotJson(u64),
    #[error("it was cut short")]
    CutShort,
}

impl Bounds {
    /// Whether the document is within these bounds. Whether it is JSON is for its parser to say.
    ///
    /// # Errors
    /// The bound that it passes.
    pub fn hold(&self, text: &[u8]) -> Result<(), Problem> {
        if text.len() as u64 > self.bytes {
            return Err(Problem::Large(self.bytes));
        }
        match Validator::new(self).feed(text) {
            Err(beyond @ (Problem::Deep(_) | Problem::Many(_))) => Err(beyond),
            _ => Ok(()),
        }
    }

    /// Reads a document within these bounds.
    ///
    /// # Errors
    /// What is wrong with it, in one line.
    pub fn parse<T: DeserializeOwned>(&self, text: &[u8]) -> Result<T, String> {
        self.hold(text).map_err(|problem| problem.to_string())?;
        serde_json::from_slice(text).map_err(|error| foreign::line(&error.to_string()))
    }
}

/// How long a value is as JSON without blanks. Bytes.
#[must_use]
pub fn length(value: &impl Serialize) -> u64 {
    struct Counter(u64);

    impl io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len() as u64;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let mut counter = Counter(0);
    match serde_json::to_writer(&mut counter, value) {
        Ok(()) => counter.0,
        // What can't be written has no length that would do.
        Err(_) => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_in_one_short_line() {
        let bounds = Bounds {
            bytes: 1 << 20,
            depth: 4,
            values: 10,
        };
        let text = format!("\"{}\\n\"", "x".repeat(100_000));
        let error = bounds.parse::<u64>(text.as_bytes()).err();
        let error = error.unwrap_or_default();
        assert!(error.contains("invalid type"), "{error}");
        assert!(error.chars().count() <= foreign::MAX_LINE + 1);
    }
}
