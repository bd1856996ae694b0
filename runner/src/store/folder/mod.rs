//! A store in a folder: many processes at once, killed at any moment, never show half an object.
//!
//! Others may write to the folder, too. Links in it are not followed. What is neither nothing nor a regular file is a damaged
//! object: it is listed and can be deleted, and reading it fails.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};

use super::blocking::blocking;
use super::layout::is_small_object;
use super::{
    Content, Created, Depth, Download, Entry, Object, Options, Replaced, Revision, Stat, Store,
    StoreError, check_key,
};
use crate::platform::Folder;
use root::{Root, TEMPORARY, is_nothing, stat_of};
use temporary::Temporary;
pub(crate) use temporary::is_temporary_name;

mod root;
mod temporary;

/// What one step of a download brings.
const CHUNK: usize = 1 << 20;
/// Files that are written to disk at a time.
const SIDE_BY_SIDE: usize = 8;

/// `file://`: objects are files, created under a temporary name and renamed with "must not exist".
pub struct FolderStore {
    root: Root,
    /// How long another process may hold the lock on what changes.
    patience: Duration,
    /// What [`Store::ahead`] tells, once it was asked.
    ahead: OnceLock<i64>,
}

impl FolderStore {
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        // An address that is printed or recorded means the same from any working directory.
        let root = std::path::absolute(&root).unwrap_or(root);
        Self {
            root: Root::new(root),
            patience: Options::default().timeout,
            ahead: OnceLock::new(),
        }
    }

    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// To be moved to another thread.
    fn at(&self, key: &str) -> Result<(Root, String), StoreError> {
        check_key(key)?;
        Ok((self.root.clone(), key.to_owned()))
    }
}

#[async_trait]
impl Store for FolderStore {
    fn ahead(&self) -> i64 {
        *self.ahead.get_or_init(|| self.root.ahead())
    }

    fn patience(&self) -> Duration {
        self.patience
    }

    fn url(&self, key: &str) -> String {
        self.root.url(key)
    }

    async fn create(&self, key: &str, content: &Content) -> Result<Created, StoreError> {
        let ((root, key), content) = (self.at(key)?, content.clone());
        let patience = self.patience;
        blocking(move |stopped| {
            if root.is_taken(&key)? {
                return Ok(Created::Exists);
            }
            let temporary = Temporary::write(&root, &key, &content, &stopped)?;
            let (created, folder) = temporary.become_new(patience, &stopped)?;
            folder.sync().map_err(root.failed("sync", &key))?;
            Ok(created)
        })
        .await
    }

    // Waiting for the disk is what takes long here: it takes as long for many files as for one.
    async fn create_in_order(&self, objects: &[(String, Content)]) -> Result<usize, StoreError> {
        let mut new = Vec::with_capacity(objects.len());
        for (key, content) in objects {
            let (root, key) = self.at(key)?;
            if root.is_taken(&key)? {
                break;
            }
            new.push((root, key, content.clone()));
        }
        let temporaries: Vec<(String, Temporary)> = stream::iter(new)
            .map(|(root, key, content)| {
                blocking(move |stopped| {
                    Ok((
                        key.clone(),
                        Temporary::write(&root, &key, &content, &stopped)?,
                    ))
                })
            })
            .buffered(SIDE_BY_SIDE)
            .try_collect()
            .await?;
        let (root, patience) = (self.root.clone(), self.patience);
        blocking(move |stopped| {
            // By their paths: many objects share a folder.
            let mut folders: BTreeMap<&str, Folder> = BTreeMap::new();
            let sync = |folders: &BTreeMap<&str, Folder>| {
                folders
                    .iter()
                    .try_for_each(|(key, folder)| folder.sync().map_err(root.failed("sync", key)))
            };
            let mut created = 0;
            for (key, temporary) in &temporaries {
                // A manifest says that all files are there: it must not outlive a power failure without them.
                if created + 1 == temporaries.len() {
                    sync(&folders)?;
                }
                let (found, folder) = temporary.become_new(patience, &stopped)?;
                if found == Created::Exists {
                    break;
                }
                folders.insert(key.rsplit_once('/').map_or("", |(above, _)| above), folder);
                created += 1;
            }
            sync(&folders)?;
            Ok(created)
        })
        .await
    }

    async fn read(&self, key: &str) -> Result<Option<Object>, StoreError> {
        let (root, key) = self.at(key)?;
        blocking(move |_| root.read(&key)).await
    }

