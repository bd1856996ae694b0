//! How a log line is written, for people or for collectors, and how long it becomes.

use std::fmt::{self, Write as _};
use std::sync::OnceLock;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::foreign;

/// Where lines come from that the guest wrote.
pub const GUEST: &str = "guest";

/// The form of this process's log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// The message alone, as command line tools print it: no time, no module, `warning:` and `error:` where it matters.
    /// Later lines of a message are indented, so that none passes for a message of its own.
    Text { colored: bool },
    /// One JSON object a line.
    Json,
}

static STYLE: OnceLock<Style> = OnceLock::new();

impl Style {
    /// Makes this the style that [`guest_line_length`] measures by. The first call counts.
    pub fn announce(self) {
        let _ = STYLE.set(self);
    }

    /// The style that was announced, else that of a pipe.
    #[must_use]
    pub fn current() -> Self {
        let announced = STYLE.get().copied();
        announced.unwrap_or(Self::Text { colored: false })
    }

    /// The line that an error of the runner becomes.
    #[must_use]
    pub(crate) fn error(self, message: &str) -> String {
        self.write(&Line {
            level: Level::ERROR,
            target: "runner::logging",
            message: message.to_owned(),
            fields: Vec::new(),
        })
    }

    fn write(self, event: &Line) -> String {
        match self {
            Self::Text { colored } => event.text(colored),
            Self::Json => event.json(),
        }
    }
}

/// Bytes of the log line that a line of a guest becomes, its framing and escapes included.
#[must_use]
pub fn guest_line_length(stream: &str, text: &str) -> u64 {
    let line = Line {
        level: Level::INFO,
        target: GUEST,
        message: text.to_owned(),
        fields: vec![("stream", serde_json::Value::from(stream))],
    };
    Style::current().write(&line).len() as u64
}

impl<S, N> FormatEvent<S, N> for Style
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        let mut line = Line {
            level: *metadata.level(),
            target: metadata.target(),
            message: String::new(),
            fields: Vec::new(),
        };
        event.record(&mut line);
        writer.write_str(&self.write(&line))
    }
}

/// What a log line says.
struct Line<'a> {
    level: Level,
    target: &'a str,
    message: String,
    /// For collectors.
    fields: Vec<(&'static str, serde_json::Value)>,
}

impl Line<'_> {
    fn text(&self, colored: bool) -> String {
        let (label, color) = match self.level {
            Level::ERROR => ("error: ", "\x1b[1;31m"),
            Level::WARN => ("warning: ", "\x1b[1;33m"),
            _ if self.target == GUEST => ("  | ", "\x1b[2m"),
            _ => ("", ""),
        };
        let message = foreign::message(&self.message).replace('\n', "\n  ");
        if colored && !label.is_empty() {
            format!("{color}{label}\x1b[0m{message}\n")
        } else {
            format!("{label}{message}\n")
        }
    }

    fn json(&self) -> String {
        let mut time = String::new();
        // Writing to a String cannot fail, and neither does this clock.
        let _ = SystemTime.format_time(&mut Writer::new(&mut time));
        let mut line = format!("{{\"timestamp\":\"{time}\",\"level\":\"{}\"", self.level);
        let message = serde_json::Value::from(foreign::message(&self.message));
        let fields = self.fields.iter().map(|(name, value)| (*name, value));
        for (name, value) in std::iter::once(("message", &message)).chain(fields) {
            let _ = write!(line, ",\"{name}\":{value}");
        }
        let _ = writeln!(
            line,
            ",\"target\":{}}}",
            serde_json::Value::from(self.target)
        );
        foreign::json(&line)
    }

    fn set(&mut self, field: &Field, value: serde_json::Value) {
        self.fields.push((field.name(), value));
    }
}

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            self.set(field, foreign::message(&format!("{value:?}")).into());
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message = value.to_owned();
        } else {
            self.set(field, foreign::message(value).into());
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value.into());
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn line(message: &str) -> Line<'static> {
        Line {
            level: Level::ERROR,
            target: "runner",
            message: message.to_owned(),
            fields: Vec::new(),
        }
    }

    #[test]
    fn no_message_begins_a_line_that_is_not_its_own() {
        let forged = "no such column\nstored    gs://prod/m_v1_a\u{9b}\u{202e}";
        assert_eq!(
            line(forged).text(false),
            "error: no such column\n  stored    gs://prod/m_v1_a\u{fffd}\u{fffd}\n"
        );
        let json = line(forged).json();
        assert_eq!(json.matches('\n').count(), 1);
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read["level"], "ERROR");
        assert_eq!(
            read["message"],
            "no such column\nstored    gs://prod/m_v1_a\u{fffd}\u{fffd}"
        );
    }

    #[test]
    fn no_message_is_without_end() {
        let endless = "\"".repeat(64 << 20);
        assert!(line(&endless).text(false).len() < 100_000);
        assert!(line(&endless).json().len() < 100_000);
    }
}
