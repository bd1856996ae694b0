//! How a guest is told to end, from another thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Clones are one and the same. The guest looks at it in every loop and function, and the host in every call.
#[derive(Clone, Default)]
pub(super) struct Stop(Arc<AtomicBool>);

/// Why a guest ended that was told to. Nobody reads it: whoever gave the order knows why.
#[derive(Debug, thiserror::Error)]
#[error("the guest was stopped")]
pub(super) struct Stopped;

impl Stop {
    pub fn order(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// # Errors
    /// When the guest is to end.
    pub fn check(&self) -> Result<(), Stopped> {
        if self.0.load(Ordering::Relaxed) {
            Err(Stopped)
        } else {
            Ok(())
        }
    }
}
