//! Log lines on stderr, for people or for collectors. Results go to stdout, and not through here.

use std::io::IsTerminal;

use tracing::Level;
use tracing_subscriber::fmt::format::FmtSpan;

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
    let filter = tracing_subscriber::filter::Targets::new()
        .with_default(Level::WARN)
        .with_target("runner", level)
        .with_target(GUEST, level);
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::util::SubscriberInitExt;
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_span_events(FmtSpan::NONE);
    match global.log_format {
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).init(),
        LogFormat::Text => registry
            .with(
                layer
                    .without_time()
                    .with_target(false)
                    .with_ansi(std::io::stderr().is_terminal()),
            )
            .init(),
    }
}

/// Says why the process ends.
pub fn report(error: &Error) {
    tracing::error!("{error}");
}
