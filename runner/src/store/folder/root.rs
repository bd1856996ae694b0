//! The folder that a store is, held open: what lies in it is reached from its descriptor.

use std::fs::{File, Metadata, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use md5::{Digest, Md5};

use super::super::blocking::Stopped;
use super::super::layout::is_small_object;
use crate::platform::{Folder, is_foreign, random_name};
use crate::store::{Entry, LARGEST_READ, Object, Revision, Stat, StoreError, check_key};

/// Where objects are written before they get their name, on the same file system.
pub(super) const TEMPORARY: &str = "_tmp";
/// Whoever changes an alias holds this file locked, below [`TEMPORARY`].
const LOCK: &str = "lock";
/// How long somebody else's change of an alias is waited for at a time.
const POLL: Duration = Duration::from_millis(20);
/// Datasets: they may be personal.
const DATA: &str = "_data";

/// Cheap to clone: all clones hold one folder.
#[derive(Clone)]
pub(super) struct Root {
    path: Arc<PathBuf>,
    opened: Arc<Mutex<Option<Arc<Folder>>>>,
}

impl Root {
    pub fn new(path: PathBuf) -> Self {
        Self {
            path: Arc::new(path),
            opened: Arc::default(),
        }
    }

    /// Where something is, for people.
    pub fn path(&self, key: &str) -> PathBuf {
        match key {
            "" => self.path.to_path_buf(),
            key => self.path.join(key),
        }
    }

    pub fn url(&self, key: &str) -> String {
        format!("file://{}", self.path(key).display())
    }

    /// What to say when something went wrong at `key`. What is wrong with one object alone is told from a failing store.
    pub fn failed<'a>(
        &'a self,
        action: &'static str,
        key: &'a str,
    ) -> impl Fn(io::Error) -> StoreError + 'a {
        move |source| {
            let reads = matches!(action, "read" | "list") && !key.is_empty();
            let in_its_place = match source.kind() {
                _ if is_foreign(&source) => Some(source.to_string()),
                io::ErrorKind::IsADirectory if reads => {
                    Some("a folder lies there, where a file should be".to_owned())
                }
                io::ErrorKind::NotADirectory if action == "list" => {
                    Some("a file lies there, where a folder should be".to_owned())
                }
                _ => None,
            };
            if let Some(problem) = in_its_place {
                StoreError::Damaged {
                    url: self.url(key),
                    problem: format!("{problem}: remove it"),
                }
            } else if reads && source.kind() == io::ErrorKind::PermissionDenied {
                StoreError::Unreadable {
                    url: self.url(key),
                    problem: source.to_string(),
                }
            } else {
                StoreError::Folder {
                    action,
                    path: self.path(key),
                    source,
                }
            }
        }
    }

    /// The store's folder. `None` when there is none.
    pub fn existing(&self) -> Result<Option<Arc<Folder>>, StoreError> {
        self.open("open the folder", |path| match Folder::open(path) {
            Ok(folder) => Ok(Some(folder)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        })
    }

    /// The store's folder, made if it is missing.
    pub fn made(&self) -> Result<Arc<Folder>, StoreError> {
        let made = self.open("make the folder", |path| {
            Folder::open_or_make(path, 0o777, &mut Folder::sync).map(Some)
        })?;
        made.ok_or_else(|| self.failed("make the folder", "")(io::ErrorKind::NotFound.into()))
    }

    fn open(
        &self,
        action: &'static str,
        open: impl FnOnce(&Path) -> io::Result<Option<Folder>>,
    ) -> Result<Option<Arc<Folder>>, StoreError> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = &*opened
            // Not one that was removed since, and perhaps made anew.
            && folder.own_metadata().is_ok_and(|own| own.nlink() > 0)
        {
            return Ok(Some(folder.clone()));
        }
        let folder = open(&self.path).map_err(self.failed(action, ""))?;
        *opened = folder.map(Arc::new);
        Ok(opened.clone())
    }

    /// The folder for temporary files.
    pub fn temporary(&self) -> Result<Folder, StoreError> {
        self.made()?
            .make_folders(TEMPORARY, 0o777, &mut Folder::sync)
            .map_err(self.failed("make the folder", TEMPORARY))
    }

    /// By how many seconds the clock of the file system is ahead of this machine's: another machine may tell its times. 0 where
    /// that can't be found out.
    pub fn ahead(&self) -> i64 {
        let measured = || {
            let folder = self.existing().ok()??;
            let folder = folder.folder(TEMPORARY).ok()?;
            let name = random_name("");
            let file = folder.create(&name, 0o600).ok()?;
            let written = modified(&file.metadata().ok()?);
            let _ = folder.remove_file(&name);
            let here = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
            Some(written? - i64::try_from(here.as_secs()).ok()?)
        };
        // Times of files are a little behind, by the kernel's ticks.
        measured()
            .filter(|ahead| ahead.abs() > 1)
            .unwrap_or_default()
    }

    /// Who may read an object and look into its folder, as far as the umask lets them. Data is for this user, and for the
    /// group if the store is the group's: others never see it.
    pub fn modes(&self, key: &str) -> Result<Modes, StoreError> {
        if key.split('/').next() != Some(DATA) {
            return Ok(Modes {
                file: 0o666,
                folder: 0o777,
            });
        }
        let own = self.made()?.own_metadata();
        let own = own.map_err(self.failed("look at the folder", ""))?;
        Ok(match own.mode() & 0o020 {
            0 => Modes {
                file: 0o600,
                folder: 0o700,
            },
            _ => Modes {
                file: 0o660,
                folder: 0o770,
            },
        })
    }

    /// Whether something has that name, whatever it is.
    pub fn is_taken(&self, key: &str) -> Result<bool, StoreError> {
        Ok(self
            .existing()?
            .is_some_and(|root| root.metadata(key).is_ok()))
    }

    /// Opens an object. `None` when there is none.
    pub fn object(&self, key: &str) -> Result<Option<(File, Metadata)>, StoreError> {
        let failed = self.failed("read", key);
        let Some(root) = self.existing()? else {
            return Ok(None);
        };
        match root.read(key) {
            Ok(file) => {
                let metadata = file.metadata().map_err(failed)?;
                Ok(Some((file, metadata)))
            }
            Err(error) if is_nothing(&error) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// Reads an object. `None` when there is none.
    pub fn read(&self, key: &str) -> Result<Option<Object>, StoreError> {
        let Some((file, _)) = self.object(key)? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        file.take(LARGEST_READ + 1)
            .read_to_end(&mut bytes)
            .map_err(self.failed("read", key))?;
        if bytes.len() as u64 > LARGEST_READ {
            return Err(StoreError::too_large(&self.url(key)));
        }
        Ok(Some(Object {
            revision: Revision(crate::hex(&Md5::digest(&bytes))),
            bytes: bytes.into(),
        }))
    }

    /// The entries of one folder that begin with `prefix`, last one first. Links and pipes are listed as objects, and so is a
    /// folder in the place of a small object: something is there. Names that no key has are left out, so that nothing beneath
    /// a path of a thousand bytes is looked at.
    pub fn list(&self, folder: &str, prefix: &str) -> Result<Vec<Entry>, StoreError> {
        let failed = self.failed("list", folder);
        let Some(root) = self.existing()? else {
            return Ok(Vec::new());
        };
        let opened = match folder {
            "" => root.folder("."),
            folder if check_key(folder).is_err() => return Ok(Vec::new()),
            folder => root.folder(folder),
        };
        let opened = match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            opened => opened.map_err(&failed)?,
        };
        let mut found = Vec::new();
        for name in opened.names().map_err(failed)? {
            let Some(mut key) = name.to_str().map(|name| match folder {
                "" => name.to_owned(),
                folder => format!("{folder}/{name}"),
            }) else {
                continue;
            };
            let hidden = key == TEMPORARY && !prefix.starts_with(TEMPORARY);
            if hidden || !key.starts_with(prefix) || check_key(&key).is_err() {
                continue;
            }
            // Gone since the folder was read.
            let Ok(metadata) = opened.metadata(&name) else {
                continue;
            };
            if metadata.is_dir() && !is_small_object(&key) {
                key.push('/');
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

    /// One at a time among all processes, until the returned file is dropped or its process dies. Whoever has to wait
    /// longer than `patience` is told so.
    pub fn lock(&self, patience: Duration, stopped: &Stopped) -> Result<File, StoreError> {
        let key = format!("{TEMPORARY}/{LOCK}");
        let failed = self.failed("lock", &key);
        let begin = Instant::now();
        loop {
            // Opened anew each time: somebody may have removed it since it was empty.
            let folder = self.temporary()?;
            let file = match folder.read_or_create(LOCK, 0o666) {
                Err(error)
                    if error.kind() == io::ErrorKind::NotFound && begin.elapsed() < patience =>
                {
                    continue;
                }
                file => file.map_err(&failed)?,
            };
            match file.try_lock() {
                // Unless it was removed since, and others lock another one.
                Ok(()) if is_at(&folder, LOCK, &file) => return Ok(file),
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
            if begin.elapsed() >= patience {
                return Err(StoreError::Unreachable {
                    url: self.url(&key),
                    problem: format!(
                        "another process has held this lock for {} seconds: run this again when it has ended, or wait longer with --store-timeout",
                        begin.elapsed().as_secs()
                    ),
                });
            }
            stopped.check().map_err(&failed)?;
            std::thread::sleep(POLL);
        }
    }
}

/// Permissions, before the umask.
#[derive(Clone, Copy)]
pub(super) struct Modes {
    pub file: u32,
    pub folder: u32,
}

/// Whether nothing is there.
pub(super) fn is_nothing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn is_at(folder: &Folder, name: &str, file: &File) -> bool {
    match (folder.metadata(name), file.metadata()) {
        (Ok(there), Ok(held)) => there.ino() == held.ino() && there.dev() == held.dev(),
        _ => false,
    }
}

/// Without reading the object. What is compared-and-swapped has the digest of its bytes as revision ([`Root::read`]); for
/// all else, which never changes, size and time tell one state from another.
pub(super) fn stat_of(metadata: &Metadata) -> Stat {
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
