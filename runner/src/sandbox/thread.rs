//! A thread of a guest's own. Whatever the guest makes the host do, deadlines and signals are heard meanwhile.

use std::convert::Infallible;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::limits::LimitHit;
use super::run::SandboxError;
use super::stop::Stop;

/// A guest that is told to end does so within milliseconds. One that is deep in a single long instruction or in a read
/// of a slow disk is left behind after this time: it can change no file any more.
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
    let mut running = Running {
        thread: tokio::task::spawn_blocking(move || {
            let _alive = alive;
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
    /// The folders of a guest are removed after it: it is to be gone by then.
    fn drop(&mut self) {
        self.stop.order();
        // One that waits for its turn never begins.
        self.thread.abort();
        let _ = self.ended.recv_timeout(LAST_CALL);
    }
}
