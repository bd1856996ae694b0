//! The few calls of Nomad's HTTP API that dispatching needs.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::connection::Connection;
use super::error::DispatchError;
use super::transport::{Call, Transport, text_of};

/// Nomad's API for one namespace.
pub struct Api(Transport);

/// A job, as far as dispatching looks at it.
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

/// What [`Api::dispatch`] did.
#[derive(Clone, Debug)]
pub struct Dispatched {
    /// The dispatched job: `<job>/dispatch-<time>-<id>`.
    pub job: String,
    /// When it came to be, in Nomad's count of changes.
    pub create_index: u64,
    /// An earlier dispatch had this token already.
    pub already: bool,
}

/// An allocation of a dispatched job.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Allocation {
    #[serde(rename = "ID")]
    pub id: String,
    /// `<job>.<group>[<index>]`.
    pub name: String,
    pub client_status: String,
    #[serde(default)]
    pub client_description: String,
    pub create_index: u64,
    #[serde(default)]
    pub task_states: Option<BTreeMap<String, TaskState>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TaskState {
    #[serde(default)]
    pub failed: bool,
    #[serde(default)]
    pub events: Option<Vec<TaskEvent>>,
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
}

/// What one dispatch hands to Nomad.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    pub meta: &'a BTreeMap<String, String>,
    pub payload: &'a [u8],
    pub token: &'a str,
}

impl Api {
    #[must_use]
    pub fn new(connection: Connection, namespace: String) -> Self {
        Self(Transport {
            connection,
            namespace,
        })
    }

    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.0.namespace
    }

    /// The job that versions are dispatched of.
    ///
    /// # Errors
    /// When there is none, or Nomad refuses or can't be reached.
    pub async fn job(&self, region: Option<&str>, job: &str) -> Result<Job, DispatchError> {
        let call = Call {
            what: format!("read job {job}"),
            capability: "read-job",
        };
        let path = ["v1", "job", job];
        let response = self
            .0
            .send(&call, || self.0.request(Method::GET, &path, region, &[]))
            .await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Err(DispatchError::NoJob {
                job: job.to_owned(),
                namespace: self.0.namespace.clone(),
                region: region.unwrap_or("the server's region").to_owned(),
            });
        }
        self.0.decode(&call, response).await
    }

    /// What a job does: the job without what tells a dispatched copy from its parent.
    ///
    /// # Errors
    /// When there is no such job, or Nomad refuses or can't be reached.
    pub async fn specification(
        &self,
        region: &str,
        job: &str,
    ) -> Result<Specification, DispatchError> {
        let call = Call {
            what: format!("read job {job}"),
            capability: "read-job",
        };
        let path = ["v1", "job", job];
        let response = self
            .0
            .send(&call, || {
                self.0.request(Method::GET, &path, Some(region), &[])
            })
            .await?;
        self.0.decode(&call, response).await
    }

    /// Dispatches, or finds the dispatch that has this token already.
    ///
    /// # Errors
    /// When Nomad refuses or can't be reached.
    pub async fn dispatch(
        &self,
        region: &str,
        job: &str,
        request: &Request<'_>,
    ) -> Result<Dispatched, DispatchError> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Body<'a> {
            meta: &'a BTreeMap<String, String>,
            #[serde(skip_serializing_if = "str::is_empty")]
            payload: &'a str,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Answer {
            #[serde(rename = "DispatchedJobID")]
            dispatched_job_id: String,
            job_create_index: u64,
            #[serde(default, rename = "EvalID")]
            eval_id: String,
        }
        let call = Call {
            what: format!("dispatch job {job}"),
            capability: "dispatch-job",
        };
        let payload = BASE64.encode(request.payload);
        let body = Body {
            meta: request.meta,
            payload: &payload,
        };
        let path = ["v1", "job", job, "dispatch"];
        let response = self
            .0
            .send(&call, || {
                let query = [("idempotency_token", request.token)];
                let request = self.0.request(Method::POST, &path, Some(region), &query);
                request.json(&body)
            })
            .await?;
        let answer: Answer = self.0.decode(&call, response).await?;
        Ok(Dispatched {
            job: answer.dispatched_job_id,
            create_index: answer.job_create_index,
            // Nomad evaluates what is new, and only that.
            already: answer.eval_id.is_empty(),
        })
    }

    /// Dispatches of `job` that have not ended, whoever made them.
    ///
    /// # Errors
    /// When Nomad refuses or can't be reached.
    pub async fn unfinished(&self, region: &str, job: &str) -> Result<Vec<String>, DispatchError> {
        #[derive(Deserialize)]
        struct Child {
            #[serde(rename = "ID")]
            id: String,
        }
        let call = Call {
            what: format!("list dispatches of job {job}"),
            capability: "list-jobs",
        };
        let prefix = format!("{job}/dispatch-");
        let response = self
            .0
            .send(&call, || {
                let query = [
                    ("prefix", prefix.as_str()),
                    ("filter", r#"Status != "dead""#),
                ];
                self.0
                    .request(Method::GET, &["v1", "jobs"], Some(region), &query)
            })
            .await?;
        let children: Vec<Child> = self.0.decode(&call, response).await?;
        Ok(children.into_iter().map(|child| child.id).collect())
    }

    /// The allocations of a dispatched job; none when Nomad has forgotten it.
    ///
    /// # Errors
    /// When Nomad refuses or can't be reached.
    pub async fn allocations(
        &self,
        region: &str,
        dispatched: &str,
    ) -> Result<Vec<Allocation>, DispatchError> {
        let call = Call {
            what: format!("list allocations of job {dispatched}"),
            capability: "read-job",
        };
        let path = ["v1", "job", dispatched, "allocations"];
        let response = self
            .0
            .send(&call, || {
                self.0.request(Method::GET, &path, Some(region), &[])
            })
            .await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(Vec::new());
        }
        self.0.decode(&call, response).await
    }

    /// The end of what a task wrote to stderr; `None` where it can't be had, as without the capability `read-logs`.
    pub async fn log_end(&self, region: &str, allocation: &str, task: &str) -> Option<String> {
        const BYTES: &str = "4000";
        let path = ["v1", "client", "fs", "logs", allocation];
        let query = [
            ("task", task),
            ("type", "stderr"),
            ("plain", "true"),
            ("origin", "end"),
            ("offset", BYTES),
        ];
        // Not worth a retry: the exit code says the most.
        let request = self.0.request(Method::GET, &path, Some(region), &query);
        let response = request.send().await.ok()?.error_for_status().ok()?;
        let text = text_of(response).await?;
        Some(text).filter(|text| !text.trim().is_empty())
    }
}
