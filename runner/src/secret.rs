//! Text that is never printed, and files that hold it.

use std::fmt;
use std::io::{self, Read};
use std::path::Path;

use crate::platform::open_regular;

/// Larger files are no credentials. Bytes.
const LARGEST: u64 = 64 << 10;

/// Text that is never printed.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("(secret)")
    }
}

/// Reads a file of credentials; none if it holds too much to be one. No more of it is read than that takes.
///
/// # Errors
/// When it can't be read, or is no text, or no regular file: a pipe is not waited for.
pub(crate) fn read_small(path: &Path) -> io::Result<Option<String>> {
    let mut text = String::new();
    open_regular(path)?
        .take(LARGEST + 1)
        .read_to_string(&mut text)?;
    Ok(Some(text).filter(|text| text.len() as u64 <= LARGEST))
}
