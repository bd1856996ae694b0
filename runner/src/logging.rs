//! Log lines on stderr, for people or for collectors. Results go to stdout, and not through here.

use std::io::IsTerminal;

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::cli::{Global, LogFormat};
use crate::error::Error;
use crate::logline::{GUEST, Style};

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
    let style = match global.log_format {
        LogFormat::Json => Style::Json,
        LogFormat::Text => Style::Text {
            colored: std::io::stderr().is_terminal(),
        },
    };
    style.announce();
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .event_format(style);
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .init();
}

/// Says why the process ends.
pub fn report(error: &Error) {
    tracing::error!("{error}");
}
