//! A store in a folder: many processes at once, killed at any moment, never show half an object.

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use md5::{Digest, Md5};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::blocking::{Stopped, blocking};
use super::content::read_through;
use super::{
    Content, Created, Depth, Download, Entry, LARGEST_READ, Object, Replaced, Revision, Source,
    Stat, Store, StoreError, check_key,
};

/// What one step of a download brings.
const CHUNK: usize = 1 << 20;

/// Where objects are written before they get their name, on the same file system.
const TEMPORARY: &str = "_tmp";
/// Files that are written to disk at a time.
const SIDE_BY_SIDE: usize = 8;

/// `file://`: objects are files, created under a temporary name and renamed with "must not exist".
pub struct FolderStore {
    root: PathBuf,
}

impl FolderStore {
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        // An address that is printed or recorded means the same from any working directory.
        let root = std::path::absolute(&root).unwrap_or(root);
        Self { root }
    }

    fn path(&self, key: &str) -> Result<PathBuf, StoreError> {
        check_key(key)?;
        Ok(self.root.join(key))
    }
}

#[async_trait]
impl Store for FolderStore {
    fn url(&self, key: &str) -> String {
        let path = if key.is_empty() {
            self.root.clone()
        } else {
            self.root.join(key)
        };
        format!("file://{}", path.display())
    }

    async fn create(&self, key: &str, content: &Content) -> Result<Created, StoreError> {
        let (root, path, content) = (self.root.clone(), self.path(key)?, content.clone());
        blocking(move |stopped| {
            if path.exists() {
                return Ok(Created::Exists);
            }
            let temporary = Temporary::write(&root, &content, &stopped)?;
            let created = temporary.become_new(&root, &path)?;
            sync_folder(parent(&path, &root))?;
            Ok(created)
        })
        .await
    }

    // Waiting for the disk is what takes long here: it takes as long for many files as for one.
    async fn create_in_order(&self, objects: &[(String, Content)]) -> Result<usize, StoreError> {
        let mut paths = Vec::with_capacity(objects.len());
        for (key, _) in objects {
            let path = self.path(key)?;
            if path.exists() {
                break;
            }
            paths.push(path);
        }
        let contents: Vec<Content> = objects
            .iter()
            .take(paths.len())
            .map(|(_, content)| content.clone())
            .collect();
        let temporaries: Vec<Temporary> = stream::iter(contents)
            .map(|content| {
                let root = self.root.clone();
                blocking(move |stopped| Temporary::write(&root, &content, &stopped))
            })
            .buffered(SIDE_BY_SIDE)
            .try_collect()
            .await?;
        let root = self.root.clone();
        blocking(move |_| {
            let mut folders = BTreeSet::new();
            let mut created = 0;
            for (temporary, path) in temporaries.iter().zip(&paths) {
                // A manifest says that all files are there: it must not outlive a power failure without them.
                if created + 1 == paths.len() {
                    folders.iter().copied().try_for_each(sync_folder)?;
                }
                if temporary.become_new(&root, path)? == Created::Exists {
                    break;
                }
                folders.insert(parent(path, &root));
                created += 1;
            }
            folders.into_iter().try_for_each(sync_folder)?;
            Ok(created)
        })
        .await
    }

    async fn read(&self, key: &str) -> Result<Option<Object>, StoreError> {
        let (path, url) = (self.path(key)?, self.url(key));
        blocking(move |_| read_whole(&path, &url)).await
    }

    async fn download(&self, key: &str, offset: u64) -> Result<Option<Download>, StoreError> {
        let path = self.path(key)?;
        let opened = blocking(move |_| {
            let failed = |source| folder_error("read", &path, source);
            let Some((mut file, metadata)) = open(&path)? else {
                return Ok(None);
            };
            file.seek(SeekFrom::Start(offset)).map_err(failed)?;
            Ok(Some((file, path, stat_of(&metadata))))
        })
        .await?;
        Ok(opened.map(|(file, path, stat)| Download {
            bytes: stat.bytes,
            revision: stat.revision,
            chunks: stream::try_unfold((file, path), |(mut file, path)| {
                blocking(move |_| {
                    let mut chunk = vec![0; CHUNK];
                    let read = file
                        .read(&mut chunk)
                        .map_err(|source| folder_error("read", &path, source))?;
                    chunk.truncate(read);
                    Ok((read > 0).then(|| (Bytes::from(chunk), (file, path))))
                })
            })
            .boxed(),
        }))
    }

    async fn stat(&self, key: &str) -> Result<Option<Stat>, StoreError> {
        let path = self.path(key)?;
        blocking(move |_| Ok(open(&path)?.map(|(_, metadata)| stat_of(&metadata)))).await
    }

