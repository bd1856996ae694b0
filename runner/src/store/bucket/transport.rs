//! HTTP for OpenDAL: the one place that decides what is tried again, and what a refusal is called.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use futures_util::stream;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use opendal::raw::Operation;
use opendal::{Buffer, HttpBody, HttpTransport};
use url::Url;

use super::answer::{LOOKED_AT, clock_note, is_listing, passing_error, refusal, seconds_ahead};
use super::arriving::{self, Announced};
use super::failure::{Failure, describe};
use super::google::Google;
use super::known::Known;
use super::moving::body_of;
use super::pages::Pages;
use super::tries::{Passing, Tries};
use super::waiting::Waiting;
use crate::net::retry::{Lost, may_pass, retry_after};
use crate::net::{self, BodyError, NetError, cause};
use crate::policy::{CredentialPolicy, Guard, Refusal, RefusedAddress};
use crate::store::Options;

/// How long a server may stay silent before a request counts as lost.
const SILENCE: Duration = Duration::from_secs(60);

/// More is no answer but an object, and objects are streamed. A page of a list is the largest. Bytes.
const LARGEST_ANSWER: usize = 32 << 20;

/// Sends requests, and sends them again where that is worth it ([`net::retry`]). That is safe for all that a store sends: creations carry a precondition.
#[derive(Clone)]
pub(super) struct Transport {
    client: reqwest::Client,
    /// For requests with a large body: while it goes out, the server is silent.
    uploader: reqwest::Client,
    silence: Duration,
    /// For how long one request may keep failing.
    pub patience: Duration,
    /// The same for all of them together.
    pub waiting: Arc<Waiting>,
    /// Who signs; none for stores that OpenDAL signs for, and for emulators.
    pub google: Option<Arc<Google>>,
    /// Whether objects must be asked for as they are stored: Google unpacks gzip for those who do not.
    pub as_stored: bool,
    /// By how many seconds the server's clock is ahead of this machine's, as of its last answer.
    pub ahead: Arc<AtomicI64>,
    /// Which addresses are not asked.
    guard: Option<Guard>,
    /// The first that was not: libraries that look for credentials keep it to themselves.
    pub refused: Arc<OnceLock<Refusal>>,
    /// Of the one listing that this is for.
    pages: Option<Arc<Pages>>,
    /// Of the one download that this is for.
    announced: Option<Arc<Announced>>,
}

/// How one attempt ended.
enum Attempt {
    Done(Response<HttpBody>),
    Again(Passing),
    /// 401: perhaps the token is older than it says.
    Unauthorized(Failure),
    Failed(Failure),
}

impl Transport {
    pub fn new(options: &Options) -> Result<Self, NetError> {
        let guard = options.policy.guard();
        let silence = options.timeout.min(SILENCE);
        let built = |builder: reqwest::ClientBuilder| {
            net::build(match &guard {
                Some(guard) => builder.dns_resolver(guard.clone()),
                None => builder,
            })
        };
        Ok(Self {
            client: built(net::builder(silence)?)?,
            uploader: built(net::upload_builder(silence)?)?,
            silence,
            patience: options.timeout,
            waiting: Arc::new(Waiting::new(options.timeout)),
            google: None,
            as_stored: false,
            ahead: Arc::default(),
            guard,
            refused: Arc::default(),
            pages: None,
            announced: None,
        })
    }

    /// For asking for tokens, under the same rules.
    pub fn for_tokens(&self, patience: Duration) -> Self {
        Self {
            patience,
            google: None,
            ahead: Arc::default(),
            ..self.clone()
        }
    }

    /// For one listing.
    pub fn for_pages(&self, pages: Arc<Pages>) -> Self {
        Self {
            pages: Some(pages),
            ..self.clone()
        }
    }

    /// For one download.
    pub fn for_object(&self, announced: Arc<Announced>) -> Self {
        Self {
            announced: Some(announced),
            ..self.clone()
        }
    }

