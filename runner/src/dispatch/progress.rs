//! How far a campaign is: a bar on a terminal, a line now and then in a log.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// How often a log gets a line.
const LINE: Duration = Duration::from_secs(15);

/// Dropped before it is [`done`](Progress::done), it says how to go on: by the same command, unless that [would be
/// refused](Progress::is_refused).
pub struct Progress {
    bar: ProgressBar,
    all: usize,
    /// The bar counts what has ended rather than what is dispatched.
    wait: bool,
    state: Mutex<State>,
}

struct State {
    dispatched: usize,
    ended: usize,
    last_line: Instant,
    done: bool,
    refused: bool,
}

impl Progress {
    #[must_use]
    pub fn new(all: usize, wait: bool) -> Self {
        let bar = ProgressBar::new(all as u64);
        let template = if wait {
            "{bar:30} {pos}/{len} done, {msg}"
        } else {
            "{bar:30} {pos}/{len} dispatched, {msg}"
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        let state = State {
            dispatched: 0,
            ended: 0,
            last_line: Instant::now(),
            done: false,
            refused: false,
        };
        Self {
            bar,
            all,
            wait,
            state: Mutex::new(state),
        }
    }

    pub fn dispatched(&self) {
        let mut state = self.state();
        state.dispatched += 1;
        self.show(&mut state);
    }

    pub fn ended(&self, more: usize) {
        let mut state = self.state();
        state.ended += more;
        self.show(&mut state);
    }

    /// Nothing is left to do.
    pub fn done(&self) {
        self.state().done = true;
        self.bar.finish_and_clear();
    }

    /// The same command would meet the same error: that error says how to go on.
    pub fn is_refused(&self) {
        self.state().refused = true;
    }

    fn show(&self, state: &mut State) {
        let unfinished = state.dispatched.saturating_sub(state.ended);
        let position = if self.wait {
            state.ended
        } else {
            state.dispatched
        };
        self.bar.set_position(position as u64);
        self.bar.set_message(format!("{unfinished} unfinished"));
        if self.bar.is_hidden() && state.last_line.elapsed() >= LINE {
            state.last_line = Instant::now();
            tracing::info!(
                "{} of {} dispatched, {unfinished} unfinished",
                state.dispatched,
                self.all
            );
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        let state = self.state();
        if state.done || state.dispatched == 0 {
            return;
        }
        let how = if state.refused {
            ""
        } else {
            "; the same command again follows them and dispatches the rest"
        };
        tracing::warn!(
            "{} of {} are dispatched and go on in Nomad{how}",
            state.dispatched,
            self.all
        );
    }
}
