//! Dispatches that wait for a place on a client: why, and for how long.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::answers::{Evaluation, NoPlace};
use super::api::Api;
use super::error::DispatchError;
use crate::foreign::{line, short};

/// How long a dispatch waits before anything is said: Nomad places a job within a second or two.
const SOON: Duration = Duration::from_secs(10);

/// Watches the dispatches of one region that have no place.
pub struct Placement {
    within: Option<Duration>,
    /// When one of them had a place last, or there was none that wanted one.
    placed: Instant,
    asked: Option<Instant>,
    reason: Option<String>,
}

impl Placement {
    #[must_use]
    pub fn new(within: Option<Duration>) -> Self {
        Self {
            within,
            placed: Instant::now(),
            asked: None,
            reason: None,
        }
    }

    /// Looks at the dispatches that have no place, of which `oldest` has waited longest, and says why if that is new. `running`
    /// says whether another one has a place: those behind it wait for it to end, which is as it should be.
    ///
    /// Returns whether the wait is over.
    ///
    /// # Errors
    /// When Nomad refuses or can't be reached.
    pub async fn look(
        &mut self,
        api: &Api,
        region: &str,
        waiting: usize,
        oldest: Option<(&str, Duration)>,
        running: bool,
    ) -> Result<bool, DispatchError> {
        let Some((job, waited)) = oldest else {
            self.placed = Instant::now();
            return Ok(false);
        };
        if running {
            self.placed = Instant::now();
        }
        let over = self
            .within
            .is_some_and(|within| self.placed.elapsed() >= within);
        let due = self.asked.is_none_or(|asked| asked.elapsed() >= SOON);
        if over || waited >= SOON && !running && due {
            self.asked = Some(Instant::now());
            let reason = reason(&api.evaluations(region, job).await?);
            if reason.is_some() && reason != self.reason {
                let reason = reason.as_deref().unwrap_or_default();
                tracing::warn!("{waiting} dispatched and without a place on a client: {reason}");
            }
            self.reason = reason.or(self.reason.take());
        }
        Ok(over)
    }

    /// Why there is no place, in a few words.
    #[must_use]
    pub fn reason(&self) -> &str {
        self.reason.as_deref().unwrap_or("Nomad does not say why")
    }
}

/// Why the last try to place a job failed; `None` where none failed.
fn reason(evaluations: &[Evaluation]) -> Option<String> {
    let last = evaluations
        .iter()
        .filter(|each| {
            each.failed
                .as_ref()
                .is_some_and(|groups| !groups.is_empty())
        })
        .max_by_key(|each| each.modify_index)?;
    let (_, why) = last.failed.as_ref()?.iter().next()?;
    Some(words(why))
}

fn words(why: &NoPlace) -> String {
    let pool = if why.node_pool.is_empty() {
        String::new()
    } else {
        format!(" in node pool {}", short(&why.node_pool))
    };
    let available: u64 = why
        .nodes_available
        .iter()
        .flatten()
        .map(|(_, count)| count)
        .sum();
    if why.nodes_evaluated == 0 && available == 0 {
        return format!(
            "no client{pool} is ready and eligible: look at `nomad node status`, and at the job's datacenters and node_pool"
        );
    }
    let counted = |counts: &Option<BTreeMap<String, u64>>| -> Vec<String> {
        let counts = counts.iter().flatten();
        counts
            .map(|(what, count)| format!("{} ({count} of {available})", line(what)))
            .collect()
    };
    let exhausted = counted(&why.dimension_exhausted);
    let filtered = counted(&why.constraint_filtered);
    let quota = why.quota_exhausted.iter().flatten();
    let quota: Vec<String> = quota.map(|what| line(what)).collect();
    let parts = [
        ("clients have too little left of", exhausted),
        ("clients do not meet", filtered),
        ("the quota is used up:", quota),
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(_, what)| !what.is_empty())
        .map(|(begins, what)| format!("{begins} {}", what.join(", ")))
        .collect();
    if parts.is_empty() {
        return format!("none of {available} clients{pool} takes it");
    }
    format!("{}{pool}", parts.join("; "))
}
