//! A store in a bucket, through OpenDAL: one implementation for all clouds.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use base64::Engine;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use opendal::options::{ListOptions, ReaderOptions, WriteOptions};
use opendal::{Buffer, ErrorKind, Metadata, Operator};

use super::blocking::blocking;
use super::{
    Content, Created, Depth, Download, Entry, LARGEST_READ, Location, Object, Options, Replaced,
    Revision, Source, Stat, Store, StoreError, check_key,
};
use transport::Failure;

mod connect;
mod download;
mod google;
mod transport;

/// The size of one request of a large upload, and so the memory that an upload takes, a few times over.
const PART: usize = 8 << 20;

/// `gs://`, `s3://`, `az://`.
#[derive(Clone)]
pub(super) struct BucketStore {
    operator: Operator,
    /// For messages.
    location: Location,
    /// What a state of an object is called there.
    revisions: Revisions,
    patience: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Revisions {
    /// Google's numbers.
    Generation,
    ETag,
}

impl BucketStore {
    pub fn open(location: &Location, options: &Options) -> Result<Self, StoreError> {
        let (operator, revisions) = connect::operator(location, options)?;
        Ok(Self {
            operator,
            location: location.clone(),
            revisions,
            patience: options.timeout,
        })
    }

    fn revision(&self, metadata: &Metadata) -> Revision {
        let text = match self.revisions {
            Revisions::Generation => metadata.version(),
            Revisions::ETag => metadata.etag(),
        };
        // A store without revisions can't be compared-and-swapped on: no state equals the empty one.
        Revision(text.unwrap_or_default().to_owned())
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

    fn write_options(&self, expected: Option<&Revision>) -> WriteOptions {
        let expected = expected.map(|revision| revision.0.clone());
        WriteOptions {
            chunk: Some(PART),
            if_not_exists: expected.is_none(),
            if_version_match: expected
                .clone()
                .filter(|_| self.revisions == Revisions::Generation),
            if_match: expected.filter(|_| self.revisions == Revisions::ETag),
            ..WriteOptions::default()
        }
    }

    fn failed(&self, key: &str, error: &opendal::Error) -> StoreError {
        let url = self.url(key);
        let failure = std::error::Error::source(error).and_then(|cause| cause.downcast_ref());
        match (failure, error.kind()) {
            (Some(Failure::Refused(problem)), _) => StoreError::Refused {
                url,
                problem: problem.clone(),
            },
            (Some(Failure::Unreachable(problem)), _) => StoreError::Unreachable {
                url,
                problem: problem.clone(),
            },
            (None, ErrorKind::NotFound) => StoreError::Refused {
                url,
                problem: "there is no such bucket or object".to_owned(),
            },
            // OpenDAL's own text: it quotes answers, and no header of a request.
            (None, _) => StoreError::Refused {
                url,
                problem: format!("unexpected answer: {error}"),
            },
        }
    }

    /// Uploads once. The md5 is what the store says it holds, where it says so.
    async fn upload(
        &self,
        key: &str,
        content: &Content,
        options: WriteOptions,
    ) -> Result<opendal::Result<Metadata>, StoreError> {
        let file = match &content.source {
            Source::Bytes(bytes) => {
                return Ok(self
                    .operator
                    .write_options(key, bytes.clone(), options)
                    .await);
            }
            Source::File(path) => path,
        };
        let mut writer = match self.operator.writer_options(key, options).await {
            Ok(writer) => writer,
            Err(error) => return Ok(Err(error)),
        };
        let mut at = 0;
        while at < content.bytes {
            let part = read_part(file, at, content.bytes).await?;
            at += part.len() as u64;
            if let Err(error) = writer.write(Buffer::from(part)).await {
                return Ok(Err(error));
            }
        }
        Ok(writer.close().await)
    }

    /// Compares what the store says that it holds with what was sent, and takes back what is wrong: nobody
    /// could see it yet, and the name must be free for the next attempt.
    async fn check_upload(
        &self,
        key: &str,
        content: &Content,
        metadata: &Metadata,
    ) -> Result<bool, StoreError> {
        if md5_of(metadata).is_none_or(|md5| md5 == content.md5) {
            return Ok(true);
        }
        tracing::debug!(
            "{}: arrived with another MD5, sending it again",
            self.url(key)
        );
        let deleted = match (self.revisions, self.revision(metadata)) {
            (Revisions::Generation, Revision(generation)) if !generation.is_empty() => {
                let delete = self.operator.delete_with(key);
                delete.if_version_match(&generation).await
            }
            _ => self.operator.delete(key).await,
        };
        deleted.map_err(|error| StoreError::Damaged {
            url: self.url(key),
            problem: format!(
                "it arrived with another MD5 than it was sent with, and could not be taken back ({}). Nobody sees it: publish under another name, or let `runner gc` remove it",
                self.failed(key, &error)
            ),
        })?;
        Ok(false)
    }
}

#[async_trait]
impl Store for BucketStore {
    fn url(&self, key: &str) -> String {
        if key.is_empty() {
            self.location.to_string()
        } else {
            format!("{}/{key}", self.location)
        }
    }

