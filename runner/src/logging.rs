//! Log lines on stderr, for people or for collectors. Results go to stdout, and not through here.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
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

/// How long the last line may take that is written past the others. A terminal or a file takes it at once.
const LAST_LINE: Duration = Duration::from_millis(200);

/// Whether it was said why the process ends.
static REPORTED: AtomicBool = AtomicBool::new(false);

/// Says why the process ends.
pub fn report(error: &Error) {
    tracing::error!("{error}");
    REPORTED.store(true, Ordering::Relaxed);
}

/// Says why the process ends at once, unless [`report`] did, though another thread may hold the log up. Where nobody reads
/// the log itself, nothing is said.
pub(crate) fn last_line(message: &str) {
    if REPORTED.load(Ordering::Relaxed) || !takes_more() {
        return;
    }
    let line = Style::current().error(message);
    let (done, written) = channel();
    // It may have filled up since, or be slow: another thread waits for it.
    let writer = std::thread::Builder::new().spawn(move || {
        let written = rustix::io::write(rustix::stdio::stderr(), line.as_bytes());
        let _ = done.send(written.is_ok());
    });
    if writer.is_ok() {
        let _ = written.recv_timeout(LAST_LINE);
    }
}

/// Whether stderr takes a line without waiting for its reader.
fn takes_more() -> bool {
    let stderr = rustix::stdio::stderr();
    let mut stderr = [PollFd::new(&stderr, PollFlags::OUT)];
    poll(&mut stderr, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
        && stderr[0].revents().contains(PollFlags::OUT)
}
