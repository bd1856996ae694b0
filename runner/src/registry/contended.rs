//! Changing an object that others change, too: compare-and-swap, with pauses, until it comes off or has an end.

use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use crate::store::{Store, StoreError};

/// How often a change is tried.
const TRIES: usize = 100;
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Pauses between tries. Steps that were not lost to somebody else take none, and do not count as tries.
pub(super) struct Pauses {
    begin: Instant,
    patience: Duration,
    pauses: ExponentialBackoff,
    is_first: bool,
}

impl Pauses {
    pub fn new(patience: Duration) -> Self {
        Self {
            begin: Instant::now(),
            patience,
            pauses: ExponentialBuilder::default()
                .with_min_delay(FIRST_PAUSE)
                .with_max_delay(LONGEST_PAUSE)
                .with_max_times(TRIES - 1)
                // So that those who met do not meet again.
                .with_jitter()
                .build(),
            is_first: true,
        }
    }

    /// The last one came off: the next one is another step, and need not be waited for.
    pub fn skip(&mut self) {
        self.is_first = true;
    }

    /// Before each try: waits, but before the first one. Whether there is another try.
    pub async fn next(&mut self, store: &dyn Store) -> bool {
        if std::mem::take(&mut self.is_first) {
            return true;
        }
        let left = self.patience.saturating_sub(self.begin.elapsed());
        let Some(pause) = self.pauses.next().filter(|pause| *pause < left) else {
            return false;
        };
        store.pause(pause).await;
        true
    }

    pub fn too_busy(&self, url: String) -> StoreError {
        StoreError::Unreachable {
            url,
            problem: format!(
                "each time that it was to be changed, the store said that somebody else had changed it first, for {} seconds: run this again, or wait longer with --store-timeout",
                self.begin.elapsed().as_secs()
            ),
        }
    }
}
