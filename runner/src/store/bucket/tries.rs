//! Trying a request again: as long as it may fail, and as long as the command may wait for its store.

use std::time::{Duration, Instant};

use super::failure::Failure;
use super::waiting::Waiting;
use crate::net::retry::{Backoff, TO_CONNECT};

/// Why there was no answer that counts, where another try may bring one.
#[derive(Debug)]
pub(super) struct Passing {
    pub reason: String,
    /// What the server asked to wait.
    after: Option<Duration>,
    /// Whether a connection came about.
    connected: bool,
}

impl Passing {
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            after: None,
            connected: true,
        }
    }

    pub fn not_connected(reason: String) -> Self {
        Self {
            connected: false,
            ..Self::new(reason)
        }
    }

    pub fn after(mut self, asked: Option<Duration>) -> Self {
        self.after = asked;
        self
    }
}

/// Tries of one request, or of several that have one aim.
pub(super) struct Tries<'a> {
    /// Of the command.
    waiting: &'a Waiting,
    backoff: Backoff,
    connecting: Option<Instant>,
    /// Up to here the time that they took is counted.
    counted: Instant,
}

impl<'a> Tries<'a> {
    pub fn new(patience: Duration, waiting: &'a Waiting) -> Self {
        Self {
            waiting,
            backoff: Backoff::patience(patience),
            connecting: None,
            counted: Instant::now(),
        }
    }

    /// Waits for the moment of the next try of `what`.
    ///
    /// # Errors
    /// When there is none.
    pub async fn pause(
        &mut self,
        passing: &Passing,
        what: impl Fn() -> String,
    ) -> Result<(), Failure> {
        let Passing { reason, after, .. } = passing;
        let left = self.count();
        if passing.connected {
            self.connecting = None;
        } else {
            let since = *self.connecting.get_or_insert_with(Instant::now);
            if since.elapsed() >= TO_CONNECT {
                return Err(Failure::Unreachable(reason.clone()));
            }
        }
        let delay = self.backoff.next_within(*after, left);
        let delay = delay
            .map_err(|end| Failure::Unreachable(format!("{reason}, {end} (--store-timeout)")))?;
        tracing::debug!("{}: {reason}; trying again in {delay:.1?}", what());
        tokio::time::sleep(delay).await;
        self.count();
        Ok(())
    }

    /// Returns how long the command may still wait.
    fn count(&mut self) -> Duration {
        let left = self.waiting.failed(self.counted);
        self.counted = Instant::now();
        left
    }
}
