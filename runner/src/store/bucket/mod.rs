//! A store in a bucket, through OpenDAL: one implementation for all clouds.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use opendal::options::{ListOptions, ReaderOptions};
use opendal::{ErrorKind, HttpTransporter, Metadata, OperationContext, Operator};
use tokio::sync::Semaphore;

use super::{
    ARRIVALS, Content, Created, Depth, Download, Entry, LARGEST_READ, Location, Object, Options,
    Replaced, Revision, Stat, Store, StoreError, check_key,
};
use crate::net::without_queries;
use crate::policy::Refusal;
use connect::Connected;
use failure::Failure;
use pages::Pages;
use transport::Transport;
use uploads::Uploads;
use write::{MEMORY, Put};

mod answer;
mod arriving;
mod connect;
mod download;
mod failure;
mod google;
#[cfg(feature = "s3")]
mod homeless;
mod known;
mod moving;
mod pages;
mod transport;
mod tries;
mod uploads;
mod waiting;
mod write;

/// `gs://`, `s3://`, `az://`.
#[derive(Clone)]
pub(super) struct BucketStore {
    operator: Operator,
    transport: Transport,
    /// For messages.
    location: Location,
    /// What a state of an object is called there.
    revisions: Revisions,
    /// Whether it compares what arrives by itself: else what is large is read back.
    compares: bool,
    patience: Duration,
    uploads: Option<Arc<Uploads>>,
    /// Whether its ETags were seen not to be MD5s, as where it encrypts with keys of its own.
    other_etags: Arc<AtomicBool>,
    /// Bytes of objects that may be in memory on their way there, in MiB: however many uploads run at a time.
    memory: Arc<Semaphore>,
    /// What [`Store::ahead`] tells.
    ahead: Arc<AtomicI64>,
    /// Why credentials were not looked for everywhere.
    refused: Arc<OnceLock<Refusal>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Revisions {
    /// Google's numbers.
    Generation,
    ETag,
}

impl BucketStore {
    pub fn open(location: &Location, options: &Options) -> Result<Self, StoreError> {
        let Connected {
            operator,
            transport,
            revisions,
            compares,
            uploads,
        } = connect::connect(location, options)?;
        Ok(Self {
            ahead: Arc::clone(&transport.ahead),
            refused: Arc::clone(&transport.refused),
            operator,
            transport,
            location: location.clone(),
            revisions,
            compares,
            patience: options.timeout,
            uploads: uploads.map(Arc::new),
            other_etags: Arc::default(),
            memory: Arc::new(Semaphore::new(MEMORY as usize)),
        })
    }

    /// The operator over a transport that knows what this one listing or download is about.
    fn operator_over(&self, transport: Transport) -> Operator {
        let transport = HttpTransporter::new(transport);
        let context = OperationContext::new().with_http_transport(transport);
        self.operator.clone().with_context(context)
    }

    async fn read_once(&self, key: &str) -> Result<Option<Object>, StoreError> {
        let Some(download) = self.download(key, 0).await? else {
            return Ok(None);
        };
        let revision = download.revision.clone();
        let mut bytes = Vec::new();
        let mut chunks = download.chunks;
        while let Some(chunk) = chunks.try_next().await? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() as u64 > LARGEST_READ {
                return Err(StoreError::too_large(&self.url(key)));
            }
        }
        Ok(Some(Object {
            bytes: bytes.into(),
            revision,
        }))
    }

    fn revision(&self, metadata: &Metadata) -> Revision {
        let text = match self.revisions {
            Revisions::Generation => metadata.version(),
            Revisions::ETag => metadata.etag(),
        };
        // A store without revisions can't be compared-and-swapped on: no state equals the empty one.
        Revision(text.unwrap_or_default().to_owned())
    }

    /// By what a listed object can be deleted and no other.
    fn deletable(&self, metadata: &Metadata) -> Option<Revision> {
        let generation = metadata.version().filter(|version| !version.is_empty());
        generation
            .filter(|_| self.revisions == Revisions::Generation)
            .map(|generation| Revision(generation.to_owned()))
    }

    fn reader_options(&self, pinned: Option<&Revision>) -> ReaderOptions {
        let pinned = pinned
            .map(|revision| revision.0.clone())
            .filter(|text| !text.is_empty());
        match self.revisions {
            Revisions::Generation => ReaderOptions {
                if_version_match: pinned,
                ..ReaderOptions::default()
            },
            Revisions::ETag => ReaderOptions {
                if_match: pinned,
                ..ReaderOptions::default()
            },
        }
    }

    fn failed(&self, key: &str, error: &opendal::Error) -> StoreError {
        let problem = match (cause(error), error.kind()) {
            (Some(failure), _) => return self.failure(key, failure),
            (None, ErrorKind::NotFound) => "there is no such bucket or object".to_owned(),
            // The library's words for credentials of S3 and Azure that it finds nowhere, or can't use.
            (None, _) if error.message() == "signing http request" => {
                if let Some(refusal) = self.refused.get() {
                    return refusal.clone().into();
                }
                let why = std::error::Error::source(error).map(ToString::to_string);
                return StoreError::Credentials {
                    problem: format!(
                        "{}: {}. Give them in the environment, such as AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY, or AZURE_STORAGE_ACCOUNT with AZURE_STORAGE_KEY",
                        self.url(key),
                        why.unwrap_or_default()
                    ),
                };
            }
            (None, _) if error.is_temporary() => {
                return self.failure(key, &Failure::Unreachable(shown(error)));
            }
            (None, _) => {
                let problem = format!("unexpected answer: {}", shown(error));
                return self.failure(key, &Failure::Faulty(problem));
            }
        };
        self.failure(key, &Failure::Refused(problem))
    }

