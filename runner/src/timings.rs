//! How long each stage took.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Getting the dataset.
pub const FETCH: &str = "fetch data";
/// The guest.
pub const TRAIN: &str = "train";

/// Stages in the order in which they first ended. Shared by those that overlap.
pub struct Timings {
    started: Instant,
    stages: Mutex<Vec<(&'static str, Duration)>>,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            stages: Mutex::default(),
        }
    }
}

impl Timings {
    /// Of a single run: all of it until now, and what of that was neither fetching nor the guest.
    #[must_use]
    pub fn total_and_own(&self) -> (Duration, Duration) {
        let total = self.started.elapsed();
        let others = self
            .list()
            .into_iter()
            .filter(|(stage, _)| [FETCH, TRAIN].contains(stage));
        let own = others.fold(total, |left, (_, took)| left.saturating_sub(took));
        (total, own)
    }

    /// Measures `work` as `stage`.
    pub async fn time<T>(&self, stage: &'static str, work: impl Future<Output = T>) -> T {
        let started = Instant::now();
        let result = work.await;
        self.add(stage, started.elapsed());
        result
    }

    /// The same for work that does not wait.
    pub fn time_now<T>(&self, stage: &'static str, work: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let result = work();
        self.add(stage, started.elapsed());
        result
    }

    /// Stages of one name are summed: those of many versions.
    fn add(&self, stage: &'static str, took: Duration) {
        let mut stages = self.stages();
        match stages.iter_mut().find(|(name, _)| *name == stage) {
            Some((_, sum)) => *sum += took,
            None => stages.push((stage, took)),
        }
    }

    /// Adds what `other` measured.
    pub fn merge(&self, other: &Self) {
        for (stage, took) in other.list() {
            self.add(stage, took);
        }
    }

    fn stages(&self) -> std::sync::MutexGuard<'_, Vec<(&'static str, Duration)>> {
        // A stage that panicked has added nothing: the list is whole all the same.
        self.stages
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// In the order in which they ended.
    #[must_use]
    pub fn list(&self) -> Vec<(&'static str, Duration)> {
        self.stages().clone()
    }

    /// Milliseconds by stage, for the manifest.
    #[must_use]
    pub fn milliseconds(&self) -> BTreeMap<String, f64> {
        self.stages()
            .iter()
            .map(|(stage, took)| {
                (
                    (*stage).to_owned(),
                    (took.as_secs_f64() * 1e6).round() / 1e3,
                )
            })
            .collect()
    }
}
