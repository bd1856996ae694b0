//! HTTP for OpenDAL: the one place that decides what is tried again, and what a refusal is called.

use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use backon::BackoffBuilder;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use opendal::raw::Operation;
use opendal::{Buffer, HttpBody, HttpTransport};

use super::google::Google;

/// Why a request came to nothing, worded for a person. It never holds a token, and no query of a URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// The server answered, and no repetition will change that.
    #[error("{0}")]
    Refused(String),
    /// The same, and this machine's clock is so far off that it may be why.
    #[error("{0}")]
    Clock(String),
    /// No answer, or none that was worth anything until patience ended.
    #[error("{0}")]
    Unreachable(String),
}

/// Sends requests, and sends them again where that is worth it: after 408, 429, 5xx, a reset or a timeout.
/// Nothing else is repeated. That is safe for all that a store sends: creations carry a precondition.
#[derive(Clone)]
pub(super) struct Transport {
    pub client: reqwest::Client,
    /// For how long one request may keep failing.
    pub patience: Duration,
    /// Who signs; none for stores that OpenDAL signs for, and for emulators.
    pub google: Option<Arc<Google>>,
    /// By how many seconds the server's clock is ahead of this machine's, as of its last answer.
    pub ahead: Arc<AtomicI64>,
}

/// How one attempt ended.
enum Attempt {
    Done(Response<HttpBody>),
    Again {
        reason: String,
        /// What the server asked to wait.
        after: Option<Duration>,
    },
    /// 401: perhaps the token is older than it says.
    Unauthorized(Failure),
    Failed(Failure),
}

impl Transport {
    pub async fn send(&self, request: &Request<Buffer>) -> Result<Response<HttpBody>, Failure> {
        let started = Instant::now();
        let mut delays = backon::ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(100))
            .with_max_delay(Duration::from_secs(20))
            .with_jitter()
            .without_max_times()
            .build();
        let mut refused_token: Option<HeaderValue> = None;
        loop {
            let token = match &self.google {
                Some(google) => Some(google.authorization(refused_token.as_ref()).await?),
                None => None,
            };
            let (reason, after) = match self.attempt(request, token.as_ref()).await {
                Attempt::Done(response) => return Ok(response),
                Attempt::Failed(failure) => return Err(failure),
                Attempt::Unauthorized(failure) => {
                    // A fresh token may do, once.
                    if token.is_none() || refused_token.is_some() {
                        return Err(failure);
                    }
                    refused_token = token;
                    continue;
                }
                Attempt::Again { reason, after } => (reason, after),
            };
            // Jitter spreads a thousand allocations that failed at the same moment.
            let delay = delays
                .next()
                .unwrap_or_default()
                .max(after.unwrap_or_default());
            if started.elapsed() + delay >= self.patience {
                return Err(Failure::Unreachable(format!(
                    "{reason}, again and again for {:.0?} (--store-timeout)",
                    self.patience
                )));
            }
            tracing::debug!(
                "{} {}: {reason}; trying again in {delay:.1?}",
                request.method(),
                without_query(request)
            );
            tokio::time::sleep(delay).await;
        }
    }

    async fn attempt(&self, request: &Request<Buffer>, token: Option<&HeaderValue>) -> Attempt {
        let mut headers = request.headers().clone();
        if !request.body().is_empty() {
            headers.insert(header::CONTENT_LENGTH, request.body().len().into());
        }
        let mut sent = self
            .client
            .request(request.method().clone(), request.uri().to_string())
            .headers(headers);
        if let Some(token) = token {
            sent = sent.header(header::AUTHORIZATION, token);
        }
        if !request.body().is_empty() {
            sent = sent.body(body_of(request.body()));
        }
        let response = match sent.send().await {
            Ok(response) => response,
            Err(error) => return failed_attempt(&error),
        };
        let ahead = seconds_ahead(response.headers());
        if let Some(ahead) = ahead {
            self.ahead.store(ahead, Ordering::Relaxed);
        }
        let status = response.status();
        if worth_repeating(status) {
            return Attempt::Again {
                after: retry_after(response.headers()),
                reason: status.to_string(),
            };
        }
        let (headers, version) = (response.headers().clone(), response.version());
        // Objects are streamed. All else is short, and read here, so that a reset in the middle of an answer
        // is repeated like any other.
        let streamed = request.extensions().get::<Operation>() == Some(&Operation::Read)
            && status.is_success();
        let body = if streamed {
            checked_body(response)
        } else {
            let bytes = match response.bytes().await {
                Ok(bytes) => bytes,
                Err(error) => return failed_attempt(&error),
            };
            if let Some(message) = refusal(status, &bytes) {
                let failure = match ahead.and_then(clock_note) {
                    Some(note) => Failure::Clock(format!("{message}. {note}")),
                    None => Failure::Refused(message),
                };
                return match status {
                    StatusCode::UNAUTHORIZED => Attempt::Unauthorized(failure),
                    _ => Attempt::Failed(failure),
                };
            }
            let size = bytes.len() as u64;
            let once = stream::once(std::future::ready(Ok(Buffer::from(bytes))));
            HttpBody::new(once, Some(size))
        };
        let mut answer = Response::new(body);
        *answer.status_mut() = status;
        *answer.headers_mut() = headers;
        *answer.version_mut() = version;
        // OpenDAL finds out here where an answer came from.
        answer.extensions_mut().insert(request.uri().clone());
        Attempt::Done(answer)
    }
}

