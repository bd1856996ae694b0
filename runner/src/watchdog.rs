//! Ends the process when it can't end by itself: after a signal or a deadline, something may wait for a stream that nobody
//! reads. What such an end leaves on the disk, the next run finds and removes.

use std::fmt::Display;
use std::io;
use std::sync::OnceLock;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::AbortHandle;

use crate::error::Error;
use crate::exit::Exit;
use crate::logging;

/// How long the process has to end by itself. Nomad kills a task five seconds after its signal, by default.
const GRACE: Duration = Duration::from_secs(4);

/// A thread that does nothing else: it waits for no stream and no disk.
static WATCHING: OnceLock<Handle> = OnceLock::new();

/// Starts watching for signals and deadlines.
///
/// # Errors
/// When the machine has no thread left.
pub fn start() -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    std::thread::Builder::new()
        .name("watchdog".into())
        .stack_size(256 << 10)
        .spawn(move || {
            runtime.block_on(async {
                match stop_signal().await {
                    Ok(signal) => end_after(GRACE, signal.exit(), signal.to_string()).await,
                    // Whoever else listens says so. Deadlines are watched all the same.
                    Err(_) => std::future::pending().await,
                }
            });
        })?;
    let _ = WATCHING.set(handle);
    Ok(())
}

/// Waits for SIGINT or SIGTERM: what the process is to end with.
///
/// # Errors
/// When nothing can listen for signals.
pub async fn stop_signal() -> io::Result<Error> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => Ok(Error::Interrupted),
        _ = terminate.recv() => Ok(Error::Terminated),
    }
}

/// Something that is watched until one of its clones is dropped.
#[derive(Clone)]
pub struct Watched(Option<AbortHandle>);

/// Ends the process when the deadline is over, in `limit` from now, and nobody has dropped what this returns some seconds
/// later. Then `message` says why.
#[must_use]
pub fn after(limit: Duration, message: &impl Display) -> Watched {
    end_with(limit, Exit::LimitHit, message)
}

/// The same for what is left to be said: of a limit or a signal it can be said only so long.
#[must_use]
pub fn last_words(error: &Error) -> Option<Watched> {
    match error.exit() {
        exit @ (Exit::LimitHit | Exit::Interrupted | Exit::Terminated) => {
            Some(end_with(Duration::ZERO, exit, error))
        }
        _ => None,
    }
}

fn end_with(limit: Duration, exit: Exit, message: &impl Display) -> Watched {
    let watch = |watching: &Handle| {
        let time = limit.saturating_add(GRACE);
        let task = watching.spawn(end_after(time, exit, message.to_string()));
        task.abort_handle()
    };
    Watched(WATCHING.get().map(watch))
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

async fn end_after(time: Duration, exit: Exit, message: String) {
    tokio::time::sleep(time).await;
    logging::last_line(&format!(
        "{message}; the runner was ended while something waited, such as for a stream that nobody reads"
    ));
    std::process::exit(exit.code().into());
}
