//! Taking out of a store what `gc` found.

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::RegistryError;
use super::delete::{delete, remove_files};
use super::gc::{Found, Garbage, Unit};
use super::models::READERS;
use super::shelf::left_out;
use crate::store::mark::{self, Mark, Removed};
use crate::store::{
    CLAIMS, ClaimKey, Content, Replaced, Store, StoreError, USES, deleted_key, find_manifest,
    manifest_key, uses,
};

/// Removes what was found, but for what is needed since. Returns what was removed.
///
/// # Errors
/// When the store refuses or fails.
pub async fn remove(store: &dyn Store, found: Found) -> Result<Vec<Garbage>, StoreError> {
    let (before, shared_before) = (found.before, found.shared_before);
    let mut units: BTreeMap<Unit, Vec<Garbage>> = BTreeMap::new();
    for each in found.garbage {
        units.entry(each.unit.clone()).or_default().push(each);
    }
    let objects = units.remove(&Unit::Object).unwrap_or_default();
    let mut removed = delete_all(store, objects).await?;
    let rest: Vec<Vec<Garbage>> = stream::iter(units)
        .map(|(unit, garbage)| async move {
            let (name, removed) = match &unit {
                Unit::Object => return delete_all(store, garbage).await,
                Unit::Shared(key) => {
                    let removed = remove_shared(store, key, garbage, before, shared_before).await;
                    (key, removed)
                }
                Unit::Upload(name) => (name, remove_upload(store, name, garbage).await),
                Unit::Deleted(name) => (name, finish_deletion(store, name, garbage).await),
                Unit::Tombstone(name) => (name, forget(store, name, garbage).await),
            };
            match removed {
                Err(error) => left_out(store, name, error).map(|()| Vec::new()),
                removed => removed,
            }
        })
        .buffer_unordered(READERS)
        .try_collect()
        .await?;
    removed.extend(rest.into_iter().flatten());
    removed.sort_by(|left, right| left.key.cmp(&right.key));
    Ok(removed)
}

/// An upload goes once its name is taken for good: whoever comes to commit it finds that, and whoever was faster keeps it.
async fn remove_upload(
    store: &dyn Store,
    name: &str,
    garbage: Vec<Garbage>,
) -> Result<Vec<Garbage>, StoreError> {
    let entry = Content::of_bytes(bytes::Bytes::new());
    store.create(&deleted_key(name), &entry).await?;
    if !mark::take(store, name, Removed::Unfinished).await? {
        return Ok(Vec::new());
    }
    remove_files(store, name).await?;
    Ok(garbage)
}

async fn finish_deletion(
    store: &dyn Store,
    name: &str,
    garbage: Vec<Garbage>,
) -> Result<Vec<Garbage>, StoreError> {
    match delete(store, name).await {
        Ok(()) => Ok(garbage),
        Err(RegistryError::Store(error)) => Err(error),
        Err(refusal) => {
            tracing::warn!("{} stays: {refusal}", store.url(name));
            Ok(Vec::new())
        }
    }
}

/// Makes a name free again, long after its model was deleted. Who replaced the tombstone last is the one who may
/// delete it, since a store may be unable to delete by a condition.
async fn forget(
    store: &dyn Store,
    name: &str,
    garbage: Vec<Garbage>,
) -> Result<Vec<Garbage>, StoreError> {
    let Some(found) = mark::find(store, name).await? else {
        return delete_all(store, garbage).await;
    };
    if !matches!(found.mark, Mark::Tombstone(_))
        || mark::bury(store, name, &found.revision).await? == Replaced::Changed
    {
        return Ok(Vec::new());
    }
    // The last claim of its work goes first, one `gc` after the other: else the next allocation would take the first one again.
    for claim in garbage.iter().filter(|found| found.key.starts_with(CLAIMS)) {
        if !is_last(store, &claim.key).await? {
            return Ok(Vec::new());
        }
        store.delete(&claim.key).await?;
    }
    store.delete(&manifest_key(name)).await?;
    store.delete(&deleted_key(name)).await?;
    Ok(garbage)
}

async fn is_last(store: &dyn Store, claim: &str) -> Result<bool, StoreError> {
    let Some(Ok(manifest)) = find_manifest(store, claim).await? else {
        return Ok(false);
    };
    let Some(next) = ClaimKey::of(&manifest).and_then(|work| work.after(claim)) else {
        return Ok(false);
    };
    Ok(store.stat(&next).await?.is_none())
}

/// Removes a snapshot or module, unless it is needed after all. Publishers wait until that is over; when it fails, with
/// requests perhaps still on their way, until the mark is dead.
async fn remove_shared(
    store: &dyn Store,
    key: &str,
    mut garbage: Vec<Garbage>,
    before: i64,
    shared_before: i64,
) -> Result<Vec<Garbage>, StoreError> {
    let Some(removal) = uses::condemn(store, key).await? else {
        return Ok(Vec::new());
    };
    // Whoever announces a use, or looks for the mark, does so after this. Another `gc` may have removed the object since it
    // was listed, and a publisher may have made it again: then it is young.
    let young = match store.stat(key).await? {
        Some(found) => found
            .modified
            .is_none_or(|changed| changed >= shared_before),
        None => false,
    };
    if young || uses::is_used(store, key, before).await? {
        garbage.retain(|found| found.key.starts_with(&format!("{USES}/")));
    }
    let removed = stream::iter(garbage)
        .map(|found| async move {
            let deleted = match removal.left(store) {
                Some(left) => tokio::time::timeout(left, store.delete_listed(&found.entry)).await,
                None => return Err(took_too_long(store, key)),
            };
            deleted.unwrap_or_else(|_| Err(took_too_long(store, key)))?;
            Ok(found)
        })
        .buffer_unordered(READERS)
        .try_collect()
        .await?;
    if removal.left(store).is_none() {
        return Err(took_too_long(store, key));
    }
    uses::release(store, key).await?;
    Ok(removed)
}

fn took_too_long(store: &dyn Store, key: &str) -> StoreError {
    StoreError::Unreachable {
        url: store.url(key),
        problem: "removing it takes so long that another `runner gc` may take it over soon; what is left stays: run this again in ten minutes"
            .to_owned(),
    }
}

async fn delete_all(store: &dyn Store, garbage: Vec<Garbage>) -> Result<Vec<Garbage>, StoreError> {
    stream::iter(garbage)
        .map(|found| async move {
            store.delete_listed(&found.entry).await?;
            Ok(found)
        })
        .buffer_unordered(READERS)
        .try_collect()
        .await
}
