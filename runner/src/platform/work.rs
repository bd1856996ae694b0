//! Folders of one process, which the next one finds and removes if this one can't.

use std::ffi::OsStr;
use std::fs::{File, Metadata, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{NamedFolder, is_random_name, random_name};

/// The file in a working folder that its process holds locked. It says since which start of the machine.
const LOCK: &str = ".lock";
/// Nobody but this user looks into a working folder.
const PRIVATE: u32 = 0o700;
/// How often another name is tried.
const TRIES: u32 = 100;

/// A hidden folder with a random name, open to this user alone, locked for as long as its process lives. It goes when it is
/// dropped. What a process leaves that was killed is removed by [`WorkFolder::sweep`].
#[derive(Debug)]
pub struct WorkFolder {
    above: NamedFolder,
    name: String,
    folder: NamedFolder,
    /// None where the file system knows no locks: then nobody removes it but its own process.
    lock: Option<File>,
    kept: bool,
}

/// A folder that was found.
#[derive(Debug)]
pub enum Adopted {
    /// Nobody was at it. It is ours now.
    Ours(WorkFolder),
    /// Another process is at it.
    Busy,
    /// It is not one of this user's working folders, or it is just being made or removed.
    Other,
}

impl WorkFolder {
    /// A fresh one in `above`. Its name begins with `prefix`.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn make(above: &NamedFolder, prefix: &str) -> io::Result<Self> {
        for _ in 0..TRIES {
            let name = random_name(prefix);
            let folder = match above.make_folder(&name, PRIVATE) {
                Err(error) if is_lost(&error) => continue,
                made => made?,
            };
            let lock = match folder.create(LOCK, 0o600).and_then(hold) {
                Ok(lock) => lock,
                Err(error) => {
                    let _ = above.remove_whole(&name);
                    // Whoever sweeps took it, still empty, for one that was left.
                    if is_lost(&error) {
                        continue;
                    }
                    return Err(error);
                }
            };
            return Ok(Self {
                folder: NamedFolder::new(folder, above.path().join(&name)),
                above: above.clone(),
                name,
                lock,
                kept: false,
            });
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// The same, after what killed processes left there was removed.
    ///
    /// # Errors
    /// As [`WorkFolder::make`].
    pub fn make_after_sweep(above: &NamedFolder, prefix: &str) -> io::Result<Self> {
        if let Err(error) = Self::sweep(above, prefix) {
            // A folder that can be written to and not read.
            tracing::debug!("{} is not looked through: {error}", above.path().display());
        }
        Self::make(above, prefix)
    }

    /// Takes over a folder in `above` that an earlier process left.
    #[must_use]
    pub fn adopt(above: &NamedFolder, name: &OsStr, prefix: &str) -> Adopted {
        let Some(name) = name.to_str().filter(|name| is_random_name(name, prefix)) else {
            return Adopted::Other;
        };
        adopt(above, name).unwrap_or(Adopted::Other)
    }

    /// Removes what processes of this user left in `above` that were killed. What may still be in use stays.
    ///
    /// # Errors
    /// When `above` can't be read.
    pub fn sweep(above: &NamedFolder, prefix: &str) -> io::Result<()> {
        for name in above.names()? {
            if let Adopted::Ours(mut left) = Self::adopt(above, &name, prefix) {
                // Locks of another machine may not be seen on this one.
                left.kept = !left.is_of_this_boot();
                if !left.kept {
                    tracing::debug!("{} was left by a killed process", left.path().display());
                }
            }
        }
        Ok(())
    }

    /// For people.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    #[must_use]
    pub fn folder(&self) -> &NamedFolder {
        &self.folder
    }

    /// The folder that it lies in.
    #[must_use]
    pub fn above(&self) -> &NamedFolder {
        &self.above
    }

    /// Leaves it for another process to [`WorkFolder::adopt`].
    pub fn keep(&mut self, kept: bool) {
        self.kept = kept;
    }

    fn is_of_this_boot(&mut self) -> bool {
        let mut text = String::new();
        let read = self.lock.as_mut().map(|lock| {
            lock.rewind()?;
            lock.take(1000).read_to_string(&mut text)
        });
        matches!(read, Some(Ok(_))) && boot().is_some_and(|boot| text == boot)
    }
}

impl Drop for WorkFolder {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        // The lock goes last: whoever is stopped before that leaves a folder that can be swept. What cannot be removed
        // is left: nobody is there to hear of it.
        let emptied = self.folder.remove_inside(Some(OsStr::new(LOCK)));
        if emptied.and_then(|()| self.folder.remove_file(LOCK)).is_ok() {
            let _ = self.above.remove_folder(&self.name);
        }
    }
}

fn adopt(above: &NamedFolder, name: &str) -> io::Result<Adopted> {
    let folder = above.beneath(name)?;
    let own = folder.own_metadata()?;
    if !is_own(&own) || own.mode() & 0o077 != 0 {
        return Ok(Adopted::Other);
    }
    let lock = match folder.read_or_write(LOCK) {
        // Its process is about to make it, or was killed before it could: an empty folder goes, any other stays.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let _ = above.remove_folder(name);
            return Ok(Adopted::Other);
        }
        lock => lock?,
    };
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(Adopted::Busy),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    // Looked at once it is locked: whoever held it before may have removed it, or may not have written it yet.
    let held = lock.metadata()?;
    if !is_own(&held) || held.nlink() != 1 || held.len() == 0 {
        return Ok(Adopted::Other);
    }
    Ok(Adopted::Ours(WorkFolder {
        above: above.clone(),
        name: name.to_owned(),
        folder,
        lock: Some(lock),
        kept: false,
    }))
}

