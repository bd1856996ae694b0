use crate::error::{Problem, ReadError};
use crate::input::Window;

/// How deep objects and arrays may be nested.
const MAX_DEPTH: usize = 100;

/// Why no more is read.
#[derive(Debug)]
pub(super) enum Stop {
    /// The window ends inside of the value.
    Incomplete,
    Failed(ReadError),
}

/// A value that is neither string, object nor array.
pub(super) enum Scalar<'w> {
    Null,
    Boolean(bool),
    Number(&'w [u8]),
    /// `NaN`, `Infinity` or `-Infinity`.
    NotFinite(&'w [u8]),
}

/// Reads the tokens of JSON in a window.
pub(super) struct Scanner<'w> {
    text: &'w [u8],
    pub at: usize,
    offset: u64,
}

impl<'w> Scanner<'w> {
    pub fn new(window: Window<'w>) -> Self {
        Scanner {
            text: &window.bytes[..window.end],
            at: 0,
            offset: window.offset,
        }
    }

    /// The byte of the next token, white space passed over.
    #[inline]
    pub fn peek(&mut self) -> Result<u8, Stop> {
        loop {
            match self.text.get(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                Some(byte) => return Ok(*byte),
                None => return Err(Stop::Incomplete),
            }
        }
    }

    pub fn since(&self, start: usize) -> &'w [u8] {
        &self.text[start..self.at]
    }

    pub fn colon(&mut self) -> Result<(), Stop> {
        if self.peek()? != b':' {
            return Err(self.expected("`:`"));
        }
        self.at += 1;
        Ok(())
    }

    /// The error that something else stands here.
    #[cold]
    pub fn expected(&self, expected: &'static str) -> Stop {
        let found = match self.text.get(self.at) {
            Some(byte) if byte.is_ascii_graphic() => format!("`{}`", char::from(*byte)),
            Some(byte) => format!("byte {byte:#04x}"),
            None => "the end".to_owned(),
        };
        let offset = self.offset + self.at as u64;
        Stop::Failed(
            Problem::Json {
                expected,
                found,
                offset,
            }
            .into(),
        )
    }

    pub fn check_depth(&self, depth: usize) -> Result<(), Stop> {
        if depth > MAX_DEPTH {
            return Err(Stop::Failed(
                Problem::JsonTooDeep { limit: MAX_DEPTH }.into(),
            ));
        }
        Ok(())
    }

    /// The string at the scanner, in `copy` if it holds escapes.
    pub fn string<'s>(&mut self, copy: &'s mut Vec<u8>) -> Result<&'s [u8], Stop>
    where
        'w: 's,
    {
        let start = self.at + 1;
        self.at = start;
        self.plain_part()?;
        if self.text[self.at] == b'"' {
            self.at += 1;
            return Ok(&self.text[start..self.at - 1]);
        }
        copy.clear();
        copy.extend_from_slice(&self.text[start..self.at]);
        while self.text[self.at] == b'\\' {
            self.escape(copy)?;
            let from = self.at;
            self.plain_part()?;
            copy.extend_from_slice(&self.text[from..self.at]);
        }
        self.at += 1;
        Ok(copy)
    }

    /// Goes on to the next quote or backslash.
    fn plain_part(&mut self) -> Result<(), Stop> {
        let rest = &self.text[self.at..];
        let Some(length) = rest
            .iter()
            .position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f))
        else {
            return Err(Stop::Incomplete);
        };
        self.at += length;
        if rest[length] < 0x20 {
            return Err(
                self.expected("the rest of a string (control characters are written as escapes)")
            );
        }
        Ok(())
    }

    /// Appends what the escape at the scanner stands for.
    fn escape(&mut self, copy: &mut Vec<u8>) -> Result<(), Stop> {
        let escape = *self.text.get(self.at + 1).ok_or(Stop::Incomplete)?;
        let byte = match escape {
            b'"' | b'\\' | b'/' => escape,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let character = self.unicode_escape()?;
                copy.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            _ => return Err(self.expected("an escape")),
        };
        copy.push(byte);
        self.at += 2;
        Ok(())
    }

    /// `\u` and four hexadecimal digits, or two of them for a character beyond the first 65,536.
    fn unicode_escape(&mut self) -> Result<char, Stop> {
        let first = self.code_unit()?;
        let code = if (0xd800..0xdc00).contains(&first) {
            if self.at + 1 >= self.text.len() {
                return Err(Stop::Incomplete);
            }
            if self.text[self.at] != b'\\' || self.text[self.at + 1] != b'u' {
                return Err(self.expected("the second half of a surrogate pair"));
            }
            let second = self.code_unit()?;
            0x10000 + ((first - 0xd800) << 10) + second.wrapping_sub(0xdc00)
        } else {
            first
        };
        char::from_u32(code).ok_or_else(|| self.expected("an escape that is a character before it"))
    }

    fn code_unit(&mut self) -> Result<u32, Stop> {
        let digits = self
            .text
            .get(self.at + 2..self.at + 6)
            .ok_or(Stop::Incomplete)?;
        let mut unit = 0;
        for digit in digits {
            let value = char::from(*digit).to_digit(16);
            unit = unit * 16 + value.ok_or_else(|| self.expected("an escape"))?;
        }
        self.at += 6;
        Ok(unit)
    }

    pub fn scalar(&mut self) -> Result<Scalar<'w>, Stop> {
        match self.text[self.at] {
            b'n' => self.word(b"null").map(|_| Scalar::Null),
            b't' => self.word(b"true").map(|_| Scalar::Boolean(true)),
            b'f' => self.word(b"false").map(|_| Scalar::Boolean(false)),
            b'N' => self.word(b"NaN").map(Scalar::NotFinite),
            b'I' => self.word(b"Infinity").map(Scalar::NotFinite),
            b'-' if self.text.get(self.at + 1) == Some(&b'I') => {
                self.word(b"-Infinity").map(Scalar::NotFinite)
            }
            b'-' | b'0'..=b'9' => self.number(),
            _ => Err(self.expected("a value")),
        }
    }

    fn word(&mut self, word: &'static [u8]) -> Result<&'w [u8], Stop> {
        let rest = &self.text[self.at..];
        if rest.len() < word.len() && word.starts_with(rest) {
            return Err(Stop::Incomplete);
        }
        if !rest.starts_with(word) {
            return Err(self.expected("a value"));
        }
        self.at += word.len();
        Ok(&rest[..word.len()])
    }

    fn number(&mut self) -> Result<Scalar<'w>, Stop> {
        let start = self.at;
        self.at += usize::from(self.text[start] == b'-');
        let whole = self.digits()?;
        if self.text[whole] == b'0' && self.at > whole + 1 {
            self.at = whole;
            return Err(self.expected("a number without leading zeros"));
        }
        if self.text[self.at] == b'.' {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.text[self.at], b'e' | b'E') {
            self.at += 1;
            if matches!(self.text.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(Scalar::Number(self.since(start)))
    }

    /// Passes over at least one digit, and gives where they begin. Something follows them in the window.
    fn digits(&mut self) -> Result<usize, Stop> {
        let start = self.at;
        while self
            .text
            .get(self.at)
            .ok_or(Stop::Incomplete)?
            .is_ascii_digit()
        {
            self.at += 1;
        }
        if self.at == start {
            return Err(self.expected("a digit"));
        }
        Ok(start)
    }

    /// Passes over a value of any kind.
    pub fn skip(&mut self, depth: usize) -> Result<(), Stop> {
        let mut copy = Vec::new();
        let open = self.peek()?;
        let close = match open {
            b'{' => b'}',
            b'[' => b']',
            b'"' => return self.string(&mut copy).map(|_| ()),
            _ => return self.scalar().map(|_| ()),
        };
        self.check_depth(depth)?;
        self.at += 1;
        if self.peek()? == close {
            self.at += 1;
            return Ok(());
        }
        loop {
            if open == b'{' {
                if self.peek()? != b'"' {
                    return Err(self.expected("a key"));
                }
                self.string(&mut copy)?;
                self.colon()?;
            }
            self.skip(depth + 1)?;
            let next = self.peek()?;
            if next == close {
                break;
            }
            if next != b',' {
                return Err(self.expected("`,` or the end of the array or object"));
            }
            self.at += 1;
        }
        self.at += 1;
        Ok(())
    }
}
