//! The guest's clock: it starts at a fixed time and moves only when the guest looks at it or sleeps.
//!
//! Equal inputs thus give equal times, on a slow machine as on a fast one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use wasmtime_wasi::{HostMonotonicClock, HostWallClock};

/// What the clock shows at first: 2020-01-01T00:00:00Z, in nanoseconds since 1970.
const START: u64 = 1_577_836_800_000_000_000;
/// How far it moves at each look, so that a guest that waits by looking comes to an end.
const STEP: u64 = 1_000;

/// Nanoseconds since the guest started, shared by both of its clocks.
#[derive(Clone, Default)]
pub struct GuestClock(Arc<AtomicU64>);

impl GuestClock {
    /// Nanoseconds since the guest started. Moves the clock.
    pub fn look(&self) -> u64 {
        // One guest, one thread: no two looks overlap.
        let next = self.0.load(Ordering::Relaxed).saturating_add(STEP);
        self.0.store(next, Ordering::Relaxed);
        next
    }

    /// Nanoseconds since 1970. Moves the clock.
    pub fn look_wall(&self) -> u64 {
        START.saturating_add(self.look())
    }

    /// A time since 1970 as time since the guest started.
    pub fn since_start(&self, wall: u64) -> u64 {
        wall.saturating_sub(START)
    }

    /// Moves the clock to the end of a sleep.
    pub fn sleep_until(&self, nanoseconds: u64) {
        self.0.fetch_max(nanoseconds, Ordering::Relaxed);
    }

    /// What files show as their times.
    pub fn file_time() -> u64 {
        START
    }
}

impl HostMonotonicClock for GuestClock {
    fn resolution(&self) -> u64 {
        STEP
    }

    fn now(&self) -> u64 {
        self.look()
    }
}

impl HostWallClock for GuestClock {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(STEP)
    }

    fn now(&self) -> Duration {
        Duration::from_nanos(self.look_wall())
    }
}
