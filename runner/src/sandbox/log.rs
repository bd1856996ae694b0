//! The guest's two streams: line by line into the runner's log.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use super::limits::LimitHit;
use crate::foreign;
use crate::logline::{GUEST, guest_line_length};

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
    /// Bytes of the log lines that there are so far.
    logged: u64,
    /// Whether the guest has printed anything.
    spoke: bool,
    /// What has come of a line.
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl GuestLog {
    /// `limit` counts the bytes of the log lines that both streams become, framing included.
    pub fn new(limit: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            limit,
            logged: 0,
            spoke: false,
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
        self.state().spoke
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, stream: Stream, bytes: &[u8]) -> Result<(), LimitHit> {
        let mut state = self.state();
        state.spoke |= !bytes.is_empty();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = match part.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (part, false),
            };
            for piece in text.chunks(MAX_LINE) {
                if state.line(stream).len() + piece.len() > MAX_LINE {
                    state.log(stream)?;
                }
                state.line(stream).extend_from_slice(piece);
            }
            if ends {
                state.log(stream)?;
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

    /// Logs what has come of a line, if there is room for it.
    fn log(&mut self, stream: Stream) -> Result<(), LimitHit> {
        let text = readable(self.line(stream));
        self.line(stream).clear();
        let length = guest_line_length(stream.name(), &text);
        self.logged = self.logged.saturating_add(length);
        if self.logged > self.limit {
            return Err(LimitHit::Log(self.limit));
        }
        tracing::info!(target: GUEST, stream = stream.name(), "{text}");
        Ok(())
    }
}

impl Drop for State {
    /// What the guest left without a newline is said when it is gone.
    fn drop(&mut self) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            if !self.line(stream).is_empty() {
                // Beyond the limit it is left out: the guest has ended already.
                let _ = self.log(stream);
            }
        }
    }
}

impl Stream {
    fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// Text that does nothing to a terminal: a guest must not move the cursor or retitle the window.
fn readable(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    foreign::lines(&String::from_utf8_lossy(line))
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
        // Five bytes stand around each line.
        let log = GuestLog::new(20);
        assert_eq!(log.write(Stream::Stdout, b"12345\n"), Ok(()));
        assert_eq!(log.write(Stream::Stderr, b"12345"), Ok(()));
        assert_eq!(log.write(Stream::Stderr, b"\n"), Ok(()));
        assert_eq!(log.write(Stream::Stderr, b"\n"), Err(LimitHit::Log(20)));
        assert_eq!(log.write(Stream::Stdout, b"\n"), Err(LimitHit::Log(20)));
    }

    #[test]
    fn what_a_line_becomes_is_counted_and_not_what_it_was() {
        let log = GuestLog::new(1 << 10);
        let newlines = [b'\n'; 1 << 10];
        assert_eq!(
            log.write(Stream::Stdout, &newlines),
            Err(LimitHit::Log(1 << 10))
        );
        // A byte that is no UTF-8 becomes three.
        let log = GuestLog::new(1 << 10);
        let bytes = [&[0xff; 400][..], b"\n"].concat();
        assert_eq!(
            log.write(Stream::Stdout, &bytes),
            Err(LimitHit::Log(1 << 10))
        );
    }
}
