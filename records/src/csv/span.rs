//! Where the cells of a line are.

use crate::error::Problem;
use crate::input::Window;

/// A cell in a window.
pub(super) struct Span {
    pub from: usize,
    pub to: usize,
    pub is_quoted: bool,
    /// Whether it holds doubled quotes.
    doubled: bool,
    pub end: End,
    /// Where the next cell begins.
    pub next: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Cell,
    Row,
}

/// Where the line after an empty one begins.
#[inline(always)]
pub(super) fn blank_line(window: Window<'_>, at: usize) -> Option<usize> {
    match window.bytes[at] {
        b'\n' => Some(at + 1),
        b'\r' if window.bytes[at + 1] == b'\n' => Some(at + 2),
        _ => None,
    }
}

/// The cell that begins at `at`; `None` when the window does not hold all of it.
#[inline]
pub(super) fn span(window: Window<'_>, at: usize, separator: u8) -> Result<Option<Span>, Problem> {
    if window.bytes[at] == b'"' {
        return quoted_span(window, at, separator);
    }
    let Some(to) = find(window, at, separator) else {
        return Ok(None);
    };
    let is_row = window.bytes[to] == b'\n';
    let carriage = is_row && to > at && window.bytes[to - 1] == b'\r';
    Ok(Some(Span {
        from: at,
        to: to - usize::from(carriage),
        is_quoted: false,
        doubled: false,
        end: if is_row { End::Row } else { End::Cell },
        next: to + 1,
    }))
}

fn quoted_span(window: Window<'_>, at: usize, separator: u8) -> Result<Option<Span>, Problem> {
    let text = &window.bytes[..window.end];
    let mut doubled = false;
    let mut to = at + 1;
    loop {
        let Some(quote) = text[to..].iter().position(|byte| *byte == b'"') else {
            return Ok(None);
        };
        to += quote;
        match text.get(to + 1) {
            None => return Ok(None),
            Some(b'"') => {
                doubled = true;
                to += 2;
            }
            Some(_) => break,
        }
    }
    let (end, next) = match &text[to + 1..] {
        [byte, ..] if *byte == separator => (End::Cell, to + 2),
        [b'\n', ..] => (End::Row, to + 2),
        [b'\r', b'\n', ..] => (End::Row, to + 3),
        [b'\r'] => return Ok(None),
        _ => return Err(Problem::TextAfterQuote),
    };
    Ok(Some(Span {
        from: at + 1,
        to,
        is_quoted: true,
        doubled,
        end,
        next,
    }))
}

/// The text of a cell, its doubled quotes single.
pub(super) fn unquote<'t>(unquoted: &'t mut Vec<u8>, window: Window<'t>, span: &Span) -> &'t [u8] {
    let text = &window.bytes[span.from..span.to];
    if !span.doubled {
        return text;
    }
    unquoted.clear();
    let mut rest = text;
    while let Some(quote) = rest.iter().position(|byte| *byte == b'"') {
        unquoted.extend_from_slice(&rest[..=quote]);
        rest = &rest[quote + 2..];
    }
    unquoted.extend_from_slice(rest);
    unquoted
}

/// The first separator or line feed from `at` on, eight bytes at a time.
#[inline(always)]
fn find(window: Window<'_>, mut at: usize, separator: u8) -> Option<usize> {
    let separators = u64::from_le_bytes([separator; 8]);
    let line_feeds = u64::from_le_bytes([b'\n'; 8]);
    while at < window.end {
        let chunk = u64::from_le_bytes(*window.bytes[at..].first_chunk::<8>()?);
        let found = zeros(chunk ^ separators) | zeros(chunk ^ line_feeds);
        if found != 0 {
            let to = at + (found.trailing_zeros() / 8) as usize;
            return (to < window.end).then_some(to);
        }
        at += 8;
    }
    None
}

/// The high bit of each byte up to the first that is zero; higher ones may be set too often.
#[inline(always)]
fn zeros(chunk: u64) -> u64 {
    chunk.wrapping_sub(0x0101_0101_0101_0101) & !chunk & 0x8080_8080_8080_8080
}
