//! Writing to a bucket: in parts, within a bound of memory, and again when something got lost on the way.

use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use md5::{Digest, Md5};
use opendal::options::WriteOptions;
use opendal::{Buffer, ErrorKind, Metadata};

use super::failure::Failure;
use super::uploads::Trouble;
use super::{BucketStore, Revisions, cause, md5_of, shown};
use crate::net::retry::Backoff;
use crate::store::blocking::blocking;
use crate::store::content::{LocalFile, digest_of};
use crate::store::{Content, Revision, Source, Store, StoreError};

/// The size of one request of a large upload.
pub(super) const PART: usize = 8 << 20;

/// MiB of all uploads in memory at a time: a few parts.
pub(super) const MEMORY: u32 = 24;

/// How often at least an upload is begun that gets lost or arrives damaged, however long each takes.
const UPLOADS: u32 = 3;

/// For how long an upload that gets lost or arrives damaged is begun again, if that is within the patience.
const REPEATED: Duration = Duration::from_secs(30);

/// The MD5s of the parts that an object was sent in, which S3 makes its ETag of.
#[derive(Default)]
struct Parts(Vec<[u8; 16]>);

impl Parts {
    fn add(&mut self, part: &[u8]) {
        self.0.push(Md5::digest(part).into());
    }

    /// Whether an ETag is of these parts.
    fn are(&self, etag: &Revision) -> bool {
        let one = |md5: &[u8; 16]| crate::hex(md5);
        let expected = match &self.0[..] {
            [] => one(&Md5::digest(b"").into()),
            [part] => one(part),
            parts => {
                let all = one(&Md5::digest(parts.concat()).into());
                format!("{all}-{}", parts.len())
            }
        };
        etag.as_str()
            .trim_matches('"')
            .eq_ignore_ascii_case(&expected)
    }
}

/// What a store says of an object that was just written.
pub(super) struct Stored {
    /// Where the store tells it.
    pub md5: Option<[u8; 16]>,
    pub revision: Revision,
}

/// How an upload ended that the store did not refuse.
pub(super) enum Uploaded {
    Stored(Stored),
    /// The object is there already, or is not as it was expected. Nothing was written.
    NotMet,
    /// Somebody else is writing it.
    Conflict(String),
    /// Nothing was written, and that may be another time.
    Again(String),
}

/// How a write ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Put {
    Done,
    NotMet,
}

impl BucketStore {
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

    /// Uploads once.
    async fn upload(
        &self,
        key: &str,
        (content, md5): (&Content, &[u8; 16]),
        expected: Option<&Revision>,
    ) -> Result<Uploaded, StoreError> {
        let needed = if content.bytes <= PART as u64 || self.uploads.is_some() {
            content.bytes.min(PART as u64).div_ceil(1 << 20)
        } else {
            // The operator keeps several parts.
            MEMORY.into()
        };
        let needed = u32::try_from(needed).unwrap_or(MEMORY);
        // It is never closed.
        let _place = self.memory.acquire_many(needed.clamp(1, MEMORY)).await.ok();
        let Some(uploads) = &self.uploads else {
            let uploaded = self.upload_through_operator(key, (content, md5), expected);
            return uploaded.await;
        };
        let uploaded = uploads.put(key, (content, md5), expected).await;
        uploaded.map_err(|trouble| match trouble {
            Trouble::Failure(failure) => self.failure(key, &failure),
            Trouble::Local(error) => error,
        })
    }

    async fn upload_through_operator(
        &self,
        key: &str,
        (content, sent): (&Content, &[u8; 16]),
        expected: Option<&Revision>,
    ) -> Result<Uploaded, StoreError> {
        let mut parts = Parts::default();
        let options = self.write_options(expected);
        let error = match self.write(key, content, options, &mut parts).await? {
            Ok(metadata) => {
                let revision = self.revision(&metadata);
                // Anything may answer 200. What these stores stored, they tell the ETag of.
                if revision.as_str().is_empty() {
                    return Err(StoreError::Faulty {
                        url: self.url(key),
                        problem: "an upload was answered without an ETag: is this the address of a store, or of a page to log in?".to_owned(),
                    });
                }
                let mut md5 = md5_of(&metadata);
                let is_untold = match self.compares {
                    // A server that ignores the checksums that go along keeps what arrived damaged.
                    true => !self.other_etags.load(Ordering::Relaxed) && !parts.are(&revision),
                    // A store that tells none of an object that came in parts.
                    false => md5.is_none(),
                };
                if is_untold {
                    md5 = self.stored_md5(key, &revision, sent).await?;
                    // An ETag that is not made of MD5s says nothing, of later objects neither.
                    let is_whole = self.compares && md5.is_none_or(|stored| stored == *sent);
                    self.other_etags.fetch_or(is_whole, Ordering::Relaxed);
                }
                return Ok(Uploaded::Stored(Stored { md5, revision }));
            }
            Err(error) => error,
        };
        let said = || self.failed(key, &error).to_string();
        match error.kind() {
            ErrorKind::ConditionNotMatch | ErrorKind::AlreadyExists => Ok(Uploaded::NotMet),
            ErrorKind::Conflict => Ok(Uploaded::Conflict(said())),
            // The upload's session is gone.
            ErrorKind::NotFound if std::error::Error::source(&error).is_none() => {
                Ok(Uploaded::Again(said()))
            }
            _ => Err(self.failed(key, &error)),
        }
    }

