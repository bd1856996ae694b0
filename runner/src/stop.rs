//! How work on another thread is told to end.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// An order to end, given once. Clones are one and the same. A guest looks at it in every loop and function, the host in
/// every call, and what takes long in between.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    own: Order,
    /// The order to all that this one is among.
    all: Option<Order>,
}

/// When it was given.
type Order = Arc<OnceLock<Instant>>;

/// Why work ended that was told to. Nobody reads it: whoever gave the order knows why.
#[derive(Debug, thiserror::Error)]
#[error("it was stopped")]
pub struct Stopped;

impl Stop {
    /// One that is given with this one, too.
    #[must_use]
    pub fn one_of(&self) -> Self {
        Self {
            own: Order::default(),
            all: Some(self.own.clone()),
        }
    }

    /// Gives the order. Returns when it was given first.
    pub fn order(&self) -> Instant {
        match self.ordered() {
            Some(at) => at,
            None => *self.own.get_or_init(Instant::now),
        }
    }

    fn ordered(&self) -> Option<Instant> {
        let all = self.all.as_ref().and_then(|all| all.get());
        let own = self.own.get();
        own.into_iter().chain(all).min().copied()
    }

    /// # Errors
    /// When the work is to end.
    pub fn check(&self) -> Result<(), Stopped> {
        match self.ordered() {
            Some(_) => Err(Stopped),
            None => Ok(()),
        }
    }
}

/// Gives the order when it is dropped: when nobody waits for the work any more.
pub struct StopOnDrop(pub Stop);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.order();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_order_to_all_is_one_to_each_and_counts_from_then() {
        let all = Stop::default();
        let (first, second) = (all.one_of(), all.one_of());
        let early = first.order();
        assert!(first.check().is_err());
        assert!(second.check().is_ok());
        assert!(all.check().is_ok());
        let late = all.order();
        assert!(second.check().is_err());
        assert_eq!(second.order(), late);
        assert_eq!(first.order(), early);
        let stop = Stop::default();
        drop(StopOnDrop(stop.clone()));
        assert!(stop.check().is_err());
    }
}
