use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::TryStreamExt;
use md5::Md5;
use sha2::digest::Output;
use sha2::{Digest, Sha256};

use super::blocking::Stopped;
use super::{ARRIVALS, Store, StoreError, data_key, module_key, uses};
use crate::digest::for_each_chunk;
use crate::platform::{NamedFolder, open_regular};

/// How often an object may go between two looks. A `gc` removes it once.
const TIMES_GONE: u32 = 10;

/// What an object is to be made of.
#[derive(Clone, Debug)]
pub struct Content {
    pub source: Source,
    pub bytes: u64,
    /// What manifests name files by. Lower-case hexadecimal. A file that has another one by now is not stored.
    pub sha256: String,
}

#[derive(Clone, Debug)]
pub enum Source {
    Bytes(Bytes),
    File(LocalFile),
}

/// A regular file of this machine.
#[derive(Clone, Debug)]
pub struct LocalFile {
    path: PathBuf,
    /// The folder that it must lie beneath, and where: others may write there, and no link is followed.
    beneath: Option<(NamedFolder, PathBuf)>,
}

impl LocalFile {
    /// One that the operator or the runner itself named.
    #[must_use]
    pub fn named(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            beneath: None,
        }
    }

    /// One that lies in a folder to which others may write, or that others named.
    #[must_use]
    pub fn beneath(folder: &NamedFolder, relative: impl AsRef<Path>) -> Self {
        let relative = relative.as_ref();
        Self {
            path: folder.path().join(relative),
            beneath: Some((folder.clone(), relative.to_owned())),
        }
    }

    /// For people.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// # Errors
    /// When it can't be opened, or is not a regular file.
    pub fn open(&self) -> io::Result<File> {
        match &self.beneath {
            Some((folder, relative)) => folder.read(relative),
            None => open_regular(&self.path),
        }
    }

    /// Reads the file and hands each piece on. Returns its size and SHA-256.
    pub(super) fn read_through(
        &self,
        stopped: &Stopped,
        mut each: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<(u64, String)> {
        let mut sha256 = Sha256::new();
        let bytes = for_each_chunk(self.open()?, |chunk| {
            stopped.check()?;
            sha256.update(chunk);
            each(chunk)
        })?;
        Ok((bytes, crate::hex(&sha256.finalize())))
    }
}

impl Content {
    #[must_use]
    pub fn of_bytes(bytes: Bytes) -> Self {
        Self {
            bytes: bytes.len() as u64,
            sha256: crate::hex(&Sha256::digest(&bytes)),
            source: Source::Bytes(bytes),
        }
    }

    /// Reads the file once, for its digest.
    ///
    /// # Errors
    /// When it can't be read.
    pub async fn of_file(path: &Path) -> Result<Self, StoreError> {
        Self::of(LocalFile::named(path)).await
    }

    /// The same of one that lies in a folder to which others may write.
    ///
    /// # Errors
    /// When it can't be read.
    pub async fn of(file: LocalFile) -> Result<Self, StoreError> {
        super::blocking::blocking(move |stopped| {
            let (bytes, sha256) = file
                .read_through(&stopped, |_| Ok(()))
                .map_err(|source| StoreError::local("read", &file.path, source))?;
            Ok(Self {
                bytes,
                sha256,
                source: Source::File(file),
            })
        })
        .await
    }

    /// The MD5, by which buckets check uploads. A folder has no use for it, and it takes three times as long as SHA-256.
    ///
    /// # Errors
    /// When the file can't be read, or is not the one any more whose digest was taken.
    pub async fn md5(&self) -> Result<[u8; 16], StoreError> {
        let file = match &self.source {
            Source::Bytes(bytes) => return Ok(Md5::digest(bytes).into()),
            Source::File(file) => file.clone(),
        };
        let content = self.clone();
        super::blocking::blocking(move |stopped| {
            let mut md5 = Md5::new();
            let read = file.read_through(&stopped, |chunk| {
                md5.update(chunk);
                Ok(())
            });
            let (_, sha256) =
                read.map_err(|source| StoreError::local("read", &file.path, source))?;
            content.is_still(&file, &sha256)?;
            Ok(md5.finalize().into())
        })
        .await
    }

    /// # Errors
    /// When a file that was read again had another digest.
    pub(super) fn is_still(&self, file: &LocalFile, sha256: &str) -> Result<(), StoreError> {
        if self.sha256 == sha256 {
            return Ok(());
        }
        let changed = io::Error::other("it changed while it was being stored");
        Err(StoreError::local("read", &file.path, changed))
    }
}

/// Stores a module by its digest, once for all versions that it trained. Returns its key.
///
/// # Errors
/// When `file` does not have that digest, or the store refuses or fails.
pub async fn store_module(
    store: &dyn Store,
    file: &LocalFile,
    sha256: &str,
) -> Result<String, StoreError> {
    store_by_content(store, file, sha256, module_key(sha256)).await
}

