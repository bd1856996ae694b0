//! Marks against the one race that immutable objects leave: a publisher finds something old that no manifest names yet, and counts
//! on it, while `gc` is about to remove it.
//!
//! Each side writes its own mark before it looks for the other's, so that one of them sees the other at least: a publisher writes
//! `_uses/<what>/<an id>` and waits while there is `_uses/<what>/gc`; `gc` writes that one and leaves what has a young use.
//! `<what>` is the key of a shared object, or a model's name. Publishers may have no right to delete: `gc` removes old uses.
//!
//! A `gc` may be killed, so that its mark must not stand for ever; or only be slow, so that it must not go on under a mark that
//! others take for dead. It stops by itself long before that ([`Removal`]), and who takes a dead mark over replaces it.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::TryStreamExt;

use super::folder::is_temporary_name;
use super::layout::{USES, is_shared, may_be_model};
use super::{Content, Created, Depth, Replaced, Stat, Store, StoreError};

/// The mark of a `gc` that is at it.
pub const GC: &str = "gc";
/// A mark that is older than this many seconds is dead. Whoever made it was killed, or has stopped: it begins nothing after half
/// of that, so that a request on its way has as long again to come to its end.
const REMOVAL: i64 = 600;
/// A shared object that is younger needs no mark: `gc` leaves it alone for [`SHARED_AGE`], and the model that names it is published
/// long before that.
const FRESH: i64 = 12 * 3600;
/// Seconds for which a shared object stays, named or not.
pub const SHARED_AGE: i64 = 24 * 3600;
/// For how long a publisher waits for a removal.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the mark at `key` is about: a shared object, or a model. `None` of what is not named as marks are, which is somebody
/// else's.
#[must_use]
pub fn marked(key: &str) -> Option<&str> {
    let (what, name) = key
        .strip_prefix(USES)?
        .strip_prefix('/')?
        .rsplit_once('/')?;
    let is_mark = name == GC || is_temporary_name(name);
    (is_mark && (is_shared(what) || may_be_model(what))).then_some(what)
}

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

/// Whether a mark of `gc` stands for nobody any more.
pub fn is_dead(store: &dyn Store, modified: Option<i64>) -> bool {
    modified.is_some_and(|made| made < now(store) - REMOVAL)
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
    // A dead mark need not be waited for: who takes it over looks for uses after that, and finds this one.
    while let Some(found) = store.stat(&removal).await?
        && !is_dead(store, found.modified)
    {
        if begin.elapsed() >= PATIENCE {
            return Err(StoreError::Unreachable {
                url: store.url(&removal),
                problem: format!(
                    "`runner gc` is removing {what} and does not end: run this again in {} minutes, when it counts as stopped",
                    REMOVAL / 60
                ),
            });
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Ok(())
}

/// The right to remove something, which ends by itself.
#[derive(Clone, Copy, Debug)]
pub struct Removal {
    /// Seconds since 1970, by the store's clock. It goes on while a machine sleeps, which this one's timers do not.
    ends: i64,
}

impl Removal {
    /// For how long it still holds; `None` once it has ended.
    pub fn left(&self, store: &dyn Store) -> Option<Duration> {
        let left = u64::try_from(self.ends - now(store)).ok()?;
        (left > 0).then(|| Duration::from_secs(left))
    }
}

/// Makes publishers that [`announce`] `what` from now on wait for [`release`]. `None` when another `gc` is at it.
/// Whether it may be removed is to be looked at after that: [`is_used`].
///
/// # Errors
/// When the store refuses or fails.
pub async fn condemn(store: &dyn Store, what: &str) -> Result<Option<Removal>, StoreError> {
    let removal = format!("{USES}/{what}/{GC}");
    let ends = now(store) + REMOVAL / 2;
    // Each mark is another state of the object, also where a state is the digest of its bytes.
    let mark = Bytes::from(uuid::Uuid::now_v7().to_string());
    let created = store
        .create(&removal, &Content::of_bytes(mark.clone()))
        .await?;
    if created == Created::Exists && !take_over(store, &removal, mark).await? {
        tracing::warn!(
            "{} is left alone: another `runner gc` is at it, or was stopped in the last {} minutes",
            store.url(what),
            REMOVAL / 60
        );
        return Ok(None);
    }
    Ok(Some(Removal { ends }))
}

/// Puts a new mark in the place of a dead one. Whether that came off: of several who try it, for one.
async fn take_over(store: &dyn Store, removal: &str, mark: Bytes) -> Result<bool, StoreError> {
    // In this order: when somebody writes it in between, its age is that of the new mark.
    let Some(found) = store.read(removal).await? else {
        return Ok(false);
    };
    let dead = match store.stat(removal).await? {
        Some(stat) => is_dead(store, stat.modified),
        None => false,
    };
    Ok(dead && store.replace(removal, Some(&found.revision), mark).await? == Replaced::Done)
}

/// Whether somebody announced a use of `what` since `before` (seconds since 1970, by the store's clock).
///
/// # Errors
/// When the store refuses or fails.
pub async fn is_used(store: &dyn Store, what: &str, before: i64) -> Result<bool, StoreError> {
    let removal = format!("{USES}/{what}/{GC}");
    let mut uses = store.list(&format!("{USES}/{what}/"), Depth::All);
    while let Some(mark) = uses.try_next().await? {
        if mark.key != removal && mark.modified.is_none_or(|written| written >= before) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Lets publishers go on.
///
/// # Errors
/// When the store refuses or fails.
pub async fn release(store: &dyn Store, what: &str) -> Result<(), StoreError> {
    store.delete(&format!("{USES}/{what}/{GC}")).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_told_from_what_others_put_beside_them() {
        let id = uuid::Uuid::now_v7();
        let data = format!("_data/{}", "0a".repeat(32));
        for what in ["m_v1_a", &data] {
            for name in [GC.to_owned(), id.to_string()] {
                assert_eq!(marked(&format!("{USES}/{what}/{name}")), Some(what));
            }
        }
        for other in [
            "_uses/m_v1_a/notes.txt".to_owned(),
            "_uses/m_v1_a/gc.txt".to_owned(),
            "_uses/photos/gc".to_owned(),
            format!("_uses/photos/{id}"),
            format!("_uses/{id}"),
            format!("m_v1_a/{id}"),
        ] {
            assert_eq!(marked(&other), None, "{other}");
        }
    }
}
