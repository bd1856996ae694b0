//! Many versions in one process: the points of a grid, or a range of versions.
//!
//! The data is fetched once and the module compiled once; each version is trained, tested and published on its own,
//! exactly as a single run would have done it, and one that fails leaves the others whole.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::error::Error;
use crate::exit::Exit;
use crate::made;
use crate::plan::{Plan, RunPlan};
use crate::report::{self, Outcome};
use crate::run::{self, Prepared};
use crate::timings::Timings;
use crate::watchdog;

/// A guest gives way every few milliseconds. On a machine with much to do it comes to that later.
const LAST_GUEST: Duration = Duration::from_secs(2);

/// How one version of many ended.
pub struct Finished {
    plan: Arc<Plan>,
    /// Its position in the plan.
    index: usize,
    pub result: Result<Outcome, Error>,
}

impl Finished {
    #[must_use]
    pub fn run(&self) -> &RunPlan {
        &self.plan.runs[self.index]
    }

    fn new(plan: &Arc<Plan>, index: usize, result: Result<Outcome, Error>) -> Self {
        Self {
            plan: plan.clone(),
            index,
            result,
        }
    }

    /// Says what was wrong with it.
    fn warn(&self) {
        let version = &self.run().version.model_version;
        match &self.result {
            Ok(outcome) => match &outcome.manifest.parity {
                Some(parity) if !parity.met() => {
                    tracing::warn!("version {version}: parity {}", report::parity_line(parity));
                }
                _ => {}
            },
            Err(error) => {
                let _watched = watchdog::last_words(error);
                tracing::warn!("version {version}: {error}");
            }
        }
    }
}

/// Trains every version of the plan, as many at a time as it says. Dropping the future stops the guests; what was
/// published by then stays.
///
/// # Errors
/// When module or data cannot be had. A version's own failure is in its [`Finished`].
pub async fn run(plan: Plan, timings: &Arc<Timings>) -> Result<Vec<Finished>, Error> {
    let plan = Arc::new(plan);
    let prepared = Arc::new(Prepared::new(&plan, timings).await?);
    let mut made = made::find(&plan, &prepared).await?;
    let mut finished = Vec::with_capacity(plan.runs.len());
    let places = Arc::new(Places::new(plan.jobs));
    let mut running = Running {
        tasks: JoinSet::new(),
        prepared,
    };
    let mut tasks = HashMap::new();
    let bar = progress_bar(plan.runs.len() - made.len());
    let mut waiting = 0..plan.runs.len();
    loop {
        while running.tasks.len() < places.most()
            && let Some(index) = waiting.next()
        {
            if let Some(outcome) = made.remove(&index) {
                finished.push(Finished::new(&plan, index, Ok(outcome)));
                continue;
            }
            let (plan, prepared) = (plan.clone(), running.prepared.clone());
            let (timings, places) = (timings.clone(), places.clone());
            let one = async move { one(&prepared, &plan, index, &timings, &places).await };
            tasks.insert(running.tasks.spawn(one).id(), index);
        }
        let Some(ended) = running.tasks.join_next_with_id().await else {
            break;
        };
        // A version never goes missing, not even with a thread that broke down.
        let (task, result) = ended.unwrap_or_else(|error| {
            let what = "the version's thread ended early";
            (error.id(), Err(Error::local(what, io::Error::other(error))))
        });
        bar.inc(1);
        let Some(index) = tasks.remove(&task) else {
            continue;
        };
        let ended = Finished::new(&plan, index, result);
        bar.suspend(|| ended.warn());
        finished.push(ended);
    }
    bar.finish_and_clear();
    finished.sort_by_key(|finished| finished.index);
    Ok(finished)
}

/// What runs at this moment.
struct Running {
    tasks: JoinSet<Result<Outcome, Error>>,
    prepared: Arc<Prepared>,
}

impl Drop for Running {
    /// Stops what nobody waits for any more. The working folders go with the last who holds them: that is to be us.
    fn drop(&mut self) {
        self.prepared.engine.stop_guests();
        self.tasks.abort_all();
        let started = Instant::now();
        while Arc::strong_count(&self.prepared) > 1 && started.elapsed() < LAST_GUEST {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// How many versions are trained at a time, and how many are on their way to the store: a disk or a network that is
/// waited for leaves a core to the next guest. No more trained models wait than guests run.
struct Places {
    training: Semaphore,
    delivery: Semaphore,
    most: usize,
}

impl Places {
    fn new(jobs: usize) -> Self {
        Self {
            training: Semaphore::new(jobs),
            delivery: Semaphore::new(jobs),
            most: jobs.saturating_mul(2),
        }
    }

    /// How many versions are at work: one that has no place yet takes memory and does nothing.
    fn most(&self) -> usize {
        self.most
    }
}

async fn one(
    prepared: &Prepared,
    plan: &Plan,
    index: usize,
    all: &Timings,
    places: &Places,
) -> Result<Outcome, Error> {
    let run = &plan.runs[index];
    let timings = Timings::default();
    let result = async {
        // Neither semaphore is ever closed.
        let training = places.training.acquire().await.ok();
        let trained = run::run_one(prepared, plan, run, &timings).await?;
        let _delivery = places.delivery.acquire().await.ok();
        drop(training);
        run::deliver(trained, plan, &timings).await
    }
    .await;
    // A thousand versions need no more room than a few.
    prepared.workspace.clear(&run.version.name());
    all.merge(&timings);
    result
}

/// The status of the whole: the first failure's, else a missed gate's.
///
/// # Errors
/// The first failure.
pub fn exit(finished: Vec<Finished>) -> Result<Exit, Error> {
    let mut worst = Exit::Done;
    for each in finished {
        match each.result?.status.exit() {
            Exit::Done => {}
            other => worst = other,
        }
    }
    Ok(worst)
}

/// Shown on a terminal only.
fn progress_bar(versions: usize) -> ProgressBar {
    let bar = ProgressBar::new(versions as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} versions, {eta} left") {
        bar.set_style(style);
    }
    bar
}
