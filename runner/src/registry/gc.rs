//! Taking things out of a store. The only place that deletes what was published.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use contract::Manifest;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::Serialize;

use super::RegistryError;
use super::models::READERS;
use super::shelf::{Claims, Shelf, left_out, named_by_manifests};
use crate::store::{
    ClaimKey, Depth, Entry, Store, StoreError, USES, find_manifest, is_temporary_name,
    manifest_key, may_be_model, uses,
};

/// How often a model is deleted that is published again meanwhile.
pub(super) const ROUNDS: u32 = 100;

/// An object that nothing needs, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Garbage {
    pub key: String,
    pub bytes: u64,
    pub why: &'static str,
    /// As it was listed.
    #[serde(skip)]
    entry: Entry,
    /// The model or shared object that goes as a whole, unless a publisher counts on it.
    #[serde(skip)]
    unit: Option<String>,
}

/// Deletes a model: first its claim, so that no replacement allocation brings the manifest back, then the
/// manifest, so that nobody sees half a model, then its files.
///
/// # Errors
/// When the store refuses or fails. Run again it goes on.
pub async fn delete(store: &dyn Store, manifest: &Manifest) -> Result<(), RegistryError> {
    for _ in 0..ROUNDS {
        if let Some(claim) = ClaimKey::of(manifest)
            && claims(store, &claim, &manifest.name).await?
        {
            store.delete(claim.as_str()).await?;
        }
        if delete_files(store, &manifest.name).await? {
            return Ok(());
        }
    }
    Err(keeps_coming(store, &manifest.name).into())
}

/// Whether a claim is that of the model `name`.
async fn claims(store: &dyn Store, claim: &ClaimKey, name: &str) -> Result<bool, StoreError> {
    match find_manifest(store, claim.as_str()).await? {
        // It brings nothing back.
        Some(Err(problem)) => {
            tracing::warn!("{} can't be read: {problem}", store.url(claim.as_str()));
            Ok(false)
        }
        found => Ok(found.is_some_and(|claimed| claimed.is_ok_and(|claimed| claimed.name == name))),
    }
}

/// Deletes a manifest and then the files of its model. Whether none is left: somebody may be publishing this very model
/// again, and nobody is to see what is left of that.
pub(super) async fn delete_files(store: &dyn Store, name: &str) -> Result<bool, StoreError> {
    let folder = format!("{name}/");
    store.delete(&manifest_key(name)).await?;
    let files: Vec<Entry> = store.list(&folder, Depth::All).try_collect().await?;
    for file in files {
        store.delete(&file.key).await?;
    }
    Ok(store.list(&folder, Depth::All).try_next().await?.is_none())
}

pub(super) fn keeps_coming(store: &dyn Store, name: &str) -> StoreError {
    StoreError::Refused {
        url: store.url(name),
        problem:
            "it is published again as often as it is deleted: run this again when that has ended"
                .to_owned(),
    }
}

/// What [`find_garbage`] found.
pub struct Found {
    pub garbage: Vec<Garbage>,
    /// What was changed since then is none: seconds since 1970 by the store's clock.
    pub(super) before: i64,
}

/// What was uploaded and never committed, snapshots and modules that no manifest names, and leftovers of processes that were
/// killed: all that was last changed longer ago than `age`, by the store's own clock. Snapshots and modules stay for a day at least.
///
/// # Errors
/// When the store can't be listed or read.
pub async fn find_garbage(store: &dyn Store, age: Duration) -> Result<Found, StoreError> {
    let mut garbage = Vec::new();
    let mut shelf = Shelf::read(store).await?;
    let temporary = temporary(store).await?;
    // The store has answered by now, so that its clock is known.
    let now = uses::now(store);
    let before = now - i64::try_from(age.as_secs()).unwrap_or(now);
    let old = |entry: &Entry| entry.modified.is_some_and(|changed| changed < before);
    for entry in temporary {
        if old(&entry) {
            garbage.push(wasted(entry, "left by a process that was killed", None));
        }
    }
    let claims = Claims::read(store).await?;
    let claimed: BTreeSet<String> = claims.name().collect();
    let all_known = claims.are_complete();
    // A claim stands for a commit that anybody may still finish, if all files are there.
    for (claim, manifest) in claims.readable {
        if shelf.committed.contains(&manifest.name) {
            continue;
        }
        if shelf.holds(&manifest) {
            shelf.unfinished.remove(&manifest.name);
        } else if old(&claim) {
            let why = "claims a model whose files are gone";
            garbage.push(wasted(claim, why, Some(manifest.name)));
        }
    }
    let used = shelf.used_since(before);
    if !all_known {
        tracing::warn!("uploads stay, since a claim that can't be read may name them");
        shelf.unfinished.clear();
    }
    for (name, entries) in shelf.unfinished {
        // The youngest file tells whether somebody may still be at it.
        if entries.iter().all(old) && !used.contains(&name) && has_no_manifest(store, &name).await?
        {
            let never = |entry| wasted(entry, "uploaded and never committed", Some(name.clone()));
            garbage.extend(entries.into_iter().map(never));
        }
    }
    let shared_before = before.min(now - uses::SHARED_AGE);
    let mut shared = shelf.shared;
    shared.retain(|entry| {
        let young = entry
            .modified
            .is_none_or(|changed| changed >= shared_before);
        !young && !used.contains(&entry.key) && !claimed.contains(&entry.key)
    });
    if !shared.is_empty() {
        match named_by_manifests(store).await?.filter(|_| all_known) {
            Some(named) => shared.retain(|entry| !named.contains(&entry.key)),
            None => {
                tracing::warn!(
                    "snapshots and modules stay, since what can't be read may name them: look at it, with a newer runner perhaps"
                );
                shared.clear();
            }
        }
        let unnamed = |entry: Entry| {
            let unit = Some(entry.key.clone());
            wasted(entry, "named by no manifest", unit)
        };
        garbage.extend(shared.into_iter().map(unnamed));
    }
    let units: BTreeSet<Option<String>> = garbage.iter().map(|found| found.unit.clone()).collect();
    for (what, mark) in shelf.uses {
        let why = "a mark that is no longer needed";
        if !mark.key.ends_with(&format!("/{}", uses::GC)) {
            if old(&mark) {
                garbage.push(wasted(mark, why, None));
            }
        } else if uses::is_dead(store, mark.modified) && !units.contains(&Some(what.clone())) {
            // That of a unit goes with it. This one is taken over first: another `gc` may do so at this moment.
            garbage.push(wasted(mark, why, Some(what)));
        }
    }
    Ok(Found { garbage, before })
}