    /// The MD5 of what was stored just now, which is read back; `None` where that can't be told: somebody else has written there
    /// since, or this user may not read and the store compares what arrives.
    async fn stored_md5(
        &self,
        key: &str,
        revision: &Revision,
        sent: &[u8; 16],
    ) -> Result<Option<[u8; 16]>, StoreError> {
        let found = match digest_of::<Md5>(self, key).await {
            Err(StoreError::Refused { .. }) if self.compares => return Ok(None),
            found => found?.map(Into::into),
        };
        if found == Some(*sent) {
            return Ok(found);
        }
        let now = self.stat(key).await?;
        let bare = |revision: &Revision| revision.0.trim_matches('"').to_owned();
        let is_ours = now.is_some_and(|stat| bare(&stat.revision) == bare(revision));
        Ok(found.filter(|_| is_ours))
    }

    async fn write(
        &self,
        key: &str,
        content: &Content,
        options: WriteOptions,
        parts: &mut Parts,
    ) -> Result<opendal::Result<Metadata>, StoreError> {
        let file = match &content.source {
            Source::Bytes(bytes) => {
                bytes.chunks(PART).for_each(|part| parts.add(part));
                return Ok(self
                    .operator
                    .write_options(key, bytes.clone(), options)
                    .await);
            }
            Source::File(file) => file,
        };
        let mut writer = match self.operator.writer_options(key, options).await {
            Ok(writer) => writer,
            Err(error) => return Ok(Err(error)),
        };
        let mut at = 0;
        let written = loop {
            if at == content.bytes {
                break Ok(writer.close().await);
            }
            let part = match read_part(file, at, content.bytes, PART, BytesMut::new()).await {
                Ok(part) => part,
                Err(error) => break Err(error),
            };
            if self.compares {
                parts.add(&part);
            }
            at += part.len() as u64;
            if let Err(error) = writer.write(Buffer::from(part)).await {
                break Ok(Err(error));
            }
        };
        // Parts that never become an object are kept, and paid for, until they are taken back. A store that did not answer
        // would not answer that either.
        let reached = match &written {
            Ok(Ok(_)) => false,
            Ok(Err(error)) => !matches!(cause(error), Some(Failure::Unreachable(_))),
            Err(_) => true,
        };
        if reached && let Err(error) = writer.abort().await {
            tracing::debug!(
                "{}: an upload could not be taken back: {}",
                self.url(key),
                shown(&error)
            );
        }
        written
    }

    /// Writes an object that must not exist, or must still be as `expected`: over and over while it arrives damaged or the
    /// upload gets lost. Each request within it has its own patience.
    pub(super) async fn put(
        &self,
        key: &str,
        content: &Content,
        expected: Option<&Revision>,
    ) -> Result<Put, StoreError> {
        let md5 = content.md5().await?;
        let mut failures = 0;
        let mut backoff = Backoff::patience(self.patience.min(REPEATED));
        loop {
            let reason = match self.upload(key, (content, &md5), expected).await? {
                Uploaded::Stored(stored) if stored.md5.is_none_or(|arrived| arrived == md5) => {
                    return Ok(Put::Done);
                }
                Uploaded::Stored(stored) => {
                    self.take_back(key, &stored, expected).await?;
                    "it arrived damaged".to_owned()
                }
                Uploaded::NotMet => return Ok(Put::NotMet),
                Uploaded::Conflict(_) if expected.is_some() => return Ok(Put::NotMet),
                Uploaded::Conflict(reason) | Uploaded::Again(reason) => reason,
            };
            failures += 1;
            let pause = match backoff.next(None) {
                Ok(pause) => pause,
                Err(_) if failures < UPLOADS => Duration::ZERO,
                Err(_) => {
                    return Err(StoreError::Unreachable {
                        url: self.url(key),
                        problem: format!("{reason}; it was sent {failures} times"),
                    });
                }
            };
            tracing::debug!("{}: {reason}, sending it again", self.url(key));
            tokio::time::sleep(pause).await;
        }
    }

    /// Deletes what a store kept damaged, though it was told the checksum: nobody could see it yet, and the name must be free for
    /// the next attempt. What took the place of something else stays: the next one to change it finds that out.
    async fn take_back(
        &self,
        key: &str,
        stored: &Stored,
        expected: Option<&Revision>,
    ) -> Result<(), StoreError> {
        let problem = "it arrived with another MD5 than it was sent with";
        if expected.is_some() {
            return Err(StoreError::Damaged {
                url: self.url(key),
                problem: format!("{problem}: run this again"),
            });
        }
        let deleted = match (self.revisions, &stored.revision) {
            (Revisions::Generation, Revision(generation)) if !generation.is_empty() => {
                let delete = self.operator.delete_with(key);
                delete.if_version_match(generation).await
            }
            _ => self.operator.delete(key).await,
        };
        deleted.map_err(|error| StoreError::Damaged {
            url: self.url(key),
            problem: format!(
                "{problem}, and could not be taken back ({}). Nobody sees it: publish under another name, or let `runner gc` remove it",
                self.failed(key, &error)
            ),
        })
    }
}

/// Reads the next `size` bytes of a file into `buffer`, or those that are left.
pub(super) async fn read_part(
    file: &LocalFile,
    at: u64,
    bytes: u64,
    size: usize,
    mut buffer: BytesMut,
) -> Result<Bytes, StoreError> {
    let file = file.clone();
    blocking(move |_| {
        let failed = |source| StoreError::local("read", file.path(), source);
        let left = usize::try_from(bytes - at).unwrap_or(size);
        buffer.resize(left.min(size), 0);
        let opened = file.open().map_err(failed)?;
        opened.read_exact_at(&mut buffer, at).map_err(failed)?;
        Ok(buffer.freeze())
    })
    .await
}