/// Locks a new file and then says since which start of the machine it is held. `None` where there are no locks.
fn hold(mut lock: File) -> io::Result<Option<File>> {
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::NotFound.into()),
        Err(TryLockError::Error(error)) => {
            tracing::debug!("a working folder is not locked: {error}");
            return Ok(None);
        }
    }
    lock.write_all(boot().as_deref().unwrap_or("runner\n").as_bytes())?;
    Ok(Some(lock))
}

/// Tells one start of one machine from every other.
fn boot() -> Option<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(format!("runner {id}"))
}

fn is_own(metadata: &Metadata) -> bool {
    metadata.uid() == rustix::process::geteuid().as_raw()
}

fn is_lost(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::PathBuf;

    const PREFIX: &str = ".run-";

    fn named(parent: &Path) -> NamedFolder {
        NamedFolder::open(parent).unwrap()
    }

    fn make(parent: &Path) -> WorkFolder {
        WorkFolder::make(&named(parent), PREFIX).unwrap()
    }

    /// As a killed process leaves one: without its lock.
    fn left(parent: &Path) -> PathBuf {
        let mut work = make(parent);
        work.keep(true);
        fs::create_dir_all(work.path().join("data/inner")).unwrap();
        fs::write(work.path().join("data/inner/rows"), "personal").unwrap();
        work.path().to_owned()
    }

    #[test]
    fn a_working_folder_is_private_and_goes_with_its_process() {
        let parent = tempfile::tempdir().unwrap();
        let work = make(parent.path());
        let mode = fs::metadata(work.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        fs::create_dir_all(work.path().join("a/b/c")).unwrap();
        drop(work);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_a_killed_process_left_is_removed_and_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        fs::write(elsewhere.path().join("theirs"), "theirs").unwrap();
        let killed = left(parent.path());
        symlink(elsewhere.path(), killed.join("data/link")).unwrap();
        let alive = make(parent.path());

        // Named like ours, and not ours: without a lock, open to others, a link, another boot's or machine's.
        let random = || parent.path().join(random_name(PREFIX));
        let (unlocked, open, link, foreign) =
            (random(), left(parent.path()), random(), left(parent.path()));
        fs::create_dir_all(unlocked.join("photos")).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
        symlink(elsewhere.path(), &link).unwrap();
        fs::write(foreign.join(LOCK), "runner of another machine\n").unwrap();
        let other_name = parent.path().join(".run-notes");
        fs::create_dir(&other_name).unwrap();

        WorkFolder::sweep(&named(parent.path()), PREFIX).unwrap();
        assert!(!killed.exists());
        for stays in [alive.path(), &unlocked, &open, &link, &foreign, &other_name] {
            assert!(stays.exists(), "{}", stays.display());
        }
        assert!(elsewhere.path().join("theirs").exists());
        assert!(unlocked.join("photos").exists());
        assert!(open.join("data/inner/rows").exists());
    }

    #[test]
    fn of_many_that_sweep_and_make_none_loses_its_folder() {
        let parent = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        WorkFolder::sweep(&named(parent.path()), PREFIX).unwrap();
                        let work = make(parent.path());
                        fs::write(work.path().join("file"), "x").unwrap();
                        WorkFolder::sweep(&named(parent.path()), PREFIX).unwrap();
                        assert!(work.path().join("file").exists());
                    }
                });
            }
        });
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_tree_deeper_than_any_path_is_removed() {
        let parent = tempfile::tempdir().unwrap();
        let work = make(parent.path());
        let mut folder = work.folder().folder(".").unwrap();
        for _ in 0..300 {
            folder = folder.make_folder("d".repeat(100), 0o755).unwrap();
            folder.create("file", 0o644).unwrap();
        }
        drop((folder, work));
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }
}
