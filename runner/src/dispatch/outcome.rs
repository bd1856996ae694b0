//! What became of each version: told by the store where it can be, by Nomad where not.

use std::collections::BTreeMap;

use contract::Manifest;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;

use super::api::{Allocation, Api, TaskState};
use super::campaign::Campaign;
use super::error::DispatchError;
use super::follow::Started;
use crate::exit::{self, Exit};
use crate::foreign;
use crate::store::{ClaimKey, Store, StoreError, claimed_model, find_manifest, rejected_key};

/// Questions asked at a time.
const AT_A_TIME: usize = 16;

/// The task that publishes. Its end with [`Exit::GateNotMet`] is a verdict and no failure.
const STORE_TASK: &str = "storeModel_GCP";

/// One model that was to be.
#[derive(Clone, Debug, Serialize)]
pub struct Ended {
    pub model_version: String,
    /// Which of the allocations of one dispatch.
    pub index: u32,
    /// The dispatched job.
    pub job: String,
    #[serde(flatten)]
    pub end: End,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum End {
    Stored {
        /// The model's name in the store; absent where only Nomad was asked.
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        #[serde(flatten)]
        score: Option<Score>,
    },
    GateNotMet {
        #[serde(flatten)]
        score: Option<Score>,
    },
    Failed {
        task: String,
        /// The status of the task's process, where one ran.
        #[serde(skip_serializing_if = "Option::is_none")]
        exit_code: Option<i32>,
        reason: String,
    },
    /// Nomad has no allocation of it (any more), and the store no model.
    Unknown { reason: String },
}

/// How good a model is, by its primary score.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Score {
    pub metric: String,
    pub higher_is_better: bool,
    pub held_out: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<f64>,
}

impl Score {
    fn of(manifest: &Manifest) -> Self {
        let primary = &manifest.metrics.primary;
        Self {
            metric: foreign::line(&primary.name),
            higher_is_better: primary.higher_is_better,
            held_out: primary.held_out,
            validation: primary.validation,
        }
    }
}

/// Finds out what became of all versions.
///
/// # Errors
/// When Nomad or the store refuses or can't be reached.
pub async fn find(
    api: &Api,
    store: Option<&dyn Store>,
    campaign: &Campaign,
    started: &[Started<'_>],
) -> Result<Vec<Ended>, DispatchError> {
    let nested: Vec<Vec<Ended>> = stream::iter(started)
        .map(|started| of_dispatch(api, store, campaign, started))
        .buffered(AT_A_TIME)
        .try_collect()
        .await?;
    Ok(nested.into_iter().flatten().collect())
}

async fn of_dispatch(
    api: &Api,
    store: Option<&dyn Store>,
    campaign: &Campaign,
    started: &Started<'_>,
) -> Result<Vec<Ended>, DispatchError> {
    let region = &started.region;
    let latest = latest_by_index(api.allocations(region, &started.job).await?);
    let indices: Vec<u32> = if latest.is_empty() {
        vec![0]
    } else {
        latest.keys().copied().collect()
    };
    let mut ended = Vec::new();
    for index in indices {
        let allocation = latest.get(&index);
        let by_nomad = told_by_nomad(api, region, allocation, store.is_some()).await;
        for version in &started.work.versions {
            let of_store = match store {
                Some(store) => {
                    let claim =
                        ClaimKey::new(region, api.namespace(), &started.job, index, version);
                    let rejected = allocation.map(|allocation| {
                        format!("{}_v{version}_{}", campaign.save_path, allocation.id)
                    });
                    in_store(store, &claim, rejected.as_deref()).await?
                }
                None => None,
            };
            let end = of_store.unwrap_or_else(|| by_nomad.clone());
            ended.push(Ended {
                model_version: version.clone(),
                index,
                job: started.job.clone(),
                end,
            });
        }
    }
    Ok(ended)
}

/// The last allocation of each index: those before it were lost and replaced.
fn latest_by_index(allocations: Vec<Allocation>) -> BTreeMap<u32, Allocation> {
    let mut latest: BTreeMap<u32, Allocation> = BTreeMap::new();
    for allocation in allocations {
        let index = index_of(&allocation.name);
        let newer = latest
            .get(&index)
            .is_none_or(|other| other.create_index < allocation.create_index);
        if newer {
            latest.insert(index, allocation);
        }
    }
    latest
}

/// `<job>.<group>[3]` -> 3.
fn index_of(name: &str) -> u32 {
    let inner = name
        .rsplit_once('[')
        .and_then(|(_, rest)| rest.strip_suffix(']'));
    inner.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// The claim names the model whichever allocation made it; a verdict is found by the allocation that came to it.
async fn in_store(
    store: &dyn Store,
    claim: &ClaimKey,
    rejected: Option<&str>,
) -> Result<Option<End>, DispatchError> {
    let claimed = claimed_model(store, claim).await.or_else(|error| {
        let problem = error.of_one_object()?;
        tracing::warn!("{} is left out: {problem}", store.url(claim.as_str()));
        Ok::<_, StoreError>(None)
    })?;
    if let Some(manifest) = claimed {
        return Ok(Some(End::Stored {
            score: Some(Score::of(&manifest)),
            name: Some(manifest.name),
        }));
    }
    let Some(rejected) = rejected else {
        return Ok(None);
    };
    let verdict = read(store, &rejected_key(rejected)).await?;
    Ok(verdict.map(|manifest| End::GateNotMet {
        score: Some(Score::of(&manifest)),
    }))
}

async fn read(store: &dyn Store, key: &str) -> Result<Option<Manifest>, DispatchError> {
    let found = find_manifest(store, key).await?.transpose();
    Ok(found.unwrap_or_else(|problem| {
        tracing::warn!("{} is left out: {problem}", store.url(key));
        None
    }))
}

/// What Nomad knows: the state of an allocation, and the status that its tasks ended with.
async fn told_by_nomad(
    api: &Api,
    region: &str,
    allocation: Option<&Allocation>,
    asked_store: bool,
) -> End {
    let Some(allocation) = allocation else {
        return End::Unknown {
            reason: "Nomad has no allocation of it: it was stopped, or is forgotten by now"
                .to_owned(),
        };
    };
    if allocation.client_status == "complete" {
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
    let states = allocation.task_states.iter().flatten();
    let Some((task, state)) = states.into_iter().find(|(_, state)| state.failed) else {
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
    let exit_code = exit_code(state);
    if task == STORE_TASK && exit_code == Some(i32::from(Exit::GateNotMet.code())) {
        return End::GateNotMet { score: None };
    }
    End::Failed {
        task: task.clone(),
        exit_code,
        reason: reason(api, region, allocation, task, state).await,
    }
}

/// The status of the last process that ran, when one did.
fn exit_code(state: &TaskState) -> Option<i32> {
    let events = state.events.iter().flatten().rev();
    events
        .into_iter()
        .find(|event| event.kind == "Terminated")
        .map(|event| event.exit_code)
}

/// The runner's own last words, where logs may be read; else what its exit code means; else Nomad's words.
async fn reason(
    api: &Api,
    region: &str,
    allocation: &Allocation,
    task: &str,
    state: &TaskState,
) -> String {
    let log = api.log_end(region, &allocation.id, task).await;
    if let Some(words) = log.as_deref().and_then(last_error) {
        return words;
    }
    if let Some(meaning) = exit_code(state).and_then(exit::meaning) {
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
