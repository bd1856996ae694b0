//! Text that is never printed, and files that hold it.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

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
/// When it can't be read, or is no text.
pub(crate) fn read_small(path: &Path) -> io::Result<Option<String>> {
    let mut text = String::new();
    File::open(path)?
        .take(LARGEST + 1)
        .read_to_string(&mut text)?;
    Ok(Some(text).filter(|text| text.len() as u64 <= LARGEST))
}