    /// Tries of one request, or of several that have one aim.
    pub fn tries(&self) -> Tries<'_> {
        Tries::new(self.patience, &self.waiting)
    }

    pub async fn send(&self, request: &Request<Buffer>) -> Result<Response<HttpBody>, Failure> {
        if let Some(pages) = &self.pages
            && operation(request) == Some(&Operation::List)
        {
            let asked = pages.ask(&request.uri().to_string());
            asked.map_err(Failure::Faulty)?;
        }
        let mut tries = self.tries();
        loop {
            match self.try_once(request).await? {
                Ok(response) => return Ok(response),
                Err(passing) => {
                    let what = || format!("{} {}", request.method(), shown(request));
                    tries.pause(&passing, what).await?;
                }
            }
        }
    }

    /// Sends a request once, or once more with a fresh token.
    pub async fn try_once(
        &self,
        request: &Request<Buffer>,
    ) -> Result<Result<Response<HttpBody>, Passing>, Failure> {
        let begin = Instant::now();
        let mut refused_token: Option<HeaderValue> = None;
        loop {
            let token = match &self.google {
                Some(google) => Some(google.authorization(refused_token.as_ref()).await?),
                None => None,
            };
            match self.attempt(request, token.as_ref()).await {
                Attempt::Done(response) => {
                    self.waiting.worked(begin);
                    return Ok(Ok(response));
                }
                Attempt::Failed(failure) => return Err(failure),
                Attempt::Again(passing) => return Ok(Err(passing)),
                Attempt::Unauthorized(failure) => {
                    // A fresh token may do, once.
                    if token.is_none() || refused_token.is_some() {
                        return Err(failure);
                    }
                    refused_token = token;
                }
            }
        }
    }

    async fn attempt(&self, request: &Request<Buffer>, token: Option<&HeaderValue>) -> Attempt {
        if let Err(failure) = self.check(request) {
            return Attempt::Failed(failure);
        }
        let known = Known::of(request, token);
        let response = match self.ask(request, token).await {
            Some(Ok(response)) => response,
            Some(Err(error)) => {
                return match cause::<RefusedAddress>(&error) {
                    Some(_) => Attempt::Failed(self.refuse(request)),
                    None => failed_attempt(&error, &known),
                };
            }
            None => return Attempt::Again(Passing::new("no answer in time")),
        };
        let ahead = seconds_ahead(response.headers());
        if let Some(ahead) = ahead {
            self.ahead.store(ahead, Ordering::Relaxed);
        }
        let status = response.status();
        if may_pass(status) {
            let after = retry_after(response.headers());
            return Attempt::Again(Passing::new(status.to_string()).after(after));
        }
        let (headers, version) = (response.headers().clone(), response.version());
        // Objects are streamed. All else is short, and read here, so that a reset in the middle of an answer
        // is repeated like any other.
        let is_object = operation(request) == Some(&Operation::Read) && status.is_success();
        let body = if is_object {
            if let Some(announced) = &self.announced {
                announced.set(status, &headers);
            }
            match rest_of(request, response) {
                Ok(body) => body,
                Err(failure) => return Attempt::Failed(failure),
            }
        } else {
            let read = net::body(response, LARGEST_ANSWER);
            let bytes = match tokio::time::timeout(self.patience, read).await {
                Ok(Ok(bytes)) => without(&known, status, bytes),
                Ok(Err(BodyError::Broken(error))) => return failed_attempt(&error, &known),
                Ok(Err(error)) => return Attempt::Failed(Failure::Faulty(error.to_string())),
                Err(_) => return Attempt::Again(Passing::new("no whole answer in time")),
            };
            if let Some(code) = passing_error(status, &bytes) {
                let after = retry_after(&headers);
                return Attempt::Again(Passing::new(format!("{status}: {code}")).after(after));
            }
            let is_list = operation(request) == Some(&Operation::List);
            if is_list && status.is_success() && !is_listing(&bytes) {
                return Attempt::Failed(Failure::Faulty(
                    "it answers something that is no list of objects: is this the address of a store, or of a page to log in?".to_owned(),
                ));
            }
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

    /// Sends a request. `None` when nothing moved for too long: of a large body, the time counts from the last piece that
    /// went out, so that a slow line is not taken for a silent server.
    async fn ask(
        &self,
        request: &Request<Buffer>,
        token: Option<&HeaderValue>,
    ) -> Option<reqwest::Result<reqwest::Response>> {
        let body = body_of(request.body());
        let client = match body.moved {
            Some(_) => &self.uploader,
            None => &self.client,
        };
        let mut sent = client
            .request(request.method().clone(), request.uri().to_string())
            .headers(self.headers(request));
        if let Some(token) = token {
            sent = sent.header(header::AUTHORIZATION, token);
        }
        if !request.body().is_empty() {
            sent = sent.body(body.body);
        }
        match body.moved {
            Some(moved) => moved.unless_silent(self.silence, sent.send()).await,
            None => Some(sent.send().await),
        }
    }

    fn headers(&self, request: &Request<Buffer>) -> HeaderMap {
        let mut headers = request.headers().clone();
        if !request.body().is_empty() {
            headers.insert(header::CONTENT_LENGTH, request.body().len().into());
        }
        if self.as_stored && operation(request) == Some(&Operation::Read) {
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        }
        headers
    }

    /// What a name stands for is checked when it is resolved.
    fn check(&self, request: &Request<Buffer>) -> Result<(), Failure> {
        let (Some(guard), Ok(url)) = (&self.guard, Url::parse(&request.uri().to_string())) else {
            return Ok(());
        };
        guard.check_host(&url).map_err(|_| self.refuse(request))
    }

    fn refuse(&self, request: &Request<Buffer>) -> Failure {
        let refusal = CredentialPolicy::refused_request(&shown(request));
        self.refused.get_or_init(|| refusal.clone());
        refusal.into()
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

/// An object from the byte on that was asked for. A server that knows no ranges sends all of it, which must not be taken for the rest.
fn rest_of(request: &Request<Buffer>, response: reqwest::Response) -> Result<HttpBody, Failure> {
    let range = request.headers().get(header::RANGE);
    let from = range.and_then(|range| {
        let (from, _) = range
            .to_str()
            .ok()?
            .strip_prefix("bytes=")?
            .split_once('-')?;
        from.parse::<u64>().ok()
    });
    let from = from.unwrap_or(0);
    if from > 0 && response.status() != StatusCode::PARTIAL_CONTENT {
        return Err(Failure::Faulty(format!(
            "it sends the whole object when it is asked for the rest from byte {from} on: what is between this machine and the store that takes `Range` away?"
        )));
    }
    Ok(arriving::body(response))
}

fn operation(request: &Request<Buffer>) -> Option<&Operation> {
    request.extensions().get()
}

fn failed_attempt(error: &reqwest::Error, known: &Known) -> Attempt {
    let reason = known.strike(&describe(error));
    match Lost::of(error) {
        Lost::NotConnected => Attempt::Again(Passing::not_connected(reason)),
        Lost::BrokenOff => Attempt::Again(Passing::new(reason)),
        Lost::ForGood => Attempt::Failed(Failure::Unreachable(reason)),
    }
}

/// An error's body without what must not be told: it may be quoted here and by OpenDAL. S3 sends errors with status 200, too.
fn without(known: &Known, status: StatusCode, mut body: Vec<u8>) -> Vec<u8> {
    if !status.is_success() {
        body.truncate(LOOKED_AT);
    } else if !body.windows(6).any(|part| part == b"<Error") {
        return body;
    }
    known.strike(&String::from_utf8_lossy(&body)).into_bytes()
}

/// An address as it may be shown.
fn shown(request: &Request<Buffer>) -> String {
    let uri = request.uri();
    let address = format!(
        "{}://{}{}",
        uri.scheme_str().unwrap_or_default(),
        uri.authority().map_or("", |authority| authority.as_str()),
        uri.path()
    );
    Known::of(request, None).strike(&address)
}
