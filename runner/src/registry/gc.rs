//! What in a store nothing needs.

use std::collections::BTreeSet;
use std::time::Duration;

use contract::Manifest;
use futures_util::stream::StreamExt;
use serde::Serialize;

use super::shelf::{Claims, Shelf, left_out, named_by_manifests};
use crate::store::mark::{self, Mark};
use crate::store::{Depth, Entry, Store, StoreError, is_temporary_name, manifest_key, uses};

/// An object that nothing needs, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Garbage {
    pub key: String,
    pub bytes: u64,
    pub why: &'static str,
    /// As it was listed.
    #[serde(skip)]
    pub(super) entry: Entry,
    #[serde(skip)]
    pub(super) unit: Unit,
}

/// What goes as a whole, or not at all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Unit {
    /// The object alone.
    Object,
    /// A snapshot or module, unless a publisher counts on it.
    Shared(String),
    /// An upload under this name, unless it is committed first.
    Upload(String),
    /// What is left of the model of this name, or its deletion that was begun.
    Deleted(String),
    /// The tombstone of this name, and the claims of its work.
    Tombstone(String),
}

/// For how long a name stays taken after its model was deleted, in seconds: nobody publishes for so long.
const TOMBSTONE_AGE: i64 = 30 * 24 * 3600;

/// What [`find_garbage`] found.
pub struct Found {
    pub garbage: Vec<Garbage>,
    /// What was changed since then is none: seconds since 1970 by the store's clock.
    pub(super) before: i64,
    /// The same of snapshots and modules.
    pub(super) shared_before: i64,
}

/// What was uploaded and never committed, what is left of deleted models, snapshots and modules that no manifest names, and leftovers of
/// processes that were killed: all that was last changed longer ago than `age`, by the store's own clock. Snapshots and
/// modules stay for a day at least.
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
            let why = "left by a process that was killed";
            garbage.push(wasted(entry, why, Unit::Object));
        }
    }
    let claims = Claims::read(store).await?;
    let claimed: BTreeSet<String> = claims.name().collect();
    let all_known = claims.are_complete();
    garbage.extend(deleted(store, &shelf, &claims, before, now).await?);
    // A claim stands for a commit that anybody may still finish, if all files are there.
    for (claim, manifest) in claims.readable {
        let name = manifest.name.clone();
        if shelf.committed.contains_key(&name) {
            continue;
        }
        if shelf.holds(&manifest) {
            shelf.unfinished.remove(&name);
        } else if old(&claim) && !shelf.unfinished.contains_key(&name) {
            let entry = Entry {
                key: format!("{name}/"),
                bytes: 0,
                ..claim
            };
            let why = "claimed, and its files are gone";
            garbage.push(wasted(entry, why, Unit::Upload(name)));
        }
    }
    if !all_known {
        tracing::warn!("uploads stay, since a claim that can't be read may name them");
        shelf.unfinished.clear();
    }
    for (name, entries) in shelf.unfinished {
        // The youngest file tells whether somebody may still be at it.
        if entries.iter().all(old) {
            let unit = Unit::Upload(name);
            let never = |entry| wasted(entry, "uploaded and never committed", unit.clone());
            garbage.extend(entries.into_iter().map(never));
        }
    }
    let used = used_since(&shelf.uses, before);
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
            let unit = Unit::Shared(entry.key.clone());
            wasted(entry, "named by no manifest", unit)
        };
        garbage.extend(shared.into_iter().map(unnamed));
    }
    let units: BTreeSet<Unit> = garbage.iter().map(|found| found.unit.clone()).collect();
    for (what, mark) in shelf.uses {
        let why = "a mark that is no longer needed";
        let unit = Unit::Shared(what);
        if !mark.key.ends_with(&format!("/{}", uses::GC)) {
            if old(&mark) {
                garbage.push(wasted(mark, why, Unit::Object));
            }
        } else if uses::is_dead(store, mark.modified) && !units.contains(&unit) {
            // That of a unit goes with it. This one is taken over first: another `gc` may do so at this moment.
            garbage.push(wasted(mark, why, unit));
        }
    }
    Ok(Found {
        garbage,
        before,
        shared_before,
    })
}

/// What publishers count on.
fn used_since(uses: &[(String, Entry)], before: i64) -> BTreeSet<String> {
    let young = |mark: &Entry| mark.modified.is_none_or(|made| made >= before);
    let uses = uses.iter().filter(|(_, mark)| young(mark));
    uses.map(|(what, _)| what.clone()).collect()
}

/// What is left of models that were deleted, or whose deletion was begun.
async fn deleted(
    store: &dyn Store,
    shelf: &Shelf,
    claims: &Claims,
    before: i64,
    now: i64,
) -> Result<Vec<Garbage>, StoreError> {
    let older = |entry: &Entry, than: i64| entry.modified.is_some_and(|changed| changed < than);
    let forgotten = before.min(now - TOMBSTONE_AGE);
    let mut garbage = Vec::new();
    for (name, entry) in &shelf.deleted {
        let others = match shelf.committed.get(name) {
            None if shelf.unfinished.contains_key(name) => continue,
            None if older(entry, before) => {
                garbage.push(wasted(
                    entry.clone(),
                    "of nothing that is there",
                    Unit::Object,
                ));
                continue;
            }
            None => continue,
            Some(others) => *others,
        };
        if others == 0 && !older(entry, forgotten) {
            continue;
        }
        let found = match mark::find(store, name).await {
            Ok(found) => found,
            Err(error) => {
                left_out(store, &manifest_key(name), error)?;
                continue;
            }
        };
        match found.map(|found| found.mark) {
            Some(Mark::Tombstone(_)) if others > 0 => {
                let unit = Unit::Deleted(name.clone());
                let why = "of a model that was deleted";
                let files = files_of(store, name).await?.into_iter();
                garbage.extend(files.map(|file| wasted(file, why, unit.clone())));
            }
            Some(Mark::Tombstone(_)) => {
                let unit = Unit::Tombstone(name.clone());
                let why = "a deletion that is long ago";
                let of_name = |(_, manifest): &&(Entry, Manifest)| manifest.name == *name;
                let claims = claims.readable.iter().filter(of_name);
                let mark = Entry {
                    key: manifest_key(name),
                    ..entry.clone()
                };
                let all = claims
                    .map(|(claim, _)| claim.clone())
                    .chain([mark, entry.clone()]);
                garbage.extend(all.map(|entry| wasted(entry, why, unit.clone())));
            }
            Some(Mark::Model(model)) if older(entry, before) => {
                let (unit, why) = match model.deleting {
                    Some(_) => (
                        Unit::Deleted(name.clone()),
                        "of a deletion that was never finished",
                    ),
                    None => (Unit::Object, "of a deletion that was called off"),
                };
                garbage.push(wasted(entry.clone(), why, unit));
            }
            _ => {}
        }
    }
    Ok(garbage)
}

/// The files of a model, without its commit mark.
async fn files_of(store: &dyn Store, name: &str) -> Result<Vec<Entry>, StoreError> {
    let mark = manifest_key(name);
    let mut files = Vec::new();
    let mut listed = store.list(&format!("{name}/"), Depth::All);
    while let Some(file) = listed.next().await {
        let file = file?;
        if file.key != mark {
            files.push(file);
        }
    }
    Ok(files)
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

pub(super) fn wasted(entry: Entry, why: &'static str, unit: Unit) -> Garbage {
    Garbage {
        key: entry.key.clone(),
        bytes: entry.bytes,
        why,
        entry,
        unit,
    }
}
