//! One request to Nomad and its answer: where, with which token, how often it is tried.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;

use super::connection::Connection;
use super::error::DispatchError;
use crate::net;
use crate::net::retry::{Backoff, Lost, may_pass, retry_after};

/// Of a list of a hundred thousand jobs. Bytes.
const LARGEST_ANSWER: usize = 256 << 20;
/// Of what goes into a message. Bytes.
const LARGEST_TEXT: usize = 64 << 10;

/// How long a server that never answered is tried for.
const FIRST_PATIENCE: Duration = Duration::from_secs(20);
/// How long one that answered before is waited for: it may be restarted, or elect a leader.
const PATIENCE: Duration = Duration::from_secs(300);

/// Between two tries: a server that is back is soon noticed.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A connection that breaks off is no server that is away.
const MOMENT: Duration = Duration::from_secs(1);
/// How long a server that is back may not know the tokens yet that it knew before.
const SETTLING: Duration = Duration::from_secs(60);

/// Sends requests for one namespace.
pub struct Transport {
    pub connection: Connection,
    pub namespace: String,
    /// Nomad answered a request of this command.
    reached: AtomicBool,
    presence: Mutex<Presence>,
}

/// When a server that had answered did not.
#[derive(Default)]
struct Presence {
    away_since: Option<Instant>,
    /// The user was told so.
    said: bool,
    back_since: Option<Instant>,
}

/// What a request is for, and the right that it takes.
pub struct Call {
    pub what: String,
    pub capability: &'static str,
}

impl Transport {
    pub fn new(connection: Connection, namespace: String) -> Self {
        Self {
            connection,
            namespace,
            reached: AtomicBool::new(false),
            presence: Mutex::default(),
        }
    }

    /// A request to `/<path>?<query>`; the parts of the path are escaped.
    pub fn request(
        &self,
        method: Method,
        path: &[&str],
        region: Option<&str>,
        query: &[(&str, &str)],
    ) -> RequestBuilder {
        let mut url = self.connection.base.clone();
        if let Ok(mut parts) = url.path_segments_mut() {
            parts.pop_if_empty().extend(path);
        }
        let region = region.map(|region| ("region", region));
        url.query_pairs_mut()
            .append_pair("namespace", &self.namespace)
            .extend_pairs(region)
            .extend_pairs(query);
        let mut request = self.connection.client.request(method, url);
        if let Some(token) = &self.connection.token {
            request = request.header("X-Nomad-Token", token);
        }
        if let Some((user, password)) = &self.connection.basic {
            request = request.basic_auth(user, Some(password));
        }
        request
    }

