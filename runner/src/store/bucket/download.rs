use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use opendal::{BufferStream, ErrorKind};

use super::{BucketStore, shown};
use crate::store::{Download, Revision, Store, StoreError};

/// A download that goes on where it broke off, as long as the object stays the same.
struct Progress {
    store: BucketStore,
    key: String,
    revision: Revision,
    offset: u64,
    chunks: BufferStream,
    failing_since: Option<Instant>,
}

pub(super) async fn start(
    store: &BucketStore,
    key: &str,
    offset: u64,
) -> Result<Option<Download>, StoreError> {
    let failed = |error: &opendal::Error| store.failed(key, error);
    // A range that begins at the end is no range: then the size must be known before.
    let known = if offset > 0 {
        match store.stat(key).await? {
            Some(stat) => Some(stat),
            None => return Ok(None),
        }
    } else {
        None
    };
    if let Some(stat) = &known
        && offset >= stat.bytes
    {
        return Ok(Some(Download {
            bytes: stat.bytes,
            revision: stat.revision.clone(),
            chunks: stream::empty().boxed(),
        }));
    }
    let pinned = known.as_ref().map(|stat| &stat.revision);
    let mut chunks = match open(store, key, offset, pinned).await {
        Ok(chunks) => chunks,
        Err(error) => return Err(failed(&error)),
    };
    let found = match chunks.metadata().await {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(&error)),
    };
    let (bytes, revision) = match known {
        Some(stat) => (stat.bytes, stat.revision),
        None => (found.content_length(), store.revision(&found)),
    };
    let progress = Progress {
        store: store.clone(),
        key: key.to_owned(),
        revision: revision.clone(),
        offset,
        chunks,
        failing_since: None,
    };
    Ok(Some(Download {
        bytes,
        revision,
        chunks: stream::try_unfold(progress, Progress::next).boxed(),
    }))
}

async fn open(
    store: &BucketStore,
    key: &str,
    offset: u64,
    pinned: Option<&Revision>,
) -> opendal::Result<BufferStream> {
    let options = store.reader_options(pinned);
    let reader = store.operator.reader_options(key, options).await?;
    reader.into_stream(offset..).await
}

impl Progress {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, StoreError> {
        loop {
            let error = match self.chunks.next().await {
                None => return Ok(None),
                Some(Ok(chunk)) => {
                    self.offset += chunk.len() as u64;
                    self.failing_since = None;
                    return Ok(Some((chunk.to_bytes(), self)));
                }
                Some(Err(error)) => error,
            };
            let since = *self.failing_since.get_or_insert_with(Instant::now);
            if !error.is_temporary() || since.elapsed() >= self.store.patience {
                return Err(self.store.failed(&self.key, &error));
            }
            tracing::debug!(
                "{}: {}; going on from byte {}",
                self.key,
                shown(&error),
                self.offset
            );
            tokio::time::sleep(Duration::from_millis(300)).await;
            let reopened = open(&self.store, &self.key, self.offset, Some(&self.revision)).await;
            self.chunks = reopened.map_err(|error| self.store.failed(&self.key, &error))?;
        }
    }
}
