//! Requests with a body: how they go out, and whether they still move.

use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::stream;
use opendal::Buffer;

/// What is smaller goes as one piece. Bytes.
const PIECE: usize = 64 << 10;

/// When the last piece of a request went out.
#[derive(Clone, Debug)]
pub(super) struct Moved(Arc<Mutex<Instant>>);

impl Moved {
    pub fn now() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    fn again(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn quiet(&self) -> Duration {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .elapsed()
    }

    /// What `future` brings; `None` when nothing moves for as long as `silence`.
    pub async fn unless_silent<T>(
        &self,
        silence: Duration,
        future: impl Future<Output = T>,
    ) -> Option<T> {
        let mut future = pin!(future);
        loop {
            let left = silence.saturating_sub(self.quiet());
            match tokio::time::timeout(left, &mut future).await {
                Ok(done) => return Some(done),
                Err(_) if self.quiet() >= silence => return None,
                Err(_) => {}
            }
        }
    }
}

/// A body as it is sent.
pub(super) struct Body {
    pub body: reqwest::Body,
    /// Whether it goes in pieces, each of which is told of.
    pub is_watched: bool,
}

/// What is small goes as one piece; what is large is not copied into one.
pub(super) fn body_of(body: &Buffer, moved: &Moved) -> Body {
    if body.len() <= PIECE {
        return Body {
            body: body.to_bytes().into(),
            is_watched: false,
        };
    }
    let moved = moved.clone();
    let pieces = Iterator::flat_map(body.clone(), |mut bytes| {
        std::iter::from_fn(move || {
            let next = bytes.split_to(bytes.len().min(PIECE));
            (!next.is_empty()).then_some(next)
        })
    });
    let pieces = Iterator::map(pieces, move |piece| {
        moved.again();
        Ok::<_, io::Error>(piece)
    });
    Body {
        body: reqwest::Body::wrap_stream(stream::iter(pieces)),
        is_watched: true,
    }
}
