//! Marks against the one race that immutable objects leave: a publisher finds something old that no manifest names yet, and counts
//! on it, while `gc` is about to remove it.
//!
//! Each side writes its own mark before it looks for the other's, so that one of them sees the other at least: a publisher writes
//! `_uses/<what>/<an id>` and waits while there is `_uses/<what>/gc`; `gc` writes that one and leaves what has a young use.
//! `<what>` is the key of a shared object, or a model's name. Publishers may have no right to delete: `gc` removes old uses.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::TryStreamExt;

use super::layout::USES;
use super::{Content, Created, Depth, Stat, Store, StoreError};

/// The mark of a `gc` that is at it.
pub const GC: &str = "gc";
/// A removal takes a moment. A mark that stands for more seconds is left by a `gc` that was killed.
pub const REMOVAL: i64 = 600;
/// A shared object that is younger needs no mark: `gc` leaves it alone for [`SHARED_AGE`], and the model that names it is published
/// long before that.
const FRESH: i64 = 12 * 3600;
/// Seconds for which a shared object stays, named or not.
pub const SHARED_AGE: i64 = 24 * 3600;
/// For how long a publisher waits for a removal.
const PATIENCE: Duration = Duration::from_secs(60);

/// The time by the store's clock, in seconds since 1970.
pub fn now(store: &dyn Store) -> i64 {
    jiff::Timestamp::now().as_second() + store.ahead()
}

/// Whether a shared object is so young that it can be counted on.
pub(super) fn is_fresh(store: &dyn Store, found: &Stat) -> bool {
    found
        .modified
        .is_some_and(|written| written > now(store) - FRESH)
}

/// Says that `what` is about to be named by a manifest. On return no `gc` is removing it: look whether it is still there.
///
/// # Errors
/// When the store refuses or fails, or a removal does not end.
pub(super) async fn announce(store: &dyn Store, what: &str) -> Result<(), StoreError> {
    let mark = format!("{USES}/{what}/{}", uuid::Uuid::now_v7());
    store
        .create(&mark, &Content::of_bytes(Bytes::new()))
        .await?;
    let removal = format!("{USES}/{what}/{GC}");
    let begin = Instant::now();
    while store.stat(&removal).await?.is_some() {
        if begin.elapsed() >= PATIENCE {
            return Err(StoreError::Refused {
                url: store.url(&removal),
                problem: format!(
                    "`runner gc` is removing {what} and does not end: run `runner gc` again if it was stopped, then this"
                ),
            });
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Ok(())
}

/// Whether `what` may be removed: nobody announced a use of it since `before` (seconds since 1970, by the store's clock). Then
/// publishers wait for [`release`].
///
/// # Errors
/// When the store refuses or fails.
pub async fn condemn(store: &dyn Store, what: &str, before: i64) -> Result<bool, StoreError> {
    let removal = format!("{USES}/{what}/{GC}");
    let content = Content::of_bytes(Bytes::new());
    if store.create(&removal, &content).await? == Created::Exists {
        // Another `gc` is at it, or was killed at it.
        let there = store.stat(&removal).await?;
        let written = there.and_then(|mark| mark.modified);
        if written.is_none_or(|written| written > now(store) - REMOVAL) {
            return Ok(false);
        }
    }
    let mut uses = store.list(&format!("{USES}/{what}/"), Depth::All);
    while let Some(mark) = uses.try_next().await? {
        if mark.key != removal && mark.modified.is_none_or(|written| written >= before) {
            drop(uses);
            release(store, what).await?;
            return Ok(false);
        }
    }
    Ok(true)
}

/// Lets publishers go on.
///
/// # Errors
/// When the store refuses or fails.
pub async fn release(store: &dyn Store, what: &str) -> Result<(), StoreError> {
    store.delete(&format!("{USES}/{what}/{GC}")).await
}