    async fn create(&self, key: &str, content: &Content) -> Result<Created, StoreError> {
        check_key(key)?;
        let started = Instant::now();
        loop {
            let uploaded = self.upload(key, content, self.write_options(None)).await?;
            let reason = match uploaded {
                Ok(metadata) if self.check_upload(key, content, &metadata).await? => {
                    return Ok(Created::New);
                }
                Ok(_) => "it arrived damaged".to_owned(),
                Err(error) => match error.kind() {
                    ErrorKind::ConditionNotMatch | ErrorKind::AlreadyExists => {
                        return Ok(Created::Exists);
                    }
                    // Somebody else is creating it at this moment, or the upload's session is gone.
                    ErrorKind::Conflict | ErrorKind::NotFound
                        if std::error::Error::source(&error).is_none() =>
                    {
                        self.failed(key, &error).to_string()
                    }
                    _ => return Err(self.failed(key, &error)),
                },
            };
            if started.elapsed() >= self.patience.min(Duration::from_secs(30)) {
                return Err(StoreError::Unreachable {
                    url: self.url(key),
                    problem: reason,
                });
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn read(&self, key: &str) -> Result<Option<Object>, StoreError> {
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
                revision: self.revision(&metadata),
            })),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed(key, &error)),
        }
    }

    fn list<'a>(&'a self, prefix: &str, depth: Depth) -> BoxStream<'a, Result<Entry, StoreError>> {
        let prefix = prefix.to_owned();
        let open = async move {
            let options = ListOptions {
                recursive: depth == Depth::All,
                ..ListOptions::default()
            };
            let opened = self.operator.lister_options(&prefix, options).await;
            let entries = opened.map_err(|error| self.failed(&prefix, &error))?;
            Ok::<_, StoreError>(entries.map_err(move |error| self.failed(&prefix, &error)))
        };
        stream::once(open)
            .try_flatten()
            .try_filter_map(move |entry| {
                let (key, metadata) = entry.into_parts();
                // The folder that is listed, and empty objects that other tools make in its place.
                let nothing =
                    key.is_empty() || key == "/" || (metadata.is_dir() && depth == Depth::All);
                let modified = metadata.last_modified();
                std::future::ready(Ok((!nothing).then(|| Entry {
                    bytes: metadata.content_length(),
                    modified: modified.map(|time| time.into_inner().as_second()),
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

    async fn replace(
        &self,
        key: &str,
        expected: Option<&Revision>,
        bytes: Bytes,
    ) -> Result<Replaced, StoreError> {
        check_key(key)?;
        let content = Content::of_bytes(bytes);
        let options = self.write_options(expected);
        match self.upload(key, &content, options).await? {
            Ok(metadata) if md5_of(&metadata).is_none_or(|md5| md5 == content.md5) => {
                Ok(Replaced::Done)
            }
            Ok(_) => Err(StoreError::Damaged {
                url: self.url(key),
                problem: "it arrived with another MD5 than it was sent with: run this again"
                    .to_owned(),
            }),
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::ConditionNotMatch | ErrorKind::AlreadyExists | ErrorKind::Conflict
                ) =>
            {
                Ok(Replaced::Changed)
            }
            Err(error) => Err(self.failed(key, &error)),
        }
    }
}

/// The MD5 of a whole object, where the store keeps one.
fn md5_of(metadata: &Metadata) -> Option<[u8; 16]> {
    base64::engine::general_purpose::STANDARD
        .decode(metadata.content_md5()?)
        .ok()?
        .try_into()
        .ok()
}

/// Reads the next [`PART`] of a file.
async fn read_part(path: &Path, at: u64, bytes: u64) -> Result<Bytes, StoreError> {
    let path = path.to_owned();
    blocking(move |_| {
        let failed = |source| StoreError::local("read", &path, source);
        let left = usize::try_from(bytes - at).unwrap_or(PART);
        let mut part = vec![0; left.min(PART)];
        let file = File::open(&path).map_err(failed)?;
        file.read_exact_at(&mut part, at).map_err(failed)?;
        Ok(part.into())
    })
    .await
}
