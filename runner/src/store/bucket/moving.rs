//! Requests with a body: how they go out, and whether they still move.

use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::stream;
use opendal::Buffer;

/// What is smaller goes as one piece. Bytes.
const PIECE: usize = 64 << 10;

/// How the body of a request goes out.
#[derive(Clone, Debug)]
pub(super) struct Moved(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    begin: Instant,
    last: Instant,
    /// Bytes that have not gone out yet.
    left: usize,
}

impl Moved {
    fn new(bytes: usize) -> Self {
        let begin = Instant::now();
        let state = State {
            begin,
            last: begin,
            left: bytes,
        };
        Self(Arc::new(Mutex::new(state)))
    }

    fn piece(&self, bytes: usize) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.last = Instant::now();
        state.left = state.left.saturating_sub(bytes);
    }

    /// For how long nothing has to move yet. What went out last may lie in buffers of this machine: a line that took long for
    /// what went before may take as long for that.
    fn silence_left(&self, silence: Duration) -> Duration {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let silence = match state.left {
            0 => silence.max(state.last - state.begin),
            _ => silence,
        };
        silence.saturating_sub(state.last.elapsed())
    }

    /// What `future` brings; `None` when nothing moves for as long as `silence`.
    pub async fn unless_silent<T>(
        &self,
        silence: Duration,
        future: impl Future<Output = T>,
    ) -> Option<T> {
        let mut future = pin!(future);
        loop {
            let left = self.silence_left(silence);
            match tokio::time::timeout(left, &mut future).await {
                Ok(done) => return Some(done),
                Err(_) if self.silence_left(silence).is_zero() => return None,
                Err(_) => {}
            }
        }
    }
}

/// A body as it is sent.
pub(super) struct Body {
    pub body: reqwest::Body,
    /// Of one that goes in pieces: how it goes out.
    pub moved: Option<Moved>,
}

/// What is small goes as one piece; what is large is not copied into one.
pub(super) fn body_of(body: &Buffer) -> Body {
    if body.len() <= PIECE {
        return Body {
            body: body.to_bytes().into(),
            moved: None,
        };
    }
    let moved = Moved::new(body.len());
    let pieces = Iterator::flat_map(body.clone(), |mut bytes| {
        std::iter::from_fn(move || {
            let next = bytes.split_to(bytes.len().min(PIECE));
            (!next.is_empty()).then_some(next)
        })
    });
    let goes_out = moved.clone();
    let pieces = Iterator::map(pieces, move |piece| {
        goes_out.piece(piece.len());
        Ok::<_, io::Error>(piece)
    });
    Body {
        body: reqwest::Body::wrap_stream(stream::iter(pieces)),
        moved: Some(moved),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_counts_from_the_last_piece_and_the_last_one_may_take_as_long_as_the_others() {
        let second = Duration::from_secs(1);
        let moved = Moved::new(2);
        assert!(moved.silence_left(second) > second / 2);
        let set = |began: u32, last: u32| {
            let now = Instant::now();
            if let Ok(mut state) = moved.0.lock() {
                (state.begin, state.last) = (now - began * second, now - last * second);
            }
        };
        set(60, 2);
        assert!(moved.silence_left(second).is_zero());
        moved.piece(2);
        set(60, 2);
        assert!(moved.silence_left(second) > 50 * second);
        set(60, 31);
        assert!(moved.silence_left(second).is_zero());
    }
}
