//! Uploads to Google Cloud Storage: one request for a small object, a resumable session for a large one.
//!
//! OpenDAL uploads conditionally by sessions only: two requests for each small object, and up to five parts of a large one
//! in memory (docs/adr/opendal.md).

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http::{Method, Request, Response, StatusCode, header};
use opendal::{Buffer, HttpBody};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::failure::Failure;
use super::known::Session;
use super::transport::Transport;
use super::write::{PART, Stored, Uploaded, read_part};
use crate::store::{Content, Revision, Source, StoreError};

/// Parts of a session are multiples of this. Bytes.
const SMALLEST_PART: usize = 256 << 10;

/// How often in a row a session may take nothing of a part that was sent.
const STALLS: u32 = 5;

pub(super) struct Uploads {
    pub transport: Transport,
    /// Of the cloud, or of what stands in for it; without a `/` at its end.
    pub endpoint: String,
    pub bucket: String,
    /// What all names begin with: empty, or with a `/` at its end.
    pub prefix: String,
}

/// Why an upload came to nothing: the bucket's side of it, or a file of this machine.
pub(super) enum Trouble {
    Failure(Failure),
    Local(StoreError),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Local(error)
    }
}

impl Uploads {
    /// Writes an object that must not exist, or must still be as `expected`. Google compares what arrives with the MD5 that is
    /// sent along, and keeps nothing that differs.
    pub async fn put(
        &self,
        key: &str,
        (content, md5): (&Content, &[u8; 16]),
        expected: Option<&Revision>,
    ) -> Result<Uploaded, Trouble> {
        let name = format!("{}{key}", self.prefix);
        let generation = expected.map_or("0", |revision| &revision.0);
        let address = |kind: &str| {
            format!(
                "{}/upload/storage/v1/b/{}/o?uploadType={kind}&name={}&ifGenerationMatch={generation}",
                self.endpoint,
                self.bucket,
                utf8_percent_encode(&name, NON_ALPHANUMERIC),
            )
        };
        let metadata = json!({
            "md5Hash": STANDARD.encode(md5),
            "contentType": "application/octet-stream",
        });
        let outcome = if content.bytes <= PART as u64 {
            self.at_once(&address("multipart"), content, &metadata)
                .await
        } else {
            self.in_parts(&address("resumable"), content, &metadata)
                .await
        };
        match outcome {
            // On its way the object became another one: it is sent again, like one that was reset.
            Err(Trouble::Failure(Failure::Refused(said) | Failure::Clock(said)))
                if said.contains(DAMAGED) =>
            {
                Ok(Uploaded::Again("it arrived damaged".to_owned()))
            }
            outcome => outcome,
        }
    }

    async fn at_once(
        &self,
        address: &str,
        content: &Content,
        metadata: &Value,
    ) -> Result<Uploaded, Trouble> {
        // No content holds its own digest.
        let boundary = &content.sha256;
        let head = format!(
            "--{boundary}\r\ncontent-type: application/json; charset=UTF-8\r\n\r\n{metadata}\r\n--{boundary}\r\ncontent-type: application/octet-stream\r\n\r\n"
        );
        let tail = format!("\r\n--{boundary}--\r\n");
        let bytes = bytes_at(content, 0, PART, BytesMut::new()).await?;
        // A buffer does not get past an empty piece.
        let mut body = vec![Bytes::from(head), bytes, Bytes::from(tail)];
        body.retain(|piece| !piece.is_empty());
        let request = request(Method::POST, address)
            .header(
                header::CONTENT_TYPE,
                format!("multipart/related; boundary={boundary}"),
            )
            .body(Buffer::from(body));
        let answer = self.transport.send(&made(request)?).await?;
        match answer.status() {
            StatusCode::OK | StatusCode::CREATED => stored(answer).await,
            status => Ok(unsuccessful(status)),
        }
    }

