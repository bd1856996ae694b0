//! What a store holds, as `gc` needs to know it.

use std::collections::{BTreeMap, BTreeSet};

use contract::{Manifest, files};
use futures_util::stream::{StreamExt, TryStreamExt};

use super::models::{Filter, READERS, each_manifest};
use crate::store::{
    CLAIMS, DELETED, Damaged, Depth, Entry, Store, StoreError, USES, data_key, find_manifest,
    is_shared, may_be_claim, may_be_model, module_key, uses,
};

/// What a store holds, models aside. What is not named like something of ours is left out: it may be somebody else's.
#[derive(Default)]
pub(super) struct Shelf {
    /// Names that have a commit mark, and how many other objects lie in their folders.
    pub committed: BTreeMap<String, usize>,
    /// Files without a manifest, by the name of the model that they would be.
    pub unfinished: BTreeMap<String, Vec<Entry>>,
    /// Snapshots and modules.
    pub shared: Vec<Entry>,
    /// Marks, by what they are about.
    pub uses: Vec<(String, Entry)>,
    /// Names whose models were deleted, or are being deleted.
    pub deleted: Vec<(String, Entry)>,
}

impl Shelf {
    pub async fn read(store: &dyn Store) -> Result<Self, StoreError> {
        let mut shelf = Self::default();
        let mut entries = store.list("", Depth::All);
        while let Some(entry) = entries.next().await {
            let entry = match entry {
                Ok(entry) => entry,
                // Nothing in it is known, so that nothing in it is garbage.
                Err(error) => {
                    left_out(store, "", error)?;
                    continue;
                }
            };
            match entry.key.split_once('/') {
                Some(_) if is_shared(&entry.key) => shelf.shared.push(entry),
                Some((USES, _)) => {
                    if let Some(what) = uses::marked(&entry.key) {
                        shelf.uses.push((what.to_owned(), entry));
                    }
                }
                Some((DELETED, name)) if may_be_model(name) => {
                    shelf.deleted.push((name.to_owned(), entry));
                }
                Some((name, _)) if !may_be_model(name) => {}
                Some((name, files::MANIFEST_JSON)) => {
                    let files = shelf.unfinished.remove(name).unwrap_or_default();
                    shelf.committed.insert(name.to_owned(), files.len());
                }
                Some((name, _)) => match shelf.committed.get_mut(name) {
                    Some(files) => *files += 1,
                    None => {
                        let files = shelf.unfinished.entry(name.to_owned());
                        files.or_default().push(entry);
                    }
                },
                // Nothing of ours is at the top.
                None => {}
            }
        }
        Ok(shelf)
    }

    /// Whether all files of a model that is not committed are there.
    pub fn holds(&self, manifest: &Manifest) -> bool {
        let there = self.unfinished.get(&manifest.name);
        manifest.files.iter().all(|file| {
            let key = format!("{}/{}", manifest.name, file.path);
            there.is_some_and(|there| {
                let mut there = there.iter();
                there.any(|entry| entry.key == key && entry.bytes == file.bytes)
            })
        })
    }
}

/// Warns of what can't be read at `key`, unless the store itself fails.
pub(crate) fn left_out(store: &dyn Store, key: &str, error: StoreError) -> Result<(), StoreError> {
    let url = error.url().map_or_else(|| store.url(key), str::to_owned);
    let problem = error.of_one_object()?;
    tracing::warn!("{url} is left out: {problem}");
    Ok(())
}

/// Pieces of Nomad's work, and the models that were or will be theirs.
#[derive(Default)]
pub(super) struct Claims {
    pub readable: Vec<(Entry, Manifest)>,
    pub unreadable: Vec<(Entry, Damaged)>,
    /// Some could not be listed.
    unlisted: bool,
}

impl Claims {
    pub async fn read(store: &dyn Store) -> Result<Self, StoreError> {
        let mut claims = Self::default();
        let read = store.list(CLAIMS, Depth::All).map(|entry| async move {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    let url = error.url().map_or_else(|| store.url(CLAIMS), str::to_owned);
                    let problem = Damaged::of(error)?.mended_by_hand();
                    tracing::warn!("{url} can't be read: {problem}");
                    return Ok::<_, StoreError>(None);
                }
            };
            let found = find_manifest(store, &entry.key).await?;
            Ok(Some((entry, found)))
        });
        let mut read = std::pin::pin!(read.buffer_unordered(READERS));
        while let Some(found) = read.try_next().await? {
            let Some((entry, found)) = found else {
                claims.unlisted = true;
                continue;
            };
            match found {
                Some(Ok(manifest)) => claims.readable.push((entry, manifest)),
                Some(Err(mut problem)) => {
                    if !may_be_claim(&entry.key) {
                        problem = problem.mended_by_hand();
                    }
                    tracing::warn!("{} can't be read: {problem}", store.url(&entry.key));
                    claims.unreadable.push((entry, problem));
                }
                // One that has gone since it was listed claims nothing.
                None => {}
            }
        }
        Ok(claims)
    }

    /// Whether all that is claimed is known.
    pub fn are_complete(&self) -> bool {
        self.unreadable.is_empty() && !self.unlisted
    }

    /// Snapshots and modules that models name which anybody may still commit.
    pub fn name(&self) -> impl Iterator<Item = String> {
        self.readable
            .iter()
            .flat_map(|(_, manifest)| shared_by(manifest))
    }
}

/// Snapshots and modules that manifests name. Records of rejected versions count too: their data is needed to find out what
/// went wrong. `None` when a manifest can't be read, one of a newer runner perhaps: what it names is not known.
pub(super) async fn named_by_manifests(
    store: &dyn Store,
) -> Result<Option<BTreeSet<String>>, StoreError> {
    let (mut named, mut complete) = (BTreeSet::new(), true);
    for rejected in [false, true] {
        let filter = Filter {
            rejected,
            ..Filter::default()
        };
        let mut manifests = std::pin::pin!(each_manifest(store, &filter));
        while let Some((key, manifest)) = manifests.try_next().await? {
            match manifest {
                Ok(manifest) => named.extend(shared_by(&manifest)),
                Err(problem) => {
                    tracing::warn!("{} can't be read: {problem}", store.url(&key));
                    complete = false;
                }
            }
        }
    }
    Ok(complete.then_some(named))
}

fn shared_by(manifest: &Manifest) -> [String; 2] {
    [
        data_key(&manifest.data.sha256),
        module_key(&manifest.module.sha256),
    ]
}
