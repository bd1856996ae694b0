//! Taking things out of a store. The only place that deletes what was published.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use contract::{Manifest, files};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::Serialize;

use super::RegistryError;
use super::models::{Filter, READERS, manifests};
use crate::store::{
    ClaimKey, Depth, Entry, Store, StoreError, USES, data_key, manifest_key, module_key,
    parse_manifest, uses,
};

/// An object that nothing needs, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Garbage {
    pub key: String,
    pub bytes: u64,
    pub why: &'static str,
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

/// What [`find_garbage`] found.
pub struct Found {
    pub garbage: Vec<Garbage>,
    /// What was changed since then is none: seconds since 1970 by the store's clock.
    before: i64,
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
    // A claim stands for a commit that anybody may still finish, if all files are there.
    for (claim, manifest) in claims(store).await? {
        if shelf.committed.contains(&manifest.name) {
            continue;
        }
        if shelf.holds(&manifest) {
            shelf.unfinished.remove(&manifest.name);
        } else if old(&claim) {
            let why = "claims a model whose files are gone";
            garbage.push(wasted(claim, why, None));
        }
    }
    let used = shelf.used_since(before);
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
        entry
            .modified
            .is_some_and(|changed| changed < shared_before)
    });
    if !shared.is_empty() {
        let named = named_by_manifests(store).await?;
        shared.retain(|entry| !named.contains(&entry.key) && !used.contains(&entry.key));
        let unnamed = |entry: Entry| {
            let unit = Some(entry.key.clone());
            wasted(entry, "named by no manifest", unit)
        };
        garbage.extend(shared.into_iter().map(unnamed));
    }
    let units: BTreeSet<Option<String>> = garbage.iter().map(|found| found.unit.clone()).collect();
    for (what, mark) in shelf.uses {
        let is_removal = mark.key.ends_with(&format!("/{}", uses::GC));
        let left = if is_removal {
            // That of a unit goes with it.
            mark.modified.is_some_and(|made| made < now - uses::REMOVAL)
                && !units.contains(&Some(what))
        } else {
            old(&mark)
        };
        if left {
            garbage.push(wasted(mark, "a mark that is no longer needed", None));
        }
    }
    Ok(Found { garbage, before })
}

/// What a store holds, models aside.
#[derive(Default)]
struct Shelf {
    /// Names of whole models.
    committed: BTreeSet<String>,
    /// Files without a manifest, by the name of the model that they would be.
    unfinished: BTreeMap<String, Vec<Entry>>,
    /// Snapshots and modules.
    shared: Vec<Entry>,
    /// Marks, by what they are about.
    uses: Vec<(String, Entry)>,
}

impl Shelf {
    async fn read(store: &dyn Store) -> Result<Self, StoreError> {
        let mut shelf = Self::default();
        let mut entries = store.list("", Depth::All);
        while let Some(entry) = entries.try_next().await? {
            match entry.key.split_once('/') {
                Some(("_data" | "_modules", _)) => shelf.shared.push(entry),
                Some((USES, mark)) => {
                    let what = mark
                        .rsplit_once('/')
                        .map_or("", |(what, _)| what)
                        .to_owned();
                    shelf.uses.push((what, entry));
                }
                // Of ours, or a folder that a process works in.
                Some((name, _)) if name.starts_with(['_', '.']) => {}
                Some((name, _)) if shelf.committed.contains(name) => {}
                Some((name, files::MANIFEST_JSON)) => {
                    shelf.unfinished.remove(name);
                    shelf.committed.insert(name.to_owned());
                }
                Some((name, _)) => {
                    let files = shelf.unfinished.entry(name.to_owned());
                    files.or_default().push(entry);
                }
                // Nothing of ours is at the top.
                None => {}
            }
        }
        Ok(shelf)
    }

    /// Whether all files of a model that is not committed are there.
    fn holds(&self, manifest: &Manifest) -> bool {
        let there = self.unfinished.get(&manifest.name);
        manifest.files.iter().all(|file| {
            let key = format!("{}/{}", manifest.name, file.path);
            there.is_some_and(|there| {
                let mut there = there.iter();
                there.any(|entry| entry.key == key && entry.bytes == file.bytes)
            })
        })
    }

    /// What a publisher counts on.
    fn used_since(&self, before: i64) -> BTreeSet<String> {
        let young = |mark: &Entry| mark.modified.is_none_or(|made| made >= before);
        let uses = self.uses.iter().filter(|(_, mark)| young(mark));
        uses.map(|(what, _)| what.clone()).collect()
    }
}

fn wasted(entry: Entry, why: &'static str, unit: Option<String>) -> Garbage {
    Garbage {
        key: entry.key,
        bytes: entry.bytes,
        why,
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
            let Some(unit) = unit else {
                return Ok(Vec::new());
            };
            if !uses::condemn(store, &unit, before).await? {
                return Ok(Vec::new());
            }
            let removed = delete_all(store, garbage).await;
            uses::release(store, &unit).await?;
            removed
        })
        .buffer_unordered(READERS)
        .try_collect()
        .await?;
    removed.extend(rest.into_iter().flatten());
    removed.sort_by(|left, right| left.key.cmp(&right.key));
    Ok(removed)
}

async fn delete_all(store: &dyn Store, garbage: Vec<Garbage>) -> Result<Vec<Garbage>, StoreError> {
    stream::iter(garbage)
        .map(|found| async move {
            store.delete(&found.key).await?;
            Ok(found)
        })
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
