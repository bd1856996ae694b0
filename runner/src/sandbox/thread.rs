//! A thread of a guest's own. Whatever the guest makes the host do, deadlines and signals are heard meanwhile.

use std::convert::Infallible;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::limits::LimitHit;
use super::run::SandboxError;
use crate::stop::Stop;
use crate::watchdog;

/// A guest that is told to end does so within milliseconds. One that is deep in a single long instruction or in a read
/// of a slow disk is left behind this time after it was told so: it can change no file any more.
const LAST_CALL: Duration = Duration::from_secs(1);

/// Runs `guest` to its end or to its deadline, and tells it by `stop` when that has come. Dropping the future stops it.
///
/// # Errors
/// When the time limit is hit, or the thread breaks down.
pub(super) async fn run<T: Send + 'static>(
    stop: Stop,
    limit: Option<Duration>,
    guest: impl FnOnce() -> T + Send + 'static,
) -> Result<T, SandboxError> {
    let (alive, ended) = channel();
    // Holds the deadline where the thread that looks at it is held up itself.
    let watched = limit.map(|limit| watchdog::after(limit, &LimitHit::Timeout(limit)));
    let _watched = watched.clone();
    let mut running = Running {
        thread: tokio::task::spawn_blocking(move || {
            let _ends = (alive, watched);
            guest()
        }),
        stop,
        ended,
    };
    let result = match limit {
        None => (&mut running.thread).await,
        Some(limit) => match tokio::time::timeout(limit, &mut running.thread).await {
            Ok(result) => result,
            Err(_) => {
                running.stop.order();
                // Without keeping this thread from others, as dropping would.
                let _ = tokio::time::timeout(LAST_CALL, &mut running.thread).await;
                return Err(LimitHit::Timeout(limit).into());
            }
        },
    };
    result.map_err(|error| SandboxError::Thread(error.to_string()))
}

struct Running<T> {
    thread: JoinHandle<T>,
    stop: Stop,
    /// Closed with the thread, and never written to.
    ended: Receiver<Infallible>,
}

impl<T> Drop for Running<T> {
    /// The folders of a guest are removed after it: it is to be gone by then. Guests that were told to end together, or
    /// that were waited for already, are not waited for one after the other.
    fn drop(&mut self) {
        let ordered = self.stop.order();
        // One that waits for its turn never begins.
        self.thread.abort();
        let left = LAST_CALL.saturating_sub(ordered.elapsed());
        let _ = self.ended.recv_timeout(left);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::time::Instant;

    /// A guest that hears nothing.
    fn deaf() {
        std::thread::sleep(Duration::from_secs(4));
    }

    #[tokio::test]
    async fn a_guest_that_hears_no_deadline_is_waited_for_once() {
        let begun = Instant::now();
        let ended = run(Stop::default(), Some(Duration::from_millis(10)), deaf).await;
        assert!(matches!(ended, Err(SandboxError::Limit(_))));
        let took = begun.elapsed();
        assert!(took >= LAST_CALL, "{took:?}");
        assert!(took < LAST_CALL * 3 / 2, "{took:?}");
    }

    /// On one thread they are dropped one after the other.
    #[tokio::test]
    async fn guests_that_hear_no_order_to_all_are_waited_for_together() {
        let all = Stop::default();
        let mut guests: Vec<_> = (0..4)
            .map(|_| Box::pin(run(all.one_of(), None, deaf)))
            .collect();
        for guest in &mut guests {
            let begun = tokio::time::timeout(Duration::from_millis(20), guest).await;
            assert!(begun.is_err());
        }
        let ordered = all.order();
        drop(guests);
        let took = ordered.elapsed();
        assert!(took < LAST_CALL * 3 / 2, "{took:?}");
    }
}