/// Stores a dataset by its digest, once for all versions that were trained on it. Returns its key.
///
/// # Errors
/// When `file` does not have that digest, or the store refuses or fails.
pub async fn store_data(
    store: &dyn Store,
    file: &LocalFile,
    sha256: &str,
) -> Result<String, StoreError> {
    store_by_content(store, file, sha256, data_key(sha256)).await
}

async fn store_by_content(
    store: &dyn Store,
    file: &LocalFile,
    sha256: &str,
    key: String,
) -> Result<String, StoreError> {
    let metadata = file.open().and_then(|opened| opened.metadata());
    let bytes = metadata
        .map_err(|source| StoreError::local("read", file.path(), source))?
        .len();
    // A thousand versions share one: it need not be read, here or there, let alone sent, to know that it is there.
    let found = match store.stat(&key).await {
        Ok(found) => found.filter(|found| found.bytes == bytes),
        // Who may create and not read finds out by creating.
        Err(StoreError::Refused { .. }) => None,
        Err(error) => return Err(error),
    };
    if let Some(found) = found {
        if uses::is_fresh(store, &found) {
            return Ok(key);
        }
        uses::announce(store, &key).await?;
        if store
            .stat(&key)
            .await?
            .is_some_and(|found| found.bytes == bytes)
        {
            return Ok(key);
        }
    }
    let content = Content::of(file.clone()).await?;
    if content.sha256 != sha256 {
        return Err(StoreError::local(
            "store",
            file.path(),
            io::Error::other(format!("its SHA-256 is {}, not {sha256}", content.sha256)),
        ));
    }
    match create_equal(store, &[(key.clone(), content)]).await {
        Ok(_) => Ok(key),
        Err(StoreError::Conflict { url, .. }) => Err(StoreError::Damaged {
            url,
            problem: "its bytes are not those that its name tells: delete this object, then run this again"
                .to_owned(),
        }),
        Err(error) => Err(error),
    }
}

/// Creates objects in order; those that are there already must hold the same bytes. Whether all of them are new.
pub(super) async fn create_equal(
    store: &dyn Store,
    objects: &[(String, Content)],
) -> Result<bool, StoreError> {
    let (mut left, mut all_new, mut gone) = (objects, true, 0);
    loop {
        let created = store.create_in_order(left).await?;
        let Some((key, content)) = left.get(created) else {
            return Ok(all_new);
        };
        all_new = false;
        left = &left[created..];
        if created > 0 {
            gone = 0;
        }
        match holds(store, key, content).await? {
            Some(true) => (left, gone) = (&left[1..], 0),
            Some(false) => {
                return Err(StoreError::Conflict {
                    url: store.url(key),
                    difference: "holds other bytes".to_owned(),
                });
            }
            // `gc` removed it between the two: its name is free again.
            None if gone < TIMES_GONE => gone += 1,
            None => {
                return Err(StoreError::Unreachable {
                    url: store.url(key),
                    problem: "it is there and gone again, over and over: who deletes it?"
                        .to_owned(),
                });
            }
        }
    }
}

/// Whether the object has these bytes; `None` when there is none. Read as a whole only where the store keeps no MD5 of it.
async fn holds(
    store: &dyn Store,
    key: &str,
    content: &Content,
) -> Result<Option<bool>, StoreError> {
    let Some(found) = store.stat(key).await? else {
        return Ok(None);
    };
    if found.bytes != content.bytes {
        return Ok(Some(false));
    }
    if let Some(md5) = found.md5 {
        return Ok(Some(md5 == content.md5().await?));
    }
    let digest = digest_of::<Sha256>(store, key).await?;
    Ok(digest.map(|digest| crate::hex(&digest) == content.sha256))
}

/// The digest of an object, which is read as a whole; `None` when there is none.
pub(super) async fn digest_of<D: Digest + Send>(
    store: &dyn Store,
    key: &str,
) -> Result<Option<Output<D>>, StoreError> {
    let mut tries = ARRIVALS;
    loop {
        tries -= 1;
        match digest_once::<D>(store, key).await {
            Err(StoreError::Garbled { .. }) if tries > 0 => {}
            read => return read,
        }
    }
}

async fn digest_once<D: Digest + Send>(
    store: &dyn Store,
    key: &str,
) -> Result<Option<Output<D>>, StoreError> {
    let Some(download) = store.download(key, 0).await? else {
        return Ok(None);
    };
    let (mut digest, mut chunks) = (D::new(), download.chunks);
    while let Some(chunk) = chunks.try_next().await? {
        digest.update(&chunk);
    }
    Ok(Some(digest.finalize()))
}
