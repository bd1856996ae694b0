//! Log lines on stderr, for people or for collectors. Results go to stdout, and not through here.

use std::fmt;
use std::io::IsTerminal;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::cli::{Global, LogFormat};
use crate::error::Error;

/// Where lines come from that the guest wrote.
pub const GUEST: &str = "guest";

/// Starts logging for this process.
pub fn start(global: &Global) {
    let level = match (global.quiet, global.verbose) {
        (true, _) => Level::WARN,
        (_, true) => Level::DEBUG,
        _ => Level::INFO,
    };
    // Libraries speak up only when something is wrong: their debug lines may hold headers.
    let filter = Targets::new()
        .with_default(Level::WARN)
        .with_target("runner", level)
        .with_target(GUEST, level);
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match global.log_format {
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).init(),
        LogFormat::Text => {
            let lines = layer.with_ansi(std::io::stderr().is_terminal());
            registry.with(lines.event_format(ForPeople)).init();
        }
    }
}

/// Says why the process ends.
pub fn report(error: &Error) {
    tracing::error!("{error}");
}

/// The message alone, as command line tools print it: no time, no module, `warning:` and `error:` where it matters.
struct ForPeople;

impl<S, N> FormatEvent<S, N> for ForPeople
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
        let (label, color) = match *metadata.level() {
            Level::ERROR => ("error: ", "\x1b[1;31m"),
            Level::WARN => ("warning: ", "\x1b[1;33m"),
            _ if metadata.target() == GUEST => ("  | ", "\x1b[2m"),
            _ => ("", ""),
        };
        if writer.has_ansi_escapes() && !label.is_empty() {
            write!(writer, "{color}{label}\x1b[0m")?;
        } else {
            write!(writer, "{label}")?;
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        writeln!(writer, "{}", crate::harmless(&message.0))
    }
}

/// The event's message; its other fields are for collectors.
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}