impl HttpTransport for Transport {
    async fn fetch(&self, request: Request<Buffer>) -> opendal::Result<Response<HttpBody>> {
        self.send(&request).await.map_err(|failure| {
            opendal::Error::new(opendal::ErrorKind::Unexpected, failure.to_string())
                .set_source(failure)
        })
    }
}

/// A body as it is sent. What is small goes as one piece; what is large is not copied into one.
fn body_of(body: &Buffer) -> reqwest::Body {
    const SMALL: usize = 64 << 10;
    if body.len() <= SMALL || body.count() == 1 {
        return body.to_bytes().into();
    }
    reqwest::Body::wrap_stream(stream::iter(Iterator::map(
        body.clone(),
        Ok::<_, io::Error>,
    )))
}

fn worth_repeating(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
    ) || status.is_server_error()
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse();
    Some(Duration::from_secs(seconds.ok()?))
}

/// Sorts what reqwest calls errors: resets and timeouts are worth another attempt, a refused connection, an
/// unknown host or a bad certificate are not.
fn failed_attempt(error: &reqwest::Error) -> Attempt {
    let reason = describe(error);
    let reset = || {
        let mut cause = error.source();
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<io::Error>() {
                return matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionReset
                        | io::ErrorKind::ConnectionAborted
                        | io::ErrorKind::BrokenPipe
                        | io::ErrorKind::TimedOut
                );
            }
            cause = error.source();
        }
        false
    };
    // Past the connection, what ends a request early is the connection breaking off.
    let broke_off =
        !error.is_connect() && (error.is_request() || error.is_body() || error.is_decode());
    if error.is_timeout() || broke_off || reset() {
        Attempt::Again {
            reason,
            after: None,
        }
    } else {
        Attempt::Failed(Failure::Unreachable(reason))
    }
}

/// The innermost cause: outer ones say no more than "error sending request for url".
fn describe(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let cause_text = cause.to_string();
    if cause_text.contains("certificate expired")
        || cause_text.contains("certificate not valid yet")
    {
        // rustls tells both times in seconds since 1970.
        let now = jiff::Timestamp::now()
            .round(jiff::Unit::Second)
            .unwrap_or_default();
        format!(
            "cannot connect: {cause_text}. This machine's clock says {now}: set it right, if it is off"
        )
    } else if error.is_connect() {
        format!("cannot connect: {cause}")
    } else {
        format!("the connection broke off: {cause}")
    }
}

/// An object's bytes, compared with the CRC32C that Google sends along.
fn checked_body(response: reqwest::Response) -> HttpBody {
    let size = response.content_length();
    let expected = (response.status() == StatusCode::OK)
        .then(|| crc32c_header(response.headers()))
        .flatten();
    let temporary = |error: reqwest::Error| {
        let message = describe(&error);
        opendal::Error::new(opendal::ErrorKind::Unexpected, &message)
            .set_source(Failure::Unreachable(message))
            .set_temporary()
    };
    let chunks = response.bytes_stream().map_err(temporary);
    match expected {
        Some(expected) => HttpBody::new(Box::pin(with_crc32c(chunks, expected)), size),
        None => HttpBody::new(chunks.map_ok(Buffer::from), size),
    }
}

