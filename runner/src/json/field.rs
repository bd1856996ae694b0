//! One number out of a large document, without parsing the rest of it.

use std::io::{self, BufRead};

use super::validator::{Place, Validator};
use super::{Bounds, Problem};

/// Bytes of a number, with the blanks around it.
const LONGEST_NUMBER: usize = 64;
/// Bytes that a character of a name takes at most (`\u0041`).
const LONGEST_ESCAPE: usize = 6;

/// Why a number can't be had.
#[derive(Debug, thiserror::Error)]
pub enum FieldError {
    #[error(transparent)]
    Read(#[from] io::Error),
    #[error(transparent)]
    Json(#[from] Problem),
    #[error("what it gives as `{0}` is not a whole number")]
    NoNumber(&'static str),
}

/// The whole number that the document, an object, gives as `name`; of several the first. `None` when it gives none, or is no
/// object. What stands behind the number is not read, and a document of any length takes the same memory.
///
/// # Errors
/// When the document can't be read, is no JSON as far as it is read, passes `bounds`, or gives something else as `name`.
pub fn number(
    mut document: impl BufRead,
    name: &'static str,
    bounds: &Bounds,
) -> Result<Option<u32>, FieldError> {
    let mut search = Search {
        name,
        validator: Validator::new(bounds),
        text: Vec::new(),
        wanted: false,
    };
    let mut read = 0_u64;
    loop {
        let piece = match document.fill_buf() {
            Ok([]) => {
                search.validator.finish()?;
                return Ok(None);
            }
            Ok(piece) => piece,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        };
        let length = piece.len();
        read = read.saturating_add(length as u64);
        if read > bounds.bytes {
            return Err(Problem::Large(bounds.bytes).into());
        }
        if let Some(found) = search.feed(piece)? {
            return Ok(Some(found));
        }
        document.consume(length);
    }
}

struct Search {
    name: &'static str,
    validator: Validator,
    /// Of the name or the value that is being read; never longer than one that counts.
    text: Vec<u8>,
    /// Whether the value that comes is the one.
    wanted: bool,
}

impl Search {
    fn feed(&mut self, mut piece: &[u8]) -> Result<Option<u32>, FieldError> {
        while !piece.is_empty() {
            let before = self.validator.place();
            let taken = self.validator.step(piece)?;
            let (bytes, rest) = piece.split_at(taken);
            piece = rest;
            match (before, self.validator.place()) {
                (Place::Name, Place::Name) => self.keep(bytes, self.name.len() * LONGEST_ESCAPE),
                (Place::Name, _) => {
                    self.wanted = self.is_the_name();
                    self.text.clear();
                }
                (_, Place::Name) => self.text.clear(),
                (Place::Value, Place::Value) if self.wanted => {
                    let is_first = self.text.is_empty();
                    if !(is_first && bytes.trim_ascii().is_empty()) {
                        self.keep(bytes, LONGEST_NUMBER);
                    }
                }
                // What ends a number is no part of it.
                (Place::Value, _) if self.wanted => return self.number().map(Some),
                _ => {}
            }
        }
        Ok(None)
    }

    /// Keeps one byte more than `most`, so that what is too long does not pass for its beginning.
    fn keep(&mut self, bytes: &[u8], most: usize) {
        let room = (most + 1).saturating_sub(self.text.len());
        self.text.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn is_the_name(&self) -> bool {
        let quoted = [b"\"", self.text.as_slice(), b"\""].concat();
        serde_json::from_slice::<String>(&quoted).is_ok_and(|name| name == self.name)
    }

    fn number(&self) -> Result<u32, FieldError> {
        let text = str::from_utf8(&self.text).ok();
        let number = text.and_then(|text| text.parse().ok());
        number.ok_or(FieldError::NoNumber(self.name))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::{BufReader, Read};

    use super::*;

    const BOUNDS: Bounds = Bounds {
        bytes: 1 << 20,
        depth: 1_000,
        values: u64::MAX,
    };

    /// Of one piece, and of pieces of a byte and of three.
    fn look(text: &str) -> Result<Option<u32>, String> {
        let of = |size: usize| {
            let reader = BufReader::with_capacity(size, text.as_bytes());
            number(reader, "rules", &BOUNDS).map_err(|error| error.to_string())
        };
        let whole = of(text.len().max(1));
        assert_eq!(of(1), whole, "{text}");
        assert_eq!(of(3), whole, "{text}");
        whole
    }

    #[test]
    fn a_number_is_found_however_it_is_written_and_nothing_else_passes_for_it() {
        for (text, expected) in [
            (r#"{"rules":2}"#, Some(2)),
            (
                r#" { "format" : 1 , "rules" :  27 , "more": [] } "#,
                Some(27),
            ),
            (r#"{"r\u0075les":3}"#, Some(3)),
            (r#"{"rules":2,"rules":3}"#, Some(2)),
            (
                r#"{"a":{"rules":7},"b":[{"rules":8}],"c":"\"rules\":9"}"#,
                None,
            ),
            (
                r#"{"rule":1,"rules ":2,"rulesrulesrulesrulesrulesrules":3,"":4}"#,
                None,
            ),
            (r#"[{"rules":7}]"#, None),
            ("[]", None),
            ("7", None),
            ("{}", None),
            // Behind the number nothing is read.
            (r#"{"rules":2,"#, Some(2)),
        ] {
            assert_eq!(look(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_whole_number_or_no_json_is_an_error() {
        for other in [
            "\"2\"",
            "2.0",
            "-1",
            "1e1",
            "4294967296",
            "null",
            "true",
            "[2]",
            "{}",
            "{\"rules\":2}",
        ] {
            let error = look(&format!("{{\"rules\": {other} }}")).unwrap_err();
            assert!(error.contains("`rules`"), "{other}: {error}");
        }
        let long = look(&format!("{{\"rules\":{}}}", "1".repeat(10_000)));
        assert!(long.unwrap_err().contains("`rules`"));
        for broken in [
            "",
            "{",
            "{\"a\":1",
            "{\"rules\"",
            "{\"rules\":2",
            "{a}",
            "{\"rules\":2x}",
        ] {
            look(broken).unwrap_err();
        }
    }

    #[test]
    fn a_document_is_bounded_however_deep_or_long_it_is() {
        let deep = |levels: usize| {
            let (open, close) = ("[".repeat(levels), "]".repeat(levels));
            look(&format!("{{\"deep\":{open}{close},\"rules\":2}}"))
        };
        // Deeper than serde_json goes.
        assert_eq!(deep(999), Ok(Some(2)));
        assert!(deep(1_000).unwrap_err().contains("nested deeper than 1000"));
        let endless = BufReader::new(io::repeat(b' '));
        let error = number(endless, "rules", &BOUNDS).unwrap_err();
        assert!(matches!(error, FieldError::Json(Problem::Large(_))));
        // A name or a value without an end takes no memory.
        for start in ["{\"", "{\"rules\":\"", "{\"rules\":1"] {
            let endless = start.as_bytes().chain(io::repeat(b'1'));
            let mut search = Search {
                name: "rules",
                validator: Validator::new(&BOUNDS),
                text: Vec::new(),
                wanted: false,
            };
            let mut bytes = Vec::new();
            endless.take(100_000).read_to_end(&mut bytes).unwrap();
            for piece in bytes.chunks(1_000) {
                assert_eq!(search.feed(piece).unwrap(), None);
            }
            assert!(search.text.len() <= LONGEST_NUMBER + 1);
        }
    }
}
