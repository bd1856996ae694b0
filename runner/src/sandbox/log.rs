//! The guest's two streams: line by line into the runner's log.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use super::limits::LimitHit;

/// Longer lines are broken.
const MAX_LINE: usize = 8 << 10;

/// Which stream a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
}

/// Both streams of a guest. Clones write to the same log.
#[derive(Clone)]
pub struct GuestLog(Arc<Mutex<State>>);

struct State {
    limit: u64,
    written: u64,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl GuestLog {
    /// `limit` counts the bytes of both streams.
    pub fn new(limit: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            limit,
            written: 0,
            stdout: Vec::new(),
            stderr: Vec::new(),
        })))
    }

    pub fn stream(&self, stream: Stream) -> LogStream {
        LogStream {
            log: self.clone(),
            stream,
        }
    }

    /// Whether the guest has printed anything.
    pub fn spoke(&self) -> bool {
        self.state().written > 0
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, stream: Stream, bytes: &[u8]) -> Result<(), LimitHit> {
        let mut state = self.state();
        state.written = state.written.saturating_add(bytes.len() as u64);
        if state.written > state.limit {
            return Err(LimitHit::Log(state.limit));
        }
        let line = state.line(stream);
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = match part.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (part, false),
            };
            for piece in text.chunks(MAX_LINE) {
                if line.len() + piece.len() > MAX_LINE {
                    say(stream, line);
                    line.clear();
                }
                line.extend_from_slice(piece);
            }
            if ends {
                say(stream, line);
                line.clear();
            }
        }
        Ok(())
    }
}

impl State {
    fn line(&mut self, stream: Stream) -> &mut Vec<u8> {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }
}

impl Drop for State {
    /// What the guest left without a newline is said when it is gone.
    fn drop(&mut self) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let line = std::mem::take(self.line(stream));
            if !line.is_empty() {
                say(stream, &line);
            }
        }
    }
}

fn say(stream: Stream, line: &[u8]) {
    let text = readable(line);
    match stream {
        Stream::Stdout => tracing::info!(target: "guest", stream = "stdout", "{text}"),
        Stream::Stderr => tracing::info!(target: "guest", stream = "stderr", "{text}"),
    }
}

/// Text that does nothing to a terminal: a guest must not move the cursor or retitle the window.
fn readable(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    crate::harmless(&String::from_utf8_lossy(line))
}

/// One stream of a guest.
#[derive(Clone)]
pub struct LogStream {
    log: GuestLog,
    stream: Stream,
}

impl IsTerminal for LogStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogStream {
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        // Asked for by WASI preview 3 alone, which is not linked.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for LogStream {
    async fn ready(&mut self) {}
}

impl OutputStream for LogStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.log
            .write(self.stream, &bytes)
            .map_err(|limit| StreamError::Trap(limit.into()))
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 << 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_cannot_touch_the_terminal() {
        assert_eq!(
            readable(b"\x1b]0;title\x07 \x1b[2J\tdone\r"),
            "\u{fffd}]0;title\u{fffd} \u{fffd}[2J\tdone"
        );
        assert_eq!(readable(b"\xff\xc3\xa9"), "\u{fffd}\u{e9}");
    }

    #[test]
    fn a_flood_ends_at_the_limit() {
        let log = GuestLog::new(10);
        assert_eq!(log.write(Stream::Stdout, b"12345\n"), Ok(()));
        assert_eq!(log.write(Stream::Stderr, b"1234"), Ok(()));
        assert_eq!(log.write(Stream::Stderr, b"5"), Err(LimitHit::Log(10)));
    }
}
