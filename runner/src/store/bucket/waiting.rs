//! How long a command waits for its store in all: one deadline, which all of its requests share.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Counts the time in which the store fails and nothing else succeeds, and takes away what it worked since. So a command that
/// gets on goes on, however long it takes, and one whose store fails more than it works comes to an end.
#[derive(Debug)]
pub(super) struct Waiting {
    limit: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    waited: Duration,
    /// Up to here time is counted: of requests that fail side by side it is counted once.
    counted: Instant,
}

impl Waiting {
    pub fn new(limit: Duration) -> Self {
        let state = State {
            waited: Duration::ZERO,
            counted: Instant::now(),
        };
        Self {
            limit,
            state: Mutex::new(state),
        }
    }

    /// A request failed that had been sent, or had last failed, at `since`. Returns how much time is left.
    pub fn failed(&self, since: Instant) -> Duration {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed = state.count_since(since);
        state.waited = state.waited.saturating_add(elapsed);
        self.limit.saturating_sub(state.waited)
    }

    /// A request succeeded that had been sent at `since`.
    pub fn worked(&self, since: Instant) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed = state.count_since(since);
        state.waited = state.waited.saturating_sub(elapsed);
    }
}

impl State {
    fn count_since(&mut self, since: Instant) -> Duration {
        let now = Instant::now();
        let from = since.max(self.counted);
        self.counted = now;
        now.saturating_duration_since(from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// Of a store that was opened long ago.
    fn waiting(limit: Duration) -> (Waiting, Instant) {
        let long_ago = Instant::now() - 10 * MINUTE;
        let waiting = Waiting::new(limit);
        if let Ok(mut state) = waiting.state.lock() {
            state.counted = long_ago;
        }
        (waiting, Instant::now())
    }

    #[test]
    fn what_fails_side_by_side_is_counted_once() {
        let (waiting, now) = waiting(5 * MINUTE);
        let left = waiting.failed(now - 2 * MINUTE);
        assert!(left <= 3 * MINUTE && left > 2 * MINUTE, "{left:?}");
        // Counted already.
        assert!(waiting.failed(now - 2 * MINUTE) > 2 * MINUTE);
    }

    #[test]
    fn what_worked_since_is_taken_away() {
        let (waiting, now) = waiting(5 * MINUTE);
        assert_eq!(waiting.failed(now - 6 * MINUTE), Duration::ZERO);
        if let Ok(mut state) = waiting.state.lock() {
            state.counted = now - 3 * MINUTE;
        }
        waiting.worked(now - 3 * MINUTE);
        let left = waiting.failed(Instant::now());
        assert!(left > MINUTE && left <= 2 * MINUTE + MINUTE / 2, "{left:?}");
    }
}
