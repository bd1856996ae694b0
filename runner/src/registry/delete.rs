//! Deleting a model: marked, looked for among the aliases, buried, and then its files. `store::mark` says why in this order.

use futures_util::stream::TryStreamExt;

use super::RegistryError;
use super::contended::Pauses;
use super::promotion::{Release, release};
use crate::store::mark::{self, Committed, Found, Mark, Removed};
use crate::store::{
    Content, Depth, Entry, Replaced, Revision, Store, StoreError, deleted_key, manifest_key,
};

/// Deletes the model `name`, whatever its manifest is: one that can't be read, too. An alias that stands for it stops that.
/// Run again it goes on where it was stopped.
///
/// # Errors
/// When an alias stands for the model, or may do so, and when the store refuses or fails.
pub async fn delete(store: &dyn Store, name: &str) -> Result<(), RegistryError> {
    // So that `gc` finds what is left when this is killed.
    let entry = Content::of_bytes(bytes::Bytes::new());
    store.create(&deleted_key(name), &entry).await?;
    if !bury(store, name).await? {
        return Err(RegistryError::no_model(
            name,
            "no model of this name was published; `runner gc` removes an upload that was never committed",
        ));
    }
    remove_files(store, name).await?;
    Ok(())
}

/// Brings a model's commit mark to its end: a tombstone, or what it was where an alias stands for the model. Whether there is a
/// tombstone now: without one no file may be removed, since somebody may be about to commit them.
async fn bury(store: &dyn Store, name: &str) -> Result<bool, RegistryError> {
    let mut pauses = Pauses::new(store.patience());
    while pauses.next(store).await {
        let found = match mark::find(store, name).await {
            Ok(found) => found,
            Err(error) => {
                error.of_one_object()?;
                return replace_what_is_no_object(store, name).await;
            }
        };
        let Some(Found { mark, revision }) = found else {
            // Nothing was committed, or its tombstone has gone by now.
            return Ok(false);
        };
        let done = match mark {
            Mark::Tombstone(_) => return Ok(true),
            Mark::Model(model) if model.deleting.is_none() => {
                if mark::mark(store, &model, &revision).await? == Replaced::Done {
                    pauses.skip();
                }
                continue;
            }
            Mark::Model(model) => {
                let save_path = &model.manifest.save_path;
                match release(store, Some(save_path), name).await? {
                    Release::Free => mark::bury(store, name, &revision).await?,
                    Release::Changed => continue,
                    Release::Kept(refusal) => {
                        give_back(store, &model, &revision).await?;
                        return Err(refusal);
                    }
                }
            }
            Mark::Damaged(problem) if problem.may_be_whole() => {
                let url = store.url(&manifest_key(name));
                return Err(RegistryError::PerhapsWhole { url, problem });
            }
            // Nobody promotes what can't be read.
            Mark::Damaged(_) => match release(store, None, name).await? {
                Release::Free => mark::bury(store, name, &revision).await?,
                Release::Changed => continue,
                Release::Kept(refusal) => return Err(refusal),
            },
        };
        if done == Replaced::Done {
            return Ok(true);
        }
    }
    Err(pauses.too_busy(store.url(&manifest_key(name))).into())
}

/// A link or a pipe in the place of a manifest is nothing that could be compared and swapped.
async fn replace_what_is_no_object(store: &dyn Store, name: &str) -> Result<bool, RegistryError> {
    if let Release::Kept(refusal) = release(store, None, name).await? {
        return Err(refusal);
    }
    // A link or a pipe in the place of its folder: what such a name stands for can't be asked.
    if let Err(error) = store.stat(name).await {
        error.of_one_object()?;
        store.delete(name).await?;
    }
    store.delete(&manifest_key(name)).await?;
    Ok(mark::take(store, name, Removed::Deleted).await?)
}

/// The model stays: another `delete` that is at it sees for itself that it does.
async fn give_back(
    store: &dyn Store,
    model: &Committed,
    revision: &Revision,
) -> Result<(), StoreError> {
    mark::unmark(store, model, revision).await.map(drop)
}

/// Removes the files of a model that has a tombstone. Returns them.
pub(super) async fn remove_files(store: &dyn Store, name: &str) -> Result<Vec<Entry>, StoreError> {
    let tombstone = manifest_key(name);
    let files = store.list(&format!("{name}/"), Depth::All);
    let mut files: Vec<Entry> = files.try_collect().await?;
    files.retain(|file| file.key != tombstone);
    for file in &files {
        store.delete(&file.key).await?;
    }
    Ok(files)
}