    async fn download(&self, key: &str, offset: u64) -> Result<Option<Download>, StoreError> {
        let (root, key) = self.at(key)?;
        let opened = blocking(move |_| {
            let Some((mut file, metadata)) = root.object(&key)? else {
                return Ok(None);
            };
            file.seek(SeekFrom::Start(offset))
                .map_err(root.failed("read", &key))?;
            Ok(Some(((root, key, file), stat_of(&metadata))))
        })
        .await?;
        Ok(opened.map(|(object, stat)| Download {
            bytes: stat.bytes,
            revision: stat.revision,
            chunks: stream::try_unfold(object, |(root, key, mut file)| {
                blocking(move |_| {
                    let mut chunk = vec![0; CHUNK];
                    let read = file.read(&mut chunk).map_err(root.failed("read", &key))?;
                    chunk.truncate(read);
                    Ok((read > 0).then(|| (Bytes::from(chunk), (root, key, file))))
                })
            })
            .boxed(),
        }))
    }

    async fn stat(&self, key: &str) -> Result<Option<Stat>, StoreError> {
        let (root, key) = self.at(key)?;
        // Opened, to be told from what is not an object.
        blocking(move |_| Ok(root.object(&key)?.map(|(_, metadata)| stat_of(&metadata)))).await
    }

    /// What is wrong with one folder does not end the listing.
    fn list<'a>(&'a self, prefix: &str, depth: Depth) -> BoxStream<'a, Result<Entry, StoreError>> {
        // A prefix may end inside a name: then its folder is listed and the rest of the name compared.
        let folder = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
        let prefix = prefix.to_owned();
        let folders = vec![folder.to_owned()];
        stream::unfold((folders, Vec::new()), move |(mut folders, mut found)| {
            let (root, prefix) = (self.root.clone(), prefix.clone());
            async move {
                loop {
                    // Folders come out of `found` in order too, so that a listing is sorted.
                    match found.pop() {
                        Some(Entry { key, .. }) if depth == Depth::All && key.ends_with('/') => {
                            folders.push(key.trim_end_matches('/').to_owned());
                        }
                        Some(entry) => return Some((Ok(entry), (folders, found))),
                        None if folders.is_empty() => return None,
                        None => {}
                    }
                    if let Some(folder) = folders.pop() {
                        let (root, prefix) = (root.clone(), prefix.clone());
                        match blocking(move |_| root.list(&folder, &prefix)).await {
                            Ok(mut inside) => found.append(&mut inside),
                            Err(error) => return Some((Err(error), (folders, found))),
                        }
                    }
                }
            }
        })
        .boxed()
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        let (root, key) = self.at(key)?;
        blocking(move |_| {
            let Some(store) = root.existing()? else {
                return Ok(());
            };
            let removed = match store.remove_file(&key) {
                Err(error) if error.kind() == ErrorKind::IsADirectory && is_small_object(&key) => {
                    store.remove_whole(&key)
                }
                removed => removed,
            };
            match removed {
                Ok(()) => {}
                // A folder that may hold objects is none.
                Err(error) if error.kind() == ErrorKind::IsADirectory || is_nothing(&error) => {
                    return Ok(());
                }
                Err(error) => return Err(root.failed("delete", &key)(error)),
            }
            // Folders are not objects: an empty one goes with its last file. A full one stays, and so does one that
            // somebody just put a file into.
            let mut above = key.as_str();
            while let Some((folder, _)) = above.rsplit_once('/') {
                // That for temporary files stays: somebody may be about to write there.
                if folder == TEMPORARY || store.remove_folder(folder).is_err() {
                    break;
                }
                above = folder;
            }
            Ok(())
        })
        .await
    }

    async fn replace(
        &self,
        key: &str,
        expected: Option<&Revision>,
        bytes: Bytes,
    ) -> Result<Replaced, StoreError> {
        let ((root, key), patience) = (self.at(key)?, self.patience);
        let expected = expected.cloned();
        blocking(move |stopped| {
            let _lock = root.lock(patience, &stopped)?;
            let found = root.read(&key)?.map(|object| object.revision);
            if found != expected {
                return Ok(Replaced::Changed);
            }
            let content = Content::of_bytes(bytes);
            let temporary = Temporary::write(&root, &key, &content, &stopped)?;
            let (_, folder) = temporary.replace()?;
            folder.sync().map_err(root.failed("sync", &key))?;
            Ok(Replaced::Done)
        })
        .await
    }
}