fn with_crc32c(
    chunks: impl Stream<Item = opendal::Result<bytes::Bytes>> + Send + Sync + 'static,
    expected: u32,
) -> impl Stream<Item = opendal::Result<Buffer>> + Send + Sync + 'static {
    let mut crc = 0;
    let end = stream::once(std::future::ready(Ok(bytes::Bytes::new())));
    chunks.chain(end).map(move |chunk| {
        let chunk = chunk?;
        crc = crc32c::crc32c_append(crc, &chunk);
        // The empty chunk is ours: all bytes are there.
        if chunk.is_empty() && crc != expected {
            let message = "it arrived with another CRC32C than it was stored with".to_owned();
            return Err(
                opendal::Error::new(opendal::ErrorKind::Unexpected, &message)
                    .set_source(Failure::Unreachable(message)),
            );
        }
        Ok(Buffer::from(chunk))
    })
}

fn crc32c_header(headers: &HeaderMap) -> Option<u32> {
    use base64::Engine;
    let hashes = headers.get_all("x-goog-hash").iter();
    let encoded = hashes
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .find_map(|hash| hash.trim().strip_prefix("crc32c="))?;
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(encoded)
        .ok()?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

/// What an answer means that OpenDAL has no word for; `None` for those that it understands.
fn refusal(status: StatusCode, body: &[u8]) -> Option<String> {
    let said = server_message(body);
    match status {
        StatusCode::NOT_FOUND
            if ["bucket does not exist", "NoSuchBucket", "ContainerNotFound"]
                .iter()
                .any(|mark| body.windows(mark.len()).any(|part| part == mark.as_bytes())) =>
        {
            Some("there is no such bucket: create it, or correct the name".to_owned())
        }
        // Preconditions, names that are free or taken, ranges and unfinished uploads have their own meaning.
        StatusCode::NOT_FOUND
        | StatusCode::GONE
        | StatusCode::CONFLICT
        | StatusCode::PRECONDITION_FAILED
        | StatusCode::RANGE_NOT_SATISFIABLE => None,
        StatusCode::UNAUTHORIZED => Some(format!(
            "the credentials were not accepted ({status}): {said}"
        )),
        StatusCode::FORBIDDEN => Some(format!(
            "these credentials have no right to do that ({status}): {said}"
        )),
        _ if status.is_client_error() => Some(format!("{status}: {said}")),
        _ => None,
    }
}

/// The sentence in an error body: JSON as Google and OAuth write it, or XML as the others do.
fn server_message(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let sentence = serde_json::from_str::<serde_json::Value>(&text)
        .ok()
        .and_then(|json| {
            ["/error/message", "/error_description", "/error"]
                .iter()
                .find_map(|path| json.pointer(path)?.as_str().map(str::to_owned))
        })
        .or_else(|| {
            let (_, rest) = text.split_once("<Message>")?;
            Some(rest.split_once("</Message>")?.0.to_owned())
        })
        .unwrap_or_else(|| text.into_owned());
    let line: String = sentence
        .chars()
        .map(|each| if each.is_control() { ' ' } else { each })
        .take(300)
        .collect();
    if line.trim().is_empty() {
        "no reason given".to_owned()
    } else {
        line.trim().to_owned()
    }
}

/// By how many seconds whoever answered is ahead of this machine's clock.
fn seconds_ahead(headers: &HeaderMap) -> Option<i64> {
    let date = headers.get(header::DATE)?.to_str().ok()?;
    let there = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
    Some(there.as_second() - jiff::Timestamp::now().as_second())
}

/// Signatures and tokens hold times: a clock that is off looks like a lack of rights.
fn clock_note(ahead: i64) -> Option<String> {
    if ahead.abs() < 120 {
        return None;
    }
    Some(format!(
        "This machine's clock is {} minutes {} the server's: set it right",
        ahead.abs() / 60,
        if ahead < 0 { "ahead of" } else { "behind" }
    ))
}

/// An address as it may be shown: an upload's query holds the right to write.
fn without_query(request: &Request<Buffer>) -> String {
    let uri = request.uri();
    format!(
        "{}://{}{}",
        uri.scheme_str().unwrap_or_default(),
        uri.authority().map_or("", |authority| authority.as_str()),
        uri.path()
    )
}
