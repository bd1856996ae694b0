//! Ends the process when it can't end by itself: after a signal or a deadline, something may wait for a stream that nobody
//! reads. What such an end leaves on the disk, the next run finds and removes.

use std::io;
use std::sync::OnceLock;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::AbortHandle;

use crate::exit::Exit;

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
                    Ok(exit) => end_after(GRACE, exit).await,
                    // Whoever else listens says so. Deadlines are watched all the same.
                    Err(_) => std::future::pending().await,
                }
            });
        })?;
    let _ = WATCHING.set(handle);
    Ok(())
}

/// Waits for SIGINT or SIGTERM: the status that the process is to end with.
///
/// # Errors
/// When nothing can listen for signals.
pub async fn stop_signal() -> io::Result<Exit> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => Ok(Exit::Interrupted),
        _ = terminate.recv() => Ok(Exit::Terminated),
    }
}

/// Something that is watched until one of its clones is dropped.
#[derive(Clone)]
pub struct Watched(Option<AbortHandle>);

/// Ends the process with `exit` when the deadline is over, in `limit` from now, and nobody has dropped what this returns
/// some seconds later.
#[must_use]
pub fn after(limit: Duration, exit: Exit) -> Watched {
    let watch = |watching: &Handle| {
        let task = watching.spawn(end_after(limit.saturating_add(GRACE), exit));
        task.abort_handle()
    };
    Watched(WATCHING.get().map(watch))
}

/// The same for what is left to be said: of a limit or a signal it can be said only so long.
#[must_use]
pub fn last_words(exit: Exit) -> Option<Watched> {
    match exit {
        Exit::LimitHit | Exit::Interrupted | Exit::Terminated => Some(after(Duration::ZERO, exit)),
        _ => None,
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

async fn end_after(time: Duration, exit: Exit) {
    tokio::time::sleep(time).await;
    std::process::exit(exit.code().into());
}
