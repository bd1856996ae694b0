//! What the module tells people while it works: lines on stderr.

use std::io::Write;

/// Where lines for people go.
pub struct Log<'a>(&'a mut dyn Write);

impl<'a> Log<'a> {
    pub fn new(to: &'a mut dyn Write) -> Self {
        Self(to)
    }

    /// One line. Nobody reading it is no reason to stop.
    pub fn say(&mut self, line: impl std::fmt::Display) {
        let _ = writeln!(self.0, "{line}");
    }
}