    fn failure(&self, key: &str, failure: &Failure) -> StoreError {
        let url = self.url(key);
        match failure {
            Failure::Refused(problem) | Failure::Clock(problem) => StoreError::Refused {
                url,
                problem: problem.clone(),
            },
            Failure::Faulty(problem) => StoreError::Faulty {
                url,
                problem: problem.clone(),
            },
            Failure::NotAllowed(refusal) => refusal.clone().into(),
            Failure::Unreachable(problem) => StoreError::Unreachable {
                url,
                problem: problem.clone(),
            },
        }
    }
}

#[async_trait]
impl Store for BucketStore {
    fn patience(&self) -> Duration {
        self.patience
    }

    fn ahead(&self) -> i64 {
        self.ahead.load(Ordering::Relaxed)
    }

    fn url(&self, key: &str) -> String {
        if key.is_empty() {
            self.location.to_string()
        } else {
            format!("{}/{key}", self.location)
        }
    }

    async fn create(&self, key: &str, content: &Content) -> Result<Created, StoreError> {
        check_key(key)?;
        Ok(match self.put(key, content, None).await? {
            Put::Done => Created::New,
            Put::NotMet => Created::Exists,
        })
    }

    async fn read(&self, key: &str) -> Result<Option<Object>, StoreError> {
        let mut tries = ARRIVALS;
        loop {
            tries -= 1;
            match self.read_once(key).await {
                Err(StoreError::Garbled { .. }) if tries > 0 => {
                    tracing::debug!("{} arrived damaged, fetching it again", self.url(key));
                }
                read => return read,
            }
        }
    }

    async fn download(&self, key: &str, offset: u64) -> Result<Option<Download>, StoreError> {
        check_key(key)?;
        download::start(self, key, offset).await
    }

    async fn stat(&self, key: &str) -> Result<Option<Stat>, StoreError> {
        check_key(key)?;
        match self.operator.stat(key).await {
            Ok(metadata) => Ok(Some(Stat {
                bytes: metadata.content_length(),
                md5: md5_of(&metadata),
                modified: modified(&metadata),
                revision: self.revision(&metadata),
            })),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed(key, &error)),
        }
    }

    fn list<'a>(&'a self, prefix: &str, depth: Depth) -> BoxStream<'a, Result<Entry, StoreError>> {
        let prefix = prefix.to_owned();
        let pages = Arc::new(Pages::default());
        let operator = self.operator_over(self.transport.for_pages(Arc::clone(&pages)));
        let open = async move {
            let options = ListOptions {
                recursive: depth == Depth::All,
                ..ListOptions::default()
            };
            let opened = operator.lister_options(&prefix, options).await;
            let entries = opened.map_err(|error| self.failed(&prefix, &error))?;
            Ok::<_, StoreError>(entries.map_err(move |error| self.failed(&prefix, &error)))
        };
        stream::once(open)
            .try_flatten()
            .try_filter_map(move |entry| {
                let (key, metadata) = entry.into_parts();
                pages.brought(&key, &metadata);
                // The folder that is listed, and empty objects that other tools make in its place.
                let nothing =
                    key.is_empty() || key == "/" || (metadata.is_dir() && depth == Depth::All)
                    // Nothing of ours has such a name, and nothing can be asked about it.
                    || check_key(key.trim_end_matches('/')).is_err();
                std::future::ready(Ok((!nothing).then(|| Entry {
                    bytes: metadata.content_length(),
                    modified: modified(&metadata),
                    revision: self.deletable(&metadata),
                    key,
                })))
            })
            .boxed()
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        check_key(key)?;
        let deleted = self.operator.delete(key).await;
        deleted.map_err(|error| self.failed(key, &error))
    }

    async fn delete_listed(&self, entry: &Entry) -> Result<(), StoreError> {
        let Some(Revision(generation)) = &entry.revision else {
            return self.delete(&entry.key).await;
        };
        check_key(&entry.key)?;
        let delete = self.operator.delete_with(&entry.key);
        match delete.if_version_match(generation).await {
            Err(error)
                if !matches!(
                    error.kind(),
                    ErrorKind::ConditionNotMatch | ErrorKind::NotFound
                ) =>
            {
                Err(self.failed(&entry.key, &error))
            }
            _ => Ok(()),
        }
    }

    async fn replace(
        &self,
        key: &str,
        expected: Option<&Revision>,
        bytes: Bytes,
    ) -> Result<Replaced, StoreError> {
        check_key(key)?;
        let content = Content::of_bytes(bytes);
        Ok(match self.put(key, &content, expected).await? {
            Put::Done => Replaced::Done,
            Put::NotMet => Replaced::Changed,
        })
    }
}

/// OpenDAL's own words. Its context holds whole requests and answers, and in them the right to go on with an upload.
fn shown(error: &opendal::Error) -> String {
    let mut text = format!("{}: {}", error.kind(), error.message());
    if let Some(source) = std::error::Error::source(error) {
        text.push_str(&format!(": {source}"));
    }
    without_queries(&text)
}

/// Why a request came to nothing, when it was the transport that gave up.
fn cause(error: &opendal::Error) -> Option<&Failure> {
    std::error::Error::source(error).and_then(|cause| cause.downcast_ref())
}

/// Seconds since 1970.
fn modified(metadata: &Metadata) -> Option<i64> {
    Some(metadata.last_modified()?.into_inner().as_second())
}

/// The MD5 of a whole object, where the store keeps one.
fn md5_of(metadata: &Metadata) -> Option<[u8; 16]> {
    md5_from(metadata.content_md5()?)
}

/// As it travels: in base64.
fn md5_from(text: &str) -> Option<[u8; 16]> {
    let engine = &base64::engine::general_purpose::STANDARD;
    engine.decode(text).ok()?.try_into().ok()
}
