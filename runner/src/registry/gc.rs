//! Taking things out of a store. The only place that deletes what was published.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use contract::Manifest;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::Serialize;

use super::RegistryError;
use super::models::READERS;
use super::shelf::{Claims, Shelf, named_by_manifests};
use crate::store::{
    ClaimKey, Depth, Entry, Store, StoreError, USES, manifest_key, may_be_model, parse_manifest,
    uses,
};

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
    let folder = format!("{}/", manifest.name);
    loop {
        if let Some(claim) = ClaimKey::of(manifest)
            && let Some(object) = store.read(claim.as_str()).await?
            && parse_manifest(&object.bytes).is_ok_and(|claimed| claimed.name == manifest.name)
        {
            store.delete(claim.as_str()).await?;
        }
        delete_files(store, &manifest.name).await?;
        // Somebody may be publishing this very model again: nobody is to see what is left of that.
        if store.list(&folder, Depth::All).try_next().await?.is_none() {
            return Ok(());
        }
    }
}

/// The manifest goes first: nobody is to see half a model.
pub(super) async fn delete_files(store: &dyn Store, name: &str) -> Result<(), StoreError> {
    store.delete(&manifest_key(name)).await?;
    let files: Vec<Entry> = store
        .list(&format!("{name}/"), Depth::All)
        .try_collect()
        .await?;
    for file in files {
        store.delete(&file.key).await?;
    }
    Ok(())
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
    let mut temporary = Vec::new();
    let mut entries = store.list("_tmp/", Depth::All);
    while let Some(entry) = entries.try_next().await? {
        temporary.push(entry);
    }
    drop(entries);
    // The store has answered by now, so that its clock is known.
    let now = uses::now(store);
    let before = now - i64::try_from(age.as_secs()).unwrap_or(now);
    let old = |entry: &Entry| entry.modified.is_some_and(|changed| changed < before);
    for entry in temporary {
        if old(&entry) && entry.key != "_tmp/lock" {
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
        if entries.iter().all(old) && !used.contains(&name) {
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
                Some(unit) => remove_unit(store, &unit, garbage, before).await,
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
        || (may_be_model(unit) && store.stat(&manifest_key(unit)).await?.is_some());
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