    async fn in_parts(
        &self,
        address: &str,
        content: &Content,
        metadata: &Value,
    ) -> Result<Uploaded, Trouble> {
        let begin = request(Method::POST, address)
            .header(header::CONTENT_TYPE, "application/json; charset=UTF-8")
            .header("x-upload-content-type", "application/octet-stream")
            .header("x-upload-content-length", content.bytes)
            .body(Buffer::from(metadata.to_string()));
        let answer = self.transport.send(&made(begin)?).await?;
        if !answer.status().is_success() {
            return Ok(unsuccessful(answer.status()));
        }
        let session = answer.headers().get(header::LOCATION);
        let session = session
            .and_then(|address| address.to_str().ok())
            .ok_or_else(|| unexpected("an upload began, and its address is missing"))?
            .to_owned();
        let put = |range: String, part: Bytes| {
            let request = request(Method::PUT, &session)
                .extension(Session {
                    begun_at: address.to_owned(),
                })
                .header(header::CONTENT_RANGE, range)
                .body(Buffer::from(part));
            made(request)
        };
        let (mut at, mut most, mut stalls, mut size) = (0, 0, 0, PART);
        let mut tries = self.transport.tries();
        let mut buffer = BytesMut::new();
        loop {
            let part = bytes_at(content, at, size, buffer).await?;
            let end = at + part.len() as u64;
            let range = match part.is_empty() {
                // All is there, and the answer that said so got lost.
                true => format!("bytes */{end}"),
                false => format!("bytes {at}-{}/{}", end - 1, content.bytes),
            };
            let sent = self.transport.try_once(&put(range, part.clone())?).await?;
            let (answer, is_lost) = match sent {
                Ok(answer) => (answer, false),
                Err(passing) => {
                    let what = || format!("a part of an upload, from byte {at} on");
                    tries.pause(&passing, what).await?;
                    // Nobody knows how much of it arrived but the session.
                    let ask = put(format!("bytes */{}", content.bytes), Bytes::new())?;
                    (self.transport.send(&ask).await?, true)
                }
            };
            match answer.status() {
                StatusCode::OK | StatusCode::CREATED => return stored(answer).await,
                StatusCode::PERMANENT_REDIRECT => {}
                status => return Ok(unsuccessful(status)),
            }
            // The server may have kept less than a part: the next one begins where it ends.
            let kept = kept_until(&answer).filter(|kept| *kept <= end);
            let kept =
                kept.ok_or_else(|| unexpected("an upload is said to hold what was not sent"))?;
            if kept > most {
                (most, stalls) = (kept, 0);
                tries = self.transport.tries();
            } else if !is_lost {
                // A server that takes back what it confirmed does not get on, whatever it confirms next.
                stalls += 1;
            }
            if stalls == STALLS {
                return Err(unexpected("an upload does not get on"));
            }
            if stalls > 0 {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            // What a line does not get through at once it may get through in smaller parts.
            size = match is_lost && kept < end {
                true => (size / 2).max(SMALLEST_PART),
                false => (size * 2).min(PART),
            };
            at = kept;
            // One buffer serves all parts: allocators keep what is freed, each thread's its own.
            buffer = part.try_into_mut().unwrap_or_default();
        }
    }
}

/// What Google says of bytes that do not have the MD5 that was sent along.
const DAMAGED: &str = "doesn't match calculated MD5";

/// At most `size` bytes of the content from `at` on; those of a file are in `buffer`.
async fn bytes_at(
    content: &Content,
    at: u64,
    size: usize,
    buffer: BytesMut,
) -> Result<Bytes, StoreError> {
    match &content.source {
        Source::Bytes(bytes) => {
            let start = usize::try_from(at).unwrap_or(bytes.len()).min(bytes.len());
            Ok(bytes.slice(start..bytes.len().min(start + size)))
        }
        Source::File(file) => read_part(file, at, content.bytes, size, buffer).await,
    }
}

fn request(method: Method, address: &str) -> http::request::Builder {
    Request::builder().method(method).uri(address)
}

fn made(request: http::Result<Request<Buffer>>) -> Result<Request<Buffer>, Trouble> {
    request.map_err(|_| unexpected("its address is none that can be asked"))
}

/// The end of what a session holds.
fn kept_until(answer: &Response<HttpBody>) -> Option<u64> {
    let Some(range) = answer.headers().get(header::RANGE) else {
        return Some(0);
    };
    let (_, last) = range
        .to_str()
        .ok()?
        .strip_prefix("bytes=")?
        .split_once('-')?;
    last.parse::<u64>().ok()?.checked_add(1)
}

fn unsuccessful(status: StatusCode) -> Uploaded {
    match status {
        StatusCode::PRECONDITION_FAILED => Uploaded::NotMet,
        StatusCode::CONFLICT => Uploaded::Conflict("somebody else writes it at this moment".into()),
        // 404 and 410: the session is gone, as it is after a week or a fault of the server.
        status => Uploaded::Again(format!("the upload broke off ({status})")),
    }
}

async fn stored(answer: Response<HttpBody>) -> Result<Uploaded, Trouble> {
    let read = answer.into_body().to_buffer().await;
    let text = read.map_err(|_| unexpected("the answer could not be read"))?;
    let object: Value = serde_json::from_slice(&text.to_bytes()).unwrap_or_default();
    let field = |name: &str| object[name].as_str().unwrap_or_default();
    let (md5, generation) = (super::md5_from(field("md5Hash")), field("generation"));
    // Anything may answer 200. What Google stored, it tells the digest and the generation of.
    if md5.is_none() || generation.is_empty() {
        return Err(unexpected(
            "an upload was answered by something that is not Google Cloud Storage: is this its address, or that of a page to log in?",
        ));
    }
    Ok(Uploaded::Stored(Stored {
        md5,
        revision: Revision(generation.to_owned()),
    }))
}

fn unexpected(problem: &str) -> Trouble {
    Trouble::Failure(Failure::Faulty(problem.to_owned()))
}
