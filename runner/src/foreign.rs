//! The one gate for text that somebody else wrote: a module, a dataset, a store, a server.
//!
//! Behind it such text moves no cursor, turns no line around, begins no line of its own, and has an end. What the runner
//! shows on a terminal or writes to a log passes through here: [`line`] where the text comes in, [`lines`] once more
//! where a whole message goes out.

use std::io::{self, Write};

/// Characters that are shown of one piece of foreign text.
pub const MAX_LINE: usize = 2_000;
/// Characters that are shown of one message, whatever it is made of.
const MAX_MESSAGE: usize = 16_000;

/// Whether a character acts on a screen instead of standing on it: control characters (C0, C1 and DEL), separators of
/// lines, and what changes the direction of the text around it (Unicode's bidirectional controls).
fn acts(each: char) -> bool {
    each.is_control()
        || matches!(
            each,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}'
        )
}

/// Foreign text as one line of at most [`MAX_LINE`] characters.
#[must_use]
pub fn line(text: &str) -> String {
    shortened(text, MAX_LINE)
}

/// Foreign text as one line of at most `most` characters. One that is cut ends in `…`.
#[must_use]
pub fn shortened(text: &str, most: usize) -> String {
    cut(text, most, |each| match each {
        '\n' | '\r' | '\t' => ' ',
        each if acts(each) => char::REPLACEMENT_CHARACTER,
        each => each,
    })
}

/// A name that somebody else chose, for a message or a table. Of a long one the middle is left out: dispatched jobs of one
/// job differ at their ends.
#[must_use]
pub fn short(name: &str) -> String {
    const KEPT: usize = 38;
    let count = name.chars().count();
    if count <= 2 * KEPT + 1 {
        return line(name);
    }
    let start = name.chars().take(KEPT);
    let end = name.chars().skip(count - KEPT);
    line(&start.chain(['…']).chain(end).collect::<String>())
}

/// A message that may hold foreign text and has lines of its own. Tabs and line ends stay.
#[must_use]
pub fn lines(text: &str) -> String {
    text.chars().map(shown).collect()
}

/// The same, with an end: what is longer than a message may be is cut.
#[must_use]
pub fn message(text: &str) -> String {
    cut(text, MAX_MESSAGE, shown)
}

fn shown(each: char) -> char {
    match each {
        '\n' | '\t' => each,
        each if acts(each) => char::REPLACEMENT_CHARACTER,
        each => each,
    }
}

fn cut(text: &str, most: usize, of: impl Fn(char) -> char) -> String {
    let mut chars = text.chars();
    let mut text: String = chars.by_ref().take(most).map(of).collect();
    if chars.next().is_some() {
        text.push('…');
    }
    text
}

/// JSON that means the same and does nothing to a terminal: what acts is written as an escape. Outside of its strings
/// JSON holds no such character but line ends, which stay.
#[must_use]
pub fn json(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for each in text.chars() {
        if each != '\n' && acts(each) {
            // All of them are below U+10000: one escape says it.
            escaped.push_str(&format!("\\u{:04x}", u32::from(each)));
        } else {
            escaped.push(each);
        }
    }
    escaped
}

/// Passes foreign text on to where people may read it, as [`lines`] does, however it is cut into pieces. Bytes that are
/// no UTF-8 are replaced too.
pub struct Gate<W> {
    out: W,
    /// The beginning of a character whose end has not come yet.
    pending: Vec<u8>,
}

impl<W: Write> Gate<W> {
    pub fn new(out: W) -> Self {
        Self {
            out,
            pending: Vec::new(),
        }
    }

    /// Passes on what is whole of `bytes`, and returns what may be the beginning of a character.
    fn pass<'a>(&mut self, bytes: &'a [u8]) -> io::Result<&'a [u8]> {
        let mut chunks = bytes.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            self.out.write_all(lines(chunk.valid()).as_bytes())?;
            let rest = chunk.invalid();
            if chunks.peek().is_none() && is_beginning(rest) {
                return Ok(&bytes[bytes.len() - rest.len()..]);
            }
            if !rest.is_empty() {
                write!(self.out, "{}", char::REPLACEMENT_CHARACTER)?;
            }
        }
        Ok(&[])
    }
}

/// Whether more bytes may make a character of these.
fn is_beginning(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

impl<W: Write> Write for Gate<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let is_plain = |byte: &u8| matches!(byte, b' '..=b'~' | b'\n' | b'\t');
        if self.pending.is_empty() && bytes.iter().all(is_plain) {
            self.out.write_all(bytes)?;
            return Ok(bytes.len());
        }
        let mut text = std::mem::take(&mut self.pending);
        text.extend_from_slice(bytes);
        self.pending = self.pass(&text)?.to_vec();
        Ok(bytes.len())
    }

    /// What is left of a character by now is none.
    fn flush(&mut self) -> io::Result<()> {
        if !std::mem::take(&mut self.pending).is_empty() {
            write!(self.out, "{}", char::REPLACEMENT_CHARACTER)?;
        }
        self.out.flush()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_keeps_its_start_and_its_end() {
        let job = "sales-close-prediction/dispatch-1700000000-ab";
        assert_eq!(short(job), job);
        let long = short(&format!("begin{}end", "é".repeat(5_000)));
        assert_eq!(long.chars().count(), 77);
        assert!(long.starts_with("begin") && long.contains('…') && long.ends_with("end"));
    }

    #[test]
    fn what_others_wrote_moves_no_cursor_and_turns_nothing_around() {
        assert_eq!(
            lines("a\tb\n\x1b[2J\r\u{9b}\u{7f}"),
            "a\tb\n\u{fffd}[2J\u{fffd}\u{fffd}\u{fffd}"
        );
        assert_eq!(
            lines("\u{202e}gpj.\u{2066}\u{2028}\u{200f}\u{61c}"),
            "\u{fffd}gpj.\u{fffd}\u{fffd}\u{fffd}\u{fffd}"
        );
        assert_eq!(lines("é → 価 👩‍🔬"), "é → 価 👩‍🔬");
    }

    #[test]
    fn one_line_stays_one_line_and_ends() {
        assert_eq!(
            line("a\nstored    gs://prod\r\n"),
            "a stored    gs://prod  "
        );
        assert_eq!(shortened("aéb", 2), "aé…");
        assert_eq!(shortened("aé", 2), "aé");
        assert_eq!(line(&"x".repeat(1 << 20)).chars().count(), MAX_LINE + 1);
        assert_eq!(
            message(&"x".repeat(1 << 20)).chars().count(),
            MAX_MESSAGE + 1
        );
    }

    #[test]
    fn json_keeps_its_meaning() {
        let value = serde_json::json!({"a\u{9b}": "\u{202e}\x1b\u{7f}\"\\ é\u{2028}"});
        let text = json(&format!("{value}\n"));
        assert!(!text.trim_end().chars().any(acts), "{text}");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).unwrap(),
            value
        );
    }

    #[test]
    fn a_stream_is_the_same_however_it_is_cut() {
        let bytes = b"row,\x1b[2J\xc2\x9b\xe2\x80\xae\xff\xc3\xa9,\xe4\xbe\n\xe4\xbe\xa1\xc3";
        let whole = "row,\u{fffd}[2J\u{fffd}\u{fffd}\u{fffd}é,\u{fffd}\n価\u{fffd}";
        for size in 1..=bytes.len() {
            let mut gate = Gate::new(Vec::new());
            for piece in bytes.chunks(size) {
                gate.write_all(piece).unwrap();
            }
            gate.flush().unwrap();
            assert_eq!(String::from_utf8(gate.out).unwrap(), whole, "{size}");
        }
    }
}
