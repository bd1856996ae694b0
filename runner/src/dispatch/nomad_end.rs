//! What became of an allocation, told by Nomad alone: its state, and the status that its tasks ended with.

use super::answers::{Allocation, Job, TaskState};
use super::api::Api;
use super::end::{End, StoppedBy};
use crate::exit::{self, Exit};
use crate::foreign;

/// The task that trains; the job's variable `memory` is its own.
const TRAIN_TASK: &str = "train";
/// The task that publishes. Its end with [`Exit::GateNotMet`] is a verdict and no failure.
const STORE_TASK: &str = "storeModel_GCP";

/// What a process ends with when SIGINT, SIGKILL or SIGTERM ends it: Nomad's ways to stop one.
const SIGNALS: [i32; 3] = [130, KILLED, 143];
/// By SIGKILL, as the kernel does it to what uses more memory than it may.
const KILLED: i32 = 137;

/// What Nomad knows of an allocation, or that it knows none. Where the store was asked, it holds no model of it.
pub async fn told_by_nomad(
    api: &Api,
    job: &Job,
    region: &str,
    allocation: Option<&Allocation>,
    asked_store: bool,
) -> End {
    let Some(allocation) = allocation else {
        return End::Unknown {
            reason: "Nomad has no allocation of it: it was stopped before it had a place, or is forgotten by now"
                .to_owned(),
        };
    };
    if let Some(stopped) = stopped(allocation) {
        return stopped;
    }
    if allocation.client_status == "complete" || ended_well(allocation) {
        return if asked_store {
            End::Unknown {
                reason: "it ended well, and --store has no such model: is that the store that the job publishes to?".to_owned(),
            }
        } else {
            End::Stored {
                name: None,
                score: None,
            }
        };
    }
    let mut states = allocation.task_states.iter().flatten();
    let Some((task, state)) = states.find(|(_, state)| state.failed) else {
        return End::Failed {
            task: String::new(),
            exit_code: None,
            reason: foreign::line(
                format!(
                    "{} {}",
                    allocation.client_status, allocation.client_description
                )
                .trim(),
            ),
        };
    };
    let exit_code = state.exit_code();
    if task == STORE_TASK && exit_code == Some(i32::from(Exit::GateNotMet.code())) {
        return End::GateNotMet {
            score: None,
            missed: Vec::new(),
        };
    }
    End::Failed {
        task: foreign::short(task),
        exit_code,
        reason: reason(api, job, region, allocation, task, state).await,
    }
}

/// Who stopped the allocation before its tasks were done, if somebody did. The client's status does not tell: an allocation that
/// is stopped ends `complete`.
fn stopped(allocation: &Allocation) -> Option<End> {
    // The scheduler's own words; there is no field for it.
    let drained = ["migrated", "tainted"]
        .iter()
        .any(|word| allocation.desired_description.contains(word));
    let (by, words) = match allocation.desired_status.as_str() {
        "evict" => (
            StoppedBy::Preemption,
            "preempted by a job of higher priority",
        ),
        _ if allocation.client_status == "lost" => (
            StoppedBy::ClientLost,
            "its client was lost, and Nomad started it on no other",
        ),
        // It may still run there, so that it is not dispatched again without being asked for.
        "stop" if drained && allocation.is_away() => {
            (StoppedBy::ClientLost, "stopped by a node drain")
        }
        "stop" if drained => (StoppedBy::NodeDrain, "stopped by a node drain"),
        "stop" => (StoppedBy::Operator, "stopped by an operator"),
        _ => return None,
    };
    let states = || {
        allocation
            .task_states
            .iter()
            .flatten()
            .map(|(_, state)| state)
    };
    // What failed by itself has a reason of its own.
    let failed = states().any(|state| {
        state.failed
            && !state
                .exit_code()
                .is_some_and(|code| SIGNALS.contains(&code))
    });
    if ended_well(allocation) || failed {
        return None;
    }
    let mut reason = words.to_owned();
    if allocation.is_away() {
        reason.push_str(" while its client was away: what runs there may go on");
    }
    let nomads = foreign::line(&allocation.desired_description);
    if !nomads.is_empty() {
        reason.push_str(&format!(" (Nomad: {nomads})"));
    }
    Some(End::Stopped { by, reason })
}

fn ended_well(allocation: &Allocation) -> bool {
    let states = || allocation.task_states.iter().flatten();
    states().count() > 0 && states().all(|(_, state)| state.exit_code() == Some(0))
}

/// That it was killed, where it was; else the runner's own last words, where logs may be read; else what its exit code means; else
/// Nomad's words.
async fn reason(
    api: &Api,
    job: &Job,
    region: &str,
    allocation: &Allocation,
    task: &str,
    state: &TaskState,
) -> String {
    if let Some(killed) = killed(job, task, state) {
        return killed;
    }
    let log = api.log_end(region, &allocation.id, task).await;
    if let Some(words) = log.as_deref().and_then(last_error) {
        return words;
    }
    if let Some(meaning) = state.exit_code().and_then(exit::meaning) {
        return meaning.to_owned();
    }
    let mut events = state.events.iter().flatten();
    let last = events.rfind(|event| {
        !AFTERMATH.contains(&event.kind.as_str()) && !event.display_message.is_empty()
    });
    last.map_or_else(
        || "failed".to_owned(),
        |event| one_line(&event.display_message),
    )
}

/// A task over its memory is killed without a word of its own, and Nomad's last event does not say why either.
fn killed(job: &Job, task: &str, state: &TaskState) -> Option<String> {
    let event = state.terminated()?;
    let certain = event.oom_killed();
    if !certain && event.exit_code != KILLED {
        return None;
    }
    let begins = if certain {
        "killed, since it used more memory than it may"
    } else {
        "killed by SIGKILL, most likely since it used more memory than it may"
    };
    let limit = match job.memory_mib(task) {
        Some(mib) => format!(": its limit is {mib} MiB"),
        None => String::new(),
    };
    let remedy = if task == TRAIN_TASK {
        "the job's variable `memory` raises it"
    } else {
        "`memory` in the task's `resources` raises it"
    };
    Some(format!("{begins}{limit}; {remedy}"))
}

/// Nomad's words about a download hold several.
fn one_line(text: &str) -> String {
    foreign::line(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Events that follow from a failure and don't name it.
const AFTERMATH: [&str; 5] = [
    "Not Restarting",
    "Killing",
    "Killed",
    "Sibling Task Failed",
    "Leader Task Dead",
];

/// The line in which the runner says why it ends.
fn last_error(log: &str) -> Option<String> {
    // Only at the start of a line: behind blanks stands what a message quotes.
    let mut lines = log.lines().rev();
    let line = lines.find_map(|line| line.strip_prefix("error: "))?;
    Some(foreign::line(line.trim()))
}
