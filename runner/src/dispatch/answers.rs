//! What Nomad answers, as far as dispatching looks at it.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A job.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Job {
    pub region: String,
    #[serde(default)]
    pub stop: bool,
    pub version: u64,
    /// When it was registered last.
    pub job_modify_index: u64,
    pub parameterized_job: Option<Parameterized>,
    #[serde(default)]
    pub task_groups: Option<Vec<Group>>,
}

/// What a job runs beside each other on one client.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Group {
    #[serde(default)]
    pub count: Option<u32>,
    #[serde(default)]
    pub tasks: Option<Vec<Task>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Task {
    pub name: String,
    #[serde(default)]
    pub resources: Option<Resources>,
    #[serde(default)]
    pub artifacts: Option<Vec<Artifact>>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Resources {
    #[serde(default, rename = "MemoryMB")]
    pub memory_mib: u64,
    /// Where the cluster lets tasks use more than they reserve.
    #[serde(default, rename = "MemoryMaxMB")]
    pub memory_max_mib: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Artifact {
    #[serde(default)]
    pub getter_source: String,
    #[serde(default)]
    pub getter_options: Option<BTreeMap<String, String>>,
}

impl Job {
    /// Allocations of one dispatch.
    #[must_use]
    pub fn count(&self) -> u32 {
        let groups = self.task_groups.iter().flatten();
        groups.filter_map(|group| group.count).max().unwrap_or(1)
    }

    fn tasks(&self) -> impl Iterator<Item = &Task> {
        let groups = self.task_groups.iter().flatten();
        groups.flat_map(|group| group.tasks.iter().flatten())
    }

    /// What a task may use at most, in MiB.
    #[must_use]
    pub fn memory_mib(&self, task: &str) -> Option<u64> {
        let task = self.tasks().find(|each| each.name == task)?;
        let resources = task.resources.as_ref()?;
        let most = resources.memory_mib.max(resources.memory_max_mib);
        (most > 0).then_some(most)
    }

    /// SHA-256 of the training module, where the job downloads one and says its digest.
    #[must_use]
    pub fn module_sha256(&self) -> Option<&str> {
        let mut digests = self
            .tasks()
            .flat_map(|task| task.artifacts.iter().flatten())
            .filter(|artifact| {
                let path = artifact.getter_source.split('?').next();
                path.is_some_and(|path| path.ends_with(".wasm"))
            })
            .filter_map(|artifact| {
                let checksum = artifact.getter_options.as_ref()?.get("checksum")?;
                checksum.strip_prefix("sha256:")
            });
        digests
            .next()
            .filter(|first| digests.all(|other| other == *first))
    }
}

/// The part of a job that a dispatched copy has in common with it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Specification {
    task_groups: serde_json::Value,
    #[serde(default)]
    constraints: serde_json::Value,
    #[serde(default)]
    affinities: serde_json::Value,
    #[serde(default)]
    datacenters: serde_json::Value,
    #[serde(default)]
    node_pool: serde_json::Value,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Parameterized {
    #[serde(default)]
    pub payload: String,
    #[serde(default)]
    pub meta_required: Option<Vec<String>>,
    #[serde(default)]
    pub meta_optional: Option<Vec<String>>,
}

/// A dispatched job that has not ended.
#[derive(Clone, Debug, Deserialize)]
pub struct Unfinished {
    #[serde(rename = "ID")]
    pub id: String,
    /// `pending` until an allocation of it has a place on a client.
    #[serde(default, rename = "Status")]
    pub status: String,
    /// Somebody stopped it: it wants no place.
    #[serde(default, rename = "Stop")]
    pub stop: bool,
}

impl Unfinished {
    #[must_use]
    pub fn wants_a_place(&self) -> bool {
        self.status == "pending" && !self.stop
    }
}

/// An allocation of a dispatched job.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Allocation {
    #[serde(rename = "ID")]
    pub id: String,
    /// `<job>.<group>[<index>]`.
    pub name: String,
    /// What the servers want of it: `run`, `stop` or `evict`.
    #[serde(default)]
    pub desired_status: String,
    /// Why they want it.
    #[serde(default)]
    pub desired_description: String,
    pub client_status: String,
    #[serde(default)]
    pub client_description: String,
    pub create_index: u64,
    #[serde(default)]
    pub task_states: Option<BTreeMap<String, TaskState>>,
}

impl Allocation {
    /// Nothing of it runs any more, as far as that will ever be known. What the servers want is not enough for that: tasks take
    /// their time to end. But of a client that is away they wait for no word about what they do not want any more.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        matches!(self.client_status.as_str(), "complete" | "failed" | "lost")
            || self.is_away() && self.desired_status != "run"
    }

    /// Its client does not answer, and may come back.
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.client_status == "unknown"
    }

    /// `<job>.<group>[3]` -> 3.
    #[must_use]
    pub fn index(&self) -> u32 {
        let inner = self
            .name
            .rsplit_once('[')
            .and_then(|(_, rest)| rest.strip_suffix(']'));
        inner.and_then(|number| number.parse().ok()).unwrap_or(0)
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TaskState {
    #[serde(default)]
    pub failed: bool,
    #[serde(default)]
    pub events: Option<Vec<TaskEvent>>,
}

impl TaskState {
    /// How the last process that ran ended, when one did.
    #[must_use]
    pub fn terminated(&self) -> Option<&TaskEvent> {
        let mut events = self.events.iter().flatten();
        events.rfind(|event| event.kind == "Terminated")
    }

    /// The status that the last process ended with, when one did.
    #[must_use]
    pub fn exit_code(&self) -> Option<i32> {
        self.terminated().map(|event| event.exit_code)
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TaskEvent {
    #[serde(rename = "Type")]
    pub kind: String,
    #[serde(default)]
    pub exit_code: i32,
    #[serde(default)]
    pub display_message: String,
    #[serde(default)]
    pub details: Option<BTreeMap<String, String>>,
}

impl TaskEvent {
    /// Whether the driver saw the kernel take the process for its memory. It does not always see it.
    #[must_use]
    pub fn oom_killed(&self) -> bool {
        let details = self.details.as_ref();
        details
            .and_then(|details| details.get("oom_killed"))
            .map(String::as_str)
            == Some("true")
    }
}

/// One try of Nomad's scheduler to place a job.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Evaluation {
    #[serde(default)]
    pub modify_index: u64,
    /// Why there is no place, by group.
    #[serde(default, rename = "FailedTGAllocs")]
    pub failed: Option<BTreeMap<String, NoPlace>>,
}

/// Why a group has no place.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct NoPlace {
    #[serde(default)]
    pub nodes_evaluated: u64,
    #[serde(default)]
    pub node_pool: String,
    #[serde(default)]
    pub nodes_available: Option<BTreeMap<String, u64>>,
    /// Clients that each constraint rules out.
    #[serde(default)]
    pub constraint_filtered: Option<BTreeMap<String, u64>>,
    /// Clients that have too little left, by resource.
    #[serde(default)]
    pub dimension_exhausted: Option<BTreeMap<String, u64>>,
    #[serde(default)]
    pub quota_exhausted: Option<Vec<String>>,
}
