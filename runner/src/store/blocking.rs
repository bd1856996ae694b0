use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::StoreError;

/// Tells a blocking job that nobody waits for it any more.
#[derive(Clone, Default)]
pub(super) struct Stopped(Arc<AtomicBool>);

impl Stopped {
    /// To be asked between chunks, so that a signal ends a long copy and its temporary file goes.
    pub(super) fn check(&self) -> io::Result<()> {
        if self.0.load(Ordering::Relaxed) {
            return Err(io::Error::new(io::ErrorKind::Interrupted, "stopped"));
        }
        Ok(())
    }
}

struct StopWhenDropped(Stopped);

impl Drop for StopWhenDropped {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

/// Runs file work off the asynchronous threads. When the returned future is dropped, `job` is told to stop.
pub(super) async fn blocking<T: Send + 'static>(
    job: impl FnOnce(Stopped) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let stopped = Stopped::default();
    let _guard = StopWhenDropped(stopped.clone());
    match tokio::task::spawn_blocking(move || job(stopped)).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(StoreError::local(
                "go on with",
                std::path::Path::new("the store"),
                io::Error::from(io::ErrorKind::Interrupted),
            )),
        },
    }
}