    /// Sends until there is an answer that another try would not change ([`net::retry`]). 408, 429 and 5xx are tried again for
    /// about 20 seconds, and so is a server that cannot be reached; one that answered before is waited for longer. Every call
    /// of ours does the same when it is made twice, a dispatch by its token.
    ///
    /// # Errors
    /// When there is no such answer, or it is that the right is missing.
    pub async fn send(
        &self,
        call: &Call,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<Response, DispatchError> {
        let backoff = |patience| Backoff::patience(patience).with_longest(LONGEST_PAUSE);
        // What a server says that is back again has a time of its own.
        let (mut away, mut answering) = (None, None);
        loop {
            let problem = match self.once(request()).await {
                Ok(response) => return Ok(response),
                Err(Problem::Denied) if !self.is_settling() => return Err(self.denied(call)),
                Err(problem) => problem,
            };
            let delay = match &problem {
                Problem::Connection(error) if Lost::of(error) == Lost::ForGood => {
                    return Err(self.given_up(call, problem));
                }
                Problem::Connection(_) => {
                    answering = None;
                    let reached = self.reached.load(Ordering::Relaxed);
                    let patience = if reached { PATIENCE } else { FIRST_PATIENCE };
                    away.get_or_insert_with(|| backoff(patience)).next(None)
                }
                Problem::Status { after, .. } => {
                    let answering = answering.get_or_insert_with(|| backoff(FIRST_PATIENCE));
                    answering.next(*after)
                }
                Problem::Denied => {
                    let answering = answering.get_or_insert_with(|| backoff(FIRST_PATIENCE));
                    answering.next(None)
                }
            };
            let Ok(delay) = delay else {
                return Err(self.given_up(call, problem));
            };
            let seconds = delay.as_secs_f64();
            tracing::debug!("Nomad: {problem}: trying again in {seconds:.1} s");
            tokio::time::sleep(delay).await;
        }
    }

    async fn once(&self, request: RequestBuilder) -> Result<Response, Problem> {
        let response = request.send().await.map_err(|error| {
            let problem = Problem::Connection(error.without_url());
            self.is_away(&problem);
            problem
        })?;
        self.is_back();
        let status = response.status();
        if status == StatusCode::FORBIDDEN {
            return Err(Problem::Denied);
        }
        if may_pass(status) {
            let after = retry_after(response.headers());
            let text = text_of(response).await.unwrap_or_default();
            return Err(Problem::Status {
                status,
                text,
                after,
            });
        }
        Ok(response)
    }

    /// Says once that a server that answered before does not answer, unless it is for a moment only.
    fn is_away(&self, problem: &Problem) {
        if !self.reached.load(Ordering::Relaxed) {
            return;
        }
        let mut presence = self.presence();
        let since = *presence.away_since.get_or_insert_with(Instant::now);
        if !presence.said && since.elapsed() >= MOMENT {
            presence.said = true;
            let address = &self.connection.base;
            tracing::warn!(
                "Nomad at {address} does not answer any more: {problem}; waiting for it, what was dispatched goes on"
            );
        }
    }

    fn is_back(&self) {
        self.reached.store(true, Ordering::Relaxed);
        let mut presence = self.presence();
        if let Some(since) = presence.away_since.take() {
            presence.back_since = Some(Instant::now());
            presence.said = false;
            if since.elapsed() >= MOMENT {
                let seconds = since.elapsed().as_secs_f64();
                tracing::warn!("Nomad was away for {seconds:.0} s and answers again");
            }
        }
    }

    /// A server that was started again answers before it has read its tokens, and takes each for an unknown one.
    fn is_settling(&self) -> bool {
        let back = self.presence().back_since;
        back.is_some_and(|since| since.elapsed() < SETTLING)
    }

    fn presence(&self) -> MutexGuard<'_, Presence> {
        self.presence.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn denied(&self, call: &Call) -> DispatchError {
        DispatchError::Denied {
            what: call.what.clone(),
            capability: call.capability,
            namespace: self.namespace.clone(),
        }
    }

    fn given_up(&self, call: &Call, problem: Problem) -> DispatchError {
        match problem {
            Problem::Connection(error) => DispatchError::Unreachable {
                address: self.connection.base.to_string(),
                problem: with_causes(&error),
            },
            Problem::Status { status, text, .. } => call.failed(status, &text),
            Problem::Denied => self.denied(call),
        }
    }

    /// Reads an answer that was asked for.
    ///
    /// # Errors
    /// When it is an error, or something else.
    pub async fn decode<T: DeserializeOwned>(
        &self,
        call: &Call,
        response: Response,
    ) -> Result<T, DispatchError> {
        let status = response.status();
        if !status.is_success() {
            let text = text_of(response).await.unwrap_or_default();
            return Err(call.failed(status, &text));
        }
        let unexpected = |problem: String| DispatchError::Unexpected {
            what: call.what.clone(),
            problem,
        };
        let body = net::body(response, LARGEST_ANSWER).await;
        let body = body.map_err(|error| {
            unexpected(match error {
                net::BodyError::Broken(error) => with_causes(&error.without_url()),
                error => error.to_string(),
            })
        })?;
        serde_json::from_slice(&body).map_err(|error| unexpected(error.to_string()))
    }
}

/// A short text; none where there is none, or a long one.
pub(super) async fn text_of(response: Response) -> Option<String> {
    let body = net::body(response, LARGEST_TEXT).await.ok()?;
    Some(String::from_utf8_lossy(&body).into_owned())
}

impl Call {
    fn failed(&self, status: StatusCode, text: &str) -> DispatchError {
        DispatchError::Failed {
            what: self.what.clone(),
            status: status.as_u16(),
            text: text.trim().chars().take(300).collect(),
        }
    }
}

/// A problem that another try may not have.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("{}", with_causes(.0))]
    Connection(reqwest::Error),
    #[error("{status} {text}")]
    Status {
        status: StatusCode,
        text: String,
        /// What the server asks to wait.
        after: Option<Duration>,
    },
    #[error("the right is missing")]
    Denied,
}

/// reqwest's own words leave out what is below them.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
