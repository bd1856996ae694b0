//! The few calls of Nomad's HTTP API that dispatching needs.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::answers::{Allocation, Evaluation, Job, Specification, Unfinished};
use super::connection::Connection;
use super::error::DispatchError;
use super::transport::{Call, Transport, text_of};

/// Questions asked at a time, of Nomad or of the store.
pub const AT_A_TIME: usize = 16;

/// Nomad's API for one namespace.
pub struct Api(Transport);

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

/// What one dispatch hands to Nomad.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    pub meta: &'a BTreeMap<String, String>,
    pub payload: &'a [u8],
    pub token: &'a str,
    /// In place of the job's own.
    pub priority: Option<u16>,
}

impl Api {
    #[must_use]
    pub fn new(connection: Connection, namespace: String) -> Self {
        Self(Transport::new(connection, namespace))
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
            #[serde(skip_serializing_if = "Option::is_none")]
            priority: Option<u16>,
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
            priority: request.priority,
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
    pub async fn unfinished(
        &self,
        region: &str,
        job: &str,
    ) -> Result<Vec<Unfinished>, DispatchError> {
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
        self.0.decode(&call, response).await
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
        self.of_job(region, dispatched, "allocations").await
    }

    /// The evaluations of a dispatched job; none when Nomad has forgotten it.
    ///
    /// # Errors
    /// When Nomad refuses or can't be reached.
    pub async fn evaluations(
        &self,
        region: &str,
        dispatched: &str,
    ) -> Result<Vec<Evaluation>, DispatchError> {
        self.of_job(region, dispatched, "evaluations").await
    }

    async fn of_job<T: DeserializeOwned>(
        &self,
        region: &str,
        dispatched: &str,
        which: &str,
    ) -> Result<Vec<T>, DispatchError> {
        let call = Call {
            what: format!("list {which} of job {dispatched}"),
            capability: "read-job",
        };
        let path = ["v1", "job", dispatched, which];
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
