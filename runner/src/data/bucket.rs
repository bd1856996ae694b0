//! Objects in buckets: `gs://`, `s3://`, `az://`, with the same credentials, retries and checks as stores.

use futures_util::TryStreamExt;

use super::DataError;
use super::progress::Progress;
use super::sink::Sink;
use crate::store::{self, ARRIVALS, Location, Options, StoreError};

/// Splits an object's address into the place that holds it and its name there. None for a bucket without an object.
pub(super) fn split(location: &Location) -> Option<(Location, String)> {
    let Location::Bucket {
        scheme,
        bucket,
        prefix,
    } = location
    else {
        return None;
    };
    let (folder, name) = prefix.rsplit_once('/').unwrap_or(("", prefix));
    let folder = Location::Bucket {
        scheme: *scheme,
        bucket: bucket.clone(),
        prefix: folder.to_owned(),
    };
    (!name.is_empty()).then(|| (folder, name.to_owned()))
}

/// Copies an object. Gives its generation or ETag: all of it is of that one state.
pub(super) async fn copy(
    location: &Location,
    options: &Options,
    sink: &mut Sink,
    progress: &mut Progress,
) -> Result<String, DataError> {
    let missing = || DataError::BadAnswer {
        url: location.to_string(),
        problem: "there is no such object: check bucket and name".to_owned(),
    };
    let (folder, name) = split(location).ok_or_else(missing)?;
    let store = store::open(&folder, options)?;
    let mut tries = ARRIVALS;
    loop {
        tries -= 1;
        let mut download = store.download(&name, 0).await?.ok_or_else(missing)?;
        sink.announce(download.bytes)?;
        let ended = loop {
            match download.chunks.try_next().await {
                Ok(Some(chunk)) => sink.write(&chunk)?,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
            progress.at(sink.bytes(), Some(download.bytes));
        };
        match ended {
            Err(StoreError::Garbled { .. }) if tries > 0 => {
                tracing::debug!("{location} arrived damaged, fetching it again");
                sink.restart()?;
                continue;
            }
            ended => ended?,
        }
        if sink.bytes() != download.bytes {
            return Err(DataError::BadAnswer {
                url: location.to_string(),
                problem: format!(
                    "{} bytes arrived of an object of {}: run this again",
                    sink.bytes(),
                    download.bytes
                ),
            });
        }
        return Ok(download.revision.as_str().to_owned());
    }
}