    fn list<'a>(&'a self, prefix: &str, depth: Depth) -> BoxStream<'a, Result<Entry, StoreError>> {
        // A prefix may end inside a name: then its folder is listed and the rest of the name compared.
        let folder = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
        let prefix = prefix.to_owned();
        let folders = vec![folder.to_owned()];
        stream::try_unfold((folders, Vec::new()), move |(mut folders, mut found)| {
            let (root, prefix) = (self.root.clone(), prefix.clone());
            async move {
                loop {
                    // Folders come out of `found` in order too, so that a listing is sorted.
                    match found.pop() {
                        Some(Entry { key, .. }) if depth == Depth::All && key.ends_with('/') => {
                            folders.push(key.trim_end_matches('/').to_owned());
                        }
                        Some(entry) => return Ok(Some((entry, (folders, found)))),
                        None if folders.is_empty() => return Ok(None),
                        None => {}
                    }
                    if let Some(folder) = folders.pop() {
                        let (root, prefix) = (root.clone(), prefix.clone());
                        let mut inside =
                            blocking(move |_| read_folder(&root, &folder, &prefix)).await?;
                        found.append(&mut inside);
                    }
                }
            }
        })
        .boxed()
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        let (root, path) = (self.root.clone(), self.path(key)?);
        blocking(move |_| {
            match fs::remove_file(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(folder_error("delete", &path, error)),
            }
            // Folders are no objects: an empty one goes with its last file. A full one stays, and so does
            // one that somebody just put a file into.
            for folder in path.ancestors().skip(1) {
                if folder == root || fs::remove_dir(folder).is_err() {
                    break;
                }
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
        let (root, path, url) = (self.root.clone(), self.path(key)?, self.url(key));
        let expected = expected.cloned();
        blocking(move |stopped| {
            let _lock = lock(&root)?;
            let found = read_whole(&path, &url)?.map(|object| object.revision);
            if found != expected {
                return Ok(Replaced::Changed);
            }
            let temporary = Temporary::write(&root, &Content::of_bytes(bytes), &stopped)?;
            temporary.replace(&root, &path)?;
            sync_folder(parent(&path, &root))?;
            Ok(Replaced::Done)
        })
        .await
    }
}

fn folder_error(action: &'static str, path: &Path, source: io::Error) -> StoreError {
    StoreError::Folder {
        action,
        path: path.to_owned(),
        source,
    }
}

/// Opens an object. `None` when there is none.
fn open(path: &Path) -> Result<Option<(File, Metadata)>, StoreError> {
    let failed = |source| folder_error("read", path, source);
    match File::open(path) {
        Ok(file) => {
            let metadata = file.metadata().map_err(failed)?;
            Ok(metadata.is_file().then_some((file, metadata)))
        }
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(failed(error)),
    }
}

/// Without reading the object. What is compared-and-swapped has the digest of its bytes as revision ([`read_whole`]); for all
/// else, which never changes, size and time tell one state from another.
fn stat_of(metadata: &Metadata) -> Stat {
    Stat {
        bytes: metadata.len(),
        md5: None,
        modified: modified(metadata),
        revision: Revision(format!(
            "{}-{}.{:09}",
            metadata.len(),
            metadata.mtime(),
            metadata.mtime_nsec()
        )),
    }
}

/// Seconds since 1970.
fn modified(metadata: &Metadata) -> Option<i64> {
    let since = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok()
}

fn read_whole(path: &Path, url: &str) -> Result<Option<Object>, StoreError> {
    let Some((file, _)) = open(path)? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    file.take(LARGEST_READ + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| folder_error("read", path, source))?;
    if bytes.len() as u64 > LARGEST_READ {
        return Err(StoreError::too_large(url));
    }
    Ok(Some(Object {
        revision: Revision(crate::hex(&Md5::digest(&bytes))),
        bytes: bytes.into(),
    }))
}

/// The entries of one folder that begin with `prefix`, last one first.
fn read_folder(root: &Path, folder: &str, prefix: &str) -> Result<Vec<Entry>, StoreError> {
    let path = root.join(folder);
    let failed = |source| folder_error("list", &path, source);
    let entries = match fs::read_dir(&path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        // What is no UTF-8 can't be an object of ours.
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let mut key = if folder.is_empty() {
            name
        } else {
            format!("{folder}/{name}")
        };
        let ours = key == TEMPORARY && !prefix.starts_with(TEMPORARY);
        if ours || !key.starts_with(prefix) {
            continue;
        }
        // Gone since the folder was read, a link, a socket: none of them is an object.
        let Ok(metadata) = entry.metadata() else {
            continue;
        };
        if metadata.is_dir() {
            key.push('/');
        } else if !metadata.is_file() {
            continue;
        }
        found.push(Entry {
            bytes: if metadata.is_file() {
                metadata.len()
            } else {
                0
            },
            modified: modified(&metadata),
            revision: None,
            key,
        });
    }
    found.sort_unstable_by(|left, right| right.key.cmp(&left.key));
    Ok(found)
}

/// One at a time among all processes, until the returned file is dropped or its process dies.
fn lock(root: &Path) -> Result<File, StoreError> {
    let folder = root.join(TEMPORARY);
    make_folders(&folder)?;
    let path = folder.join("lock");
    let failed = |source| folder_error("lock", &path, source);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(failed)?;
    file.lock().map_err(failed)?;
    Ok(file)
}

/// Makes a folder and those above it, so that they outlive a power failure.
fn make_folders(folder: &Path) -> Result<(), StoreError> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        make_folders(parent)?;
    }
    match fs::create_dir(folder) {
        Ok(()) => folder.parent().map_or(Ok(()), sync_folder),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        // Somebody deleted the last object beside it, and the folder above with that.
        Err(error)
            if error.kind() == io::ErrorKind::NotFound
                && folder.parent().is_some_and(|parent| !parent.exists()) =>
        {
            make_folders(folder)
        }
        Err(error) => Err(folder_error("make the folder", folder, error)),
    }
}

