use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use opendal::{BufferStream, ErrorKind, Operator};

use super::arriving::{Announced, Arrived};
use super::failure::Failure;
use super::tries::Passing;
use super::{BucketStore, shown};
use crate::store::{Download, Revision, Store, StoreError};

/// An object comes at least this fast, or its store counts as standing still. Bytes a second.
const SLOWEST: u64 = 1 << 10;

/// A download that goes on where it broke off, as long as the object stays the same.
struct Progress {
    store: BucketStore,
    /// Over a transport that notes what checksum is announced.
    operator: Operator,
    key: String,
    revision: Revision,
    offset: u64,
    chunks: BufferStream,
    /// Of all that arrived, where it arrives from the first byte on and the store tells one.
    arrived: Option<Arrived>,
    pace: Pace,
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
    let announced = Arc::new(Announced::default());
    let transport = store.transport.for_object(Arc::clone(&announced));
    let operator = store.operator_over(transport);
    let opened = open(store, &operator, key, offset, pinned).await;
    let mut chunks = opened.map_err(|error| failed(&error))?;
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
        operator,
        key: key.to_owned(),
        revision: revision.clone(),
        offset,
        chunks,
        arrived: announced
            .get()
            .filter(|_| offset == 0)
            .map(Arrived::nothing),
        pace: Pace::default(),
    };
    Ok(Some(Download {
        bytes,
        revision,
        chunks: stream::try_unfold(progress, Progress::next).boxed(),
    }))
}

async fn open(
    store: &BucketStore,
    operator: &Operator,
    key: &str,
    offset: u64,
    pinned: Option<&Revision>,
) -> opendal::Result<BufferStream> {
    let options = store.reader_options(pinned);
    let reader = operator.reader_options(key, options).await?;
    reader.into_stream(offset..).await
}

impl Progress {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, StoreError> {
        let store = self.store.clone();
        let mut tries = store.transport.tries();
        loop {
            let begin = Instant::now();
            let error = match self.chunks.next().await {
                None => return self.end().map(|()| None),
                Some(Ok(chunk)) => {
                    let chunk = chunk.to_bytes();
                    self.offset += chunk.len() as u64;
                    if let Some(arrived) = &mut self.arrived {
                        arrived.add(&chunk);
                    }
                    if !self
                        .pace
                        .keeps(begin.elapsed(), chunk.len(), store.patience)
                    {
                        return Err(self.too_slow());
                    }
                    return Ok(Some((chunk, self)));
                }
                Some(Err(error)) => error,
            };
            if !error.is_temporary() {
                return Err(store.failed(&self.key, &error));
            }
            let what = || format!("{}, from byte {} on", self.key, self.offset);
            let waited = tries.pause(&Passing::new(shown(&error)), what).await;
            waited.map_err(|failure| store.failure(&self.key, &failure))?;
            let pinned = Some(&self.revision);
            let reopened = open(&store, &self.operator, &self.key, self.offset, pinned).await;
            self.chunks = reopened.map_err(|error| store.failed(&self.key, &error))?;
        }
    }

    fn end(self) -> Result<(), StoreError> {
        match self.arrived.is_none_or(Arrived::equals_the_stored) {
            true => Ok(()),
            false => Err(StoreError::Garbled {
                url: self.store.url(&self.key),
            }),
        }
    }

    fn too_slow(&self) -> StoreError {
        let problem = format!(
            "it sends less than {SLOWEST} bytes a second (--store-timeout is how long that is looked at)"
        );
        self.store
            .failure(&self.key, &Failure::Unreachable(problem))
    }
}

/// How fast an object comes, without the time that whoever reads it takes.
#[derive(Default)]
struct Pace {
    waited: Duration,
    bytes: u64,
}

impl Pace {
    fn keeps(&mut self, waited: Duration, bytes: usize, window: Duration) -> bool {
        self.waited += waited;
        self.bytes += bytes as u64;
        if self.waited < window {
            return true;
        }
        let keeps = self.bytes >= SLOWEST * window.as_secs();
        *self = Self::default();
        keeps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_drips_is_told_from_what_is_slow() {
        let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
        let mut dripping = Pace::default();
        let keeps = (0..60).all(|_| dripping.keeps(second, 1, minute));
        assert!(!keeps);
        let mut slow = Pace::default();
        assert!((0..600).all(|_| slow.keeps(second, 2 << 10, minute)));
    }
}
