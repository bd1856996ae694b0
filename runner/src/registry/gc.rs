//! Taking things out of a store. The only place that deletes what was published.

use std::collections::{BTreeMap, BTreeSet};

use contract::{Manifest, files};
use futures_util::stream::{StreamExt, TryStreamExt};
use serde::Serialize;

use super::RegistryError;
use super::models::{Filter, READERS, manifests};
use crate::store::{
    ClaimKey, Depth, Entry, Store, StoreError, data_key, manifest_key, module_key, parse_manifest,
};

/// An object that nothing needs, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Garbage {
    pub key: String,
    pub bytes: u64,
    pub why: &'static str,
}

/// Deletes a model: first its claim, so that no replacement allocation brings the manifest back, then the
/// manifest, so that nobody sees half a model, then its files.
///
/// # Errors
/// When the store refuses or fails. Run again it goes on.
pub async fn delete(store: &dyn Store, manifest: &Manifest) -> Result<(), RegistryError> {
    if let Some(claim) = ClaimKey::of(manifest)
        && let Some(object) = store.read(claim.as_str()).await?
        && parse_manifest(&object.bytes).is_ok_and(|claimed| claimed.name == manifest.name)
    {
        store.delete(claim.as_str()).await?;
    }
    store.delete(&manifest_key(&manifest.name)).await?;
    let folder = format!("{}/", manifest.name);
    let rest: Vec<Entry> = store.list(&folder, Depth::All).try_collect().await?;
    for entry in rest {
        store.delete(&entry.key).await?;
    }
    Ok(())
}

/// What was uploaded and never committed, snapshots and modules that no manifest names, and temporary files of
/// processes that were killed: all that was last changed before `before` (seconds since 1970).
///
/// # Errors
/// When the store can't be listed or read.
pub async fn find_garbage(store: &dyn Store, before: i64) -> Result<Vec<Garbage>, StoreError> {
    let old = |entry: &Entry| entry.modified.is_some_and(|changed| changed < before);
    let mut garbage = Vec::new();
    let mut unfinished: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
    let mut shared = Vec::new();
    let mut committed = BTreeSet::new();
    let mut entries = store.list("", Depth::All);
    while let Some(entry) = entries.try_next().await? {
        match entry.key.split_once('/') {
            Some(("_data" | "_modules", _)) => shared.push(entry),
            // Of ours, or a folder that a process works in.
            Some((name, _)) if name.starts_with(['_', '.']) => {}
            Some((name, _)) if committed.contains(name) => {}
            Some((name, files::MANIFEST_JSON)) => {
                unfinished.remove(name);
                committed.insert(name.to_owned());
            }
            Some((name, _)) => unfinished.entry(name.to_owned()).or_default().push(entry),
            // Nothing of ours is at the top.
            None => {}
        }
    }
    drop(entries);
    let mut temporary = store.list("_tmp/", Depth::All);
    while let Some(entry) = temporary.try_next().await? {
        if old(&entry) && entry.key != "_tmp/lock" {
            garbage.push(wasted(entry, "left by a process that was killed"));
        }
    }
    drop(temporary);
    // A claim stands for a commit that anybody may still finish, if all files are there.
    for (claim, manifest) in claims(store).await? {
        if committed.contains(&manifest.name) {
            continue;
        }
        let there = unfinished.get(&manifest.name);
        let whole = manifest.files.iter().all(|file| {
            let key = format!("{}/{}", manifest.name, file.path);
            there.is_some_and(|there| {
                let mut there = there.iter();
                there.any(|entry| entry.key == key && entry.bytes == file.bytes)
            })
        });
        if whole {
            unfinished.remove(&manifest.name);
        } else if old(&claim) {
            garbage.push(wasted(claim, "claims a model whose files are gone"));
        }
    }
    for entries in unfinished.into_values() {
        // The youngest file tells whether somebody may still be at it.
        if entries.iter().all(old) {
            let never = |entry| wasted(entry, "uploaded and never committed");
            garbage.extend(entries.into_iter().map(never));
        }
    }
    if shared.iter().any(old) {
        let named = named_by_manifests(store).await?;
        let unnamed = shared
            .into_iter()
            .filter(|entry| old(entry) && !named.contains(&entry.key));
        garbage.extend(unnamed.map(|entry| wasted(entry, "named by no manifest")));
    }
    Ok(garbage)
}

fn wasted(entry: Entry, why: &'static str) -> Garbage {
    Garbage {
        key: entry.key,
        bytes: entry.bytes,
        why,
    }
}

/// Removes what [`find_garbage`] found.
///
/// # Errors
/// When the store refuses or fails.
pub async fn remove(store: &dyn Store, garbage: &[Garbage]) -> Result<(), StoreError> {
    futures_util::stream::iter(garbage)
        .map(|found| store.delete(&found.key))
        .buffer_unordered(READERS)
        .try_collect()
        .await
}

async fn claims(store: &dyn Store) -> Result<Vec<(Entry, Manifest)>, StoreError> {
    store
        .list("_claims/", Depth::All)
        .map(|entry| async move {
            let entry = entry?;
            let object = store.read(&entry.key).await?;
            let manifest = object.and_then(|object| parse_manifest(&object.bytes).ok());
            Ok(manifest.map(|manifest| (entry, manifest)))
        })
        .buffer_unordered(READERS)
        .try_filter_map(|found| std::future::ready(Ok(found)))
        .try_collect()
        .await
}

/// Records of rejected versions count too: their data is needed to find out what went wrong.
async fn named_by_manifests(store: &dyn Store) -> Result<BTreeSet<String>, StoreError> {
    let mut named = BTreeSet::new();
    for rejected in [false, true] {
        let filter = Filter {
            rejected,
            ..Filter::default()
        };
        let keys = |manifest: Manifest| {
            [
                data_key(&manifest.data.sha256),
                module_key(&manifest.module.sha256),
            ]
        };
        named.extend(manifests(store, &filter, keys).await?.into_iter().flatten());
    }
    Ok(named)
}