/// Files on their way, or left on it, by the names that a store gives them: what else lies there is somebody else's.
async fn temporary(store: &dyn Store) -> Result<Vec<Entry>, StoreError> {
    let mut temporary = Vec::new();
    let mut entries = store.list("_tmp/", Depth::One);
    while let Some(entry) = entries.next().await {
        match entry {
            Ok(entry) => {
                let name = entry.key.strip_prefix("_tmp/");
                if name.is_some_and(is_temporary_name) {
                    temporary.push(entry);
                }
            }
            Err(error) => left_out(store, "_tmp/", error)?,
        }
    }
    Ok(temporary)
}

/// Whether files belong to no model. A manifest that was just made counts, and so does one that can't be read.
async fn has_no_manifest(store: &dyn Store, name: &str) -> Result<bool, StoreError> {
    let key = manifest_key(name);
    match store.stat(&key).await {
        Ok(found) => Ok(found.is_none()),
        Err(error) => left_out(store, &key, error).map(|()| false),
    }
}

pub(super) fn wasted(entry: Entry, why: &'static str, unit: Option<String>) -> Garbage {
    Garbage {
        key: entry.key.clone(),
        bytes: entry.bytes,
        why,
        entry,
        unit,
    }
}

/// Removes what was found, but for what a publisher counts on since. Returns what was removed.
///
/// # Errors
/// When the store refuses or fails.
pub async fn remove(store: &dyn Store, found: Found) -> Result<Vec<Garbage>, StoreError> {
    let before = found.before;
    let mut units: BTreeMap<Option<String>, Vec<Garbage>> = BTreeMap::new();
    for each in found.garbage {
        units.entry(each.unit.clone()).or_default().push(each);
    }
    let mut removed = delete_all(store, units.remove(&None).unwrap_or_default()).await?;
    let rest: Vec<Vec<Garbage>> = stream::iter(units)
        .map(|(unit, garbage)| async move {
            match unit {
                Some(unit) => match remove_unit(store, &unit, garbage, before).await {
                    Err(error) => left_out(store, &unit, error).map(|()| Vec::new()),
                    removed => removed,
                },
                None => Ok(Vec::new()),
            }
        })
        .buffer_unordered(READERS)
        .try_collect()
        .await?;
    removed.extend(rest.into_iter().flatten());
    removed.sort_by(|left, right| left.key.cmp(&right.key));
    Ok(removed)
}

/// Removes what belongs together, unless it is needed after all. Publishers wait until that is over; when it fails, with
/// requests perhaps still on their way, until the mark is dead.
async fn remove_unit(
    store: &dyn Store,
    unit: &str,
    mut garbage: Vec<Garbage>,
    before: i64,
) -> Result<Vec<Garbage>, StoreError> {
    let Some(removal) = uses::condemn(store, unit).await? else {
        return Ok(Vec::new());
    };
    // Whoever announces a use, or looks for the mark, does so after this. A publisher all of whose files were new looks for
    // nothing: its manifest may have come since the store was listed.
    let needed = uses::is_used(store, unit, before).await?
        || (may_be_model(unit) && !has_no_manifest(store, unit).await?);
    if needed {
        garbage.retain(|found| found.key.starts_with(&format!("{USES}/")));
    }
    let removed = stream::iter(garbage)
        .map(|found| async move {
            let deleted = match removal.left(store) {
                Some(left) => tokio::time::timeout(left, store.delete_listed(&found.entry)).await,
                None => return Err(took_too_long(store, unit)),
            };
            deleted.unwrap_or_else(|_| Err(took_too_long(store, unit)))?;
            Ok(found)
        })
        .buffer_unordered(READERS)
        .try_collect()
        .await?;
    if removal.left(store).is_none() {
        return Err(took_too_long(store, unit));
    }
    uses::release(store, unit).await?;
    Ok(removed)
}

fn took_too_long(store: &dyn Store, unit: &str) -> StoreError {
    StoreError::Unreachable {
        url: store.url(unit),
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
