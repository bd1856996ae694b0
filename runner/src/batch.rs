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

/// A guest gives way every few milliseconds. On a machine with much to do it comes to that later.
const LAST_GUEST: Duration = Duration::from_secs(2);

/// How one version of many ended.
pub struct Finished {
    pub run: RunPlan,
    pub result: Result<Outcome, Error>,
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
    for (index, run) in plan.runs.iter().cloned().enumerate() {
        if let Some(outcome) = made.remove(&index) {
            let result = Ok(outcome);
            finished.push((index, Finished { run, result }));
            continue;
        }
        let (plan, prepared, timings, places) = (
            plan.clone(),
            running.prepared.clone(),
            timings.clone(),
            places.clone(),
        );
        let task = running
            .tasks
            .spawn(async move { one(&prepared, &plan, &run, &timings, &places).await });
        tasks.insert(task.id(), index);
    }
    let bar = progress_bar(running.tasks.len());
    while let Some(ended) = running.tasks.join_next_with_id().await {
        // A version never goes missing, not even with a thread that broke down.
        let (task, result) = ended.unwrap_or_else(|error| {
            let what = "the version's thread ended early";
            (error.id(), Err(Error::local(what, io::Error::other(error))))
        });
        bar.inc(1);
        let Some(index) = tasks.remove(&task) else {
            continue;
        };
        let run = plan.runs[index].clone();
        if let Ok(outcome) = &result
            && let Some(parity) = outcome.manifest.parity.as_ref()
            && !parity.met()
        {
            let line = report::parity_line(parity);
            bar.suspend(|| tracing::warn!("version {}: parity {line}", run.version.model_version));
        }
        if let Err(error) = &result {
            bar.suspend(|| tracing::warn!("version {}: {error}", run.version.model_version));
        }
        finished.push((index, Finished { run, result }));
    }
    bar.finish_and_clear();
    finished.sort_by_key(|(index, _)| *index);
    Ok(finished.into_iter().map(|(_, finished)| finished).collect())
}

/// What runs at this moment.
struct Running {
    tasks: JoinSet<Result<Outcome, Error>>,
    prepared: Arc<Prepared>,
}

impl Drop for Running {
    /// Stops what nobody waits for any more. The working folders go with the last who holds them: that is to be us.
    fn drop(&mut self) {
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
}

impl Places {
    fn new(jobs: usize) -> Self {
        Self {
            training: Semaphore::new(jobs),
            delivery: Semaphore::new(jobs),
        }
    }
}

async fn one(
    prepared: &Prepared,
    plan: &Plan,
    run: &RunPlan,
    all: &Timings,
    places: &Places,
) -> Result<Outcome, Error> {
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
