//! What the module tells people while it works: lines on stderr, and warnings, which travel on with the result.

use std::cell::RefCell;
use std::io::Write;

use contract::Warning;

/// Where lines for people go, and what there is to warn of so far.
pub struct Log<'a> {
    to: &'a mut dyn Write,
    warnings: Vec<Warning>,
}

impl<'a> Log<'a> {
    pub fn new(to: &'a mut dyn Write) -> Self {
        Self {
            to,
            warnings: Vec::new(),
        }
    }

    /// One line. Nobody reading it is no reason to stop.
    pub fn say(&mut self, line: impl std::fmt::Display) {
        let _ = writeln!(self.to, "{line}");
    }

    /// Says lines from where nothing can be changed.
    pub fn hearing(&mut self) -> impl Fn(String) {
        let log = RefCell::new(self);
        move |line| {
            // Nobody says a line while one is said.
            if let Ok(mut log) = log.try_borrow_mut() {
                log.say(line);
            }
        }
    }

    /// Says the warnings now, for the run may be stopped before its end, and keeps them for the result.
    pub fn warn(&mut self, warnings: impl IntoIterator<Item = Warning>) {
        for warning in warnings {
            self.say(format_args!("warning: {warning}"));
            self.warnings.push(warning);
        }
    }

    /// All warnings so far, in the order in which they were raised.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }
}