/// The folder that an object lies in.
fn parent<'a>(path: &'a Path, root: &'a Path) -> &'a Path {
    path.parent().unwrap_or(root)
}

fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    File::open(folder)
        .and_then(|opened| opened.sync_all())
        .map_err(|source| folder_error("sync", folder, source))
}

/// A whole object without its name. Removed when dropped.
struct Temporary(PathBuf);

impl Temporary {
    fn write(root: &Path, content: &Content, stopped: &Stopped) -> Result<Self, StoreError> {
        let folder = root.join(TEMPORARY);
        make_folders(&folder)?;
        let temporary = Self(folder.join(uuid::Uuid::now_v7().to_string()));
        let path = &temporary.0;
        let failed = |source| folder_error("write", path, source);
        let mut file = OpenOptions::new()
            .create_new(true)
            .write(true)
            .open(path)
            .map_err(failed)?;
        match &content.source {
            Source::Bytes(bytes) => file.write_all(bytes).map_err(failed)?,
            Source::File(from) => copy(from, &mut file, path, content, stopped)?,
        }
        file.sync_all().map_err(failed)?;
        Ok(temporary)
    }

    /// Gives it its name, unless something has it. Its folder is not synced yet.
    fn become_new(&self, root: &Path, path: &Path) -> Result<Created, StoreError> {
        self.place(root, path, |from, to| {
            match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
                // File systems without that flag (NFS and some FUSE ones) know hard links.
                Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => fs::hard_link(from, to),
                renamed => Ok(renamed?),
            }
        })
    }

    /// Takes the place of what has its name.
    fn replace(&self, root: &Path, path: &Path) -> Result<Created, StoreError> {
        self.place(root, path, |from, to| fs::rename(from, to))
    }

    fn place(
        &self,
        root: &Path,
        path: &Path,
        rename: impl Fn(&Path, &Path) -> io::Result<()>,
    ) -> Result<Created, StoreError> {
        loop {
            make_folders(parent(path, root))?;
            match rename(&self.0, path) {
                Ok(()) => return Ok(Created::New),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    return Ok(Created::Exists);
                }
                // Somebody deleted the last object beside it and the folder with that. The temporary file
                // itself is ours alone.
                Err(error) if error.kind() == io::ErrorKind::NotFound && self.0.exists() => {}
                Err(error) => return Err(folder_error("create", path, error)),
            }
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Gone already when it was renamed; what a killed process leaves, `gc` finds.
        let _ = fs::remove_file(&self.0);
    }
}

/// Copies a file and makes sure that it still is the one whose digest was taken.
fn copy(
    from: &Path,
    to: &mut File,
    to_path: &Path,
    content: &Content,
    stopped: &Stopped,
) -> Result<(), StoreError> {
    let mut unwritten = false;
    let copied = read_through(from, stopped, |chunk| {
        to.write_all(chunk).inspect_err(|_| unwritten = true)
    });
    let (_, sha256) = copied.map_err(|error| match unwritten {
        true => folder_error("write", to_path, error),
        false => StoreError::local("read", from, error),
    })?;
    content.is_still(from, &sha256)
}
