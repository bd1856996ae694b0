//! How allocations end, and what Nomad says of them then.

use serde_json::{Value, json};

/// How the allocations of a version end.
#[derive(Clone, Debug)]
pub enum Fate {
    Complete,
    /// The task that fails, its status, and the event that says so.
    Failed(&'static str, i32, &'static str),
    /// The driver saw the kernel kill task `train` for its memory.
    OutOfMemory,
    /// The servers want it stopped, with these words, and the client goes on for as many looks at the allocation.
    Stopped(&'static str, usize),
    /// The servers want it stopped, and its tasks had ended well by then.
    StoppedWhenDone(&'static str),
    /// The client is silent for so long that it counts as lost.
    Lost,
    /// The client is silent, and the servers want it stopped, with these words.
    Away(&'static str),
    /// Never ends.
    Runs,
    /// No client has a place for it, for these reasons of the scheduler.
    Unplaced(Value),
}

/// The scheduler's words about an allocation on a node that is drained.
pub const DRAIN: &str = "alloc is being migrated";
/// Its words about one whose job is stopped.
pub const JOB_STOP: &str = "alloc not needed due to job update";

/// The servers' words about one whose client is silent.
const SILENT: &str = "alloc is unknown since its node is disconnected";

impl Fate {
    /// The allocation after so many looks at it.
    pub fn allocation(&self, looks: usize) -> Value {
        let ended = |code: i32| {
            json!({"Failed": false, "Events": [
                {"Type": "Started", "ExitCode": 0, "DisplayMessage": "Task started by client"},
                {"Type": "Terminated", "ExitCode": code, "DisplayMessage": format!("Exit Code: {code}")},
            ]})
        };
        let started = || {
            json!({"train": {"Failed": false, "Events": [
                {"Type": "Started", "ExitCode": 0, "DisplayMessage": "Task started by client"},
            ]}})
        };
        match self {
            Fate::Complete => json!({"ClientStatus": "complete", "TaskStates": {}}),
            Fate::Runs | Fate::Unplaced(_) => json!({"ClientStatus": "running", "TaskStates": {}}),
            Fate::Stopped(why, lingers) => json!({
                "ClientStatus": if looks > *lingers { "complete" } else { "running" },
                "DesiredStatus": "stop", "DesiredDescription": why,
                "TaskStates": {"train": ended(130), "storeModel_GCP": {"Failed": false, "Events": null}},
            }),
            Fate::StoppedWhenDone(why) => json!({
                "ClientStatus": "complete", "DesiredStatus": "stop", "DesiredDescription": why,
                "TaskStates": {"train": ended(0), "storeModel_GCP": ended(0)},
            }),
            Fate::Lost => json!({
                "ClientStatus": "lost", "ClientDescription": SILENT,
                "DesiredStatus": "stop", "DesiredDescription": "alloc is lost since its node is down",
                "TaskStates": started(),
            }),
            Fate::Away(why) => json!({
                "ClientStatus": "unknown", "ClientDescription": SILENT,
                "DesiredStatus": "stop", "DesiredDescription": why,
                "TaskStates": started(),
            }),
            Fate::OutOfMemory => {
                json!({"ClientStatus": "failed", "TaskStates": {"train": {"Failed": true, "Events": [
                    {"Type": "Terminated", "ExitCode": 137, "DisplayMessage": "Exit Code: 137, Signal: 9",
                     "Details": {"oom_killed": "true", "exit_code": "137"}},
                    {"Type": "Not Restarting", "ExitCode": 0, "DisplayMessage": "Policy allows no restarts"},
                ]}}})
            }
            Fate::Failed(task, code, message) => {
                json!({"ClientStatus": "failed", "TaskStates": {*task: {
                "Failed": true, "Events": [
                    {"Type": "Started", "ExitCode": 0, "DisplayMessage": "Task started by client"},
                    {"Type": if *code == 0 { "Failed Artifact Download" } else { "Terminated" },
                     "ExitCode": code, "DisplayMessage": message},
                    {"Type": "Not Restarting", "ExitCode": 0, "DisplayMessage": "Policy allows no restarts"},
                ]}}})
            }
        }
    }
}
