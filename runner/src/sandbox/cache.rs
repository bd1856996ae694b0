//! Compiled modules, kept in a folder of the user's, so that a module is compiled once a machine.
//!
//! What lies there is executed. So an entry is taken only when this user owns it and the folder, and nobody else can
//! write to either; otherwise, as when it is damaged or from another engine, the module is compiled anew. What is looked
//! at is what was opened, and entries are reached from the open folder: whoever can write above it can exchange it for
//! another, and gains nothing. Entries are replaced as a whole, never written in place: any number of processes can share
//! the folder.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::compiled::Digest;
use crate::platform::{Folder, is_random_name, random_name};

/// Entries that are kept. A user has few modules; each is a few megabytes.
const MAX_ENTRIES: usize = 64;
/// Larger entries are none of ours.
const MAX_BYTES: u64 = 1 << 30;
/// Entries lie in a folder of this name: the one that the user names may hold other things.
const OWN: &str = "compiled";
/// How the names of entries begin that are being written.
const NEW: &str = ".new-";
/// What was begun longer ago is never finished.
const ABANDONED: Duration = Duration::from_secs(3600);

/// Where compiled modules are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Cache {
    /// Nowhere: every run compiles.
    #[default]
    Off,
    Folder(PathBuf),
}

impl Cache {
    /// The user's cache folder, when there is a home to have one in.
    #[must_use]
    pub fn of_user() -> Self {
        let folder = |name| {
            std::env::var_os(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute() && path.is_dir())
        };
        match (folder("XDG_CACHE_HOME"), folder("HOME")) {
            (Some(cache), _) => Self::Folder(cache.join("runner")),
            (None, Some(home)) => Self::Folder(home.join(".cache").join("runner")),
            (None, None) => Self::Off,
        }
    }

    /// What was kept of this module, as a file. `None` when there is nothing that may be used.
    pub(super) fn get(&self, engine: &str, module: &Digest) -> Option<File> {
        let Self::Folder(folder) = self else {
            return None;
        };
        match read(folder, &name(engine, module)) {
            Ok(file) => file,
            Err(error) => {
                tracing::warn!("compiled code in {} is not used: {error}", folder.display());
                None
            }
        }
    }

    /// Keeps a file for the next time. Failing to is no error: the module runs all the same.
    pub(super) fn put(&self, engine: &str, module: &Digest, file: &[u8]) {
        let Self::Folder(folder) = self else {
            return;
        };
        if let Err(error) = write(folder, &name(engine, module), file) {
            tracing::warn!(
                "compiled code cannot be kept in {}: {error}; give another --cache-dir, or --no-cache",
                folder.display()
            );
        }
    }
}

const KIND: &str = ".cwasm";

fn name(engine: &str, module: &Digest) -> String {
    format!("{}-{engine}{KIND}", crate::hex(module))
}

/// Whether [`name`] gives such names.
fn is_entry(name: &str) -> bool {
    let Some((module, engine)) = name
        .strip_suffix(KIND)
        .and_then(|name| name.split_once('-'))
    else {
        return false;
    };
    let hex = |text: &str| text.bytes().all(|each| each.is_ascii_hexdigit());
    module.len() == 64 && hex(module) && !engine.is_empty() && hex(engine)
}

fn read(folder: &Path, name: &str) -> io::Result<Option<File>> {
    let absent = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Ok(None),
        _ => Err(error),
    };
    let own = match open(folder).and_then(|folder| folder.folder(OWN)) {
        Ok(own) => own,
        Err(error) => return absent(error),
    };
    private(&own.own_metadata()?, "the folder")?;
    let file = match own.read(name) {
        Ok(file) => file,
        Err(error) => return absent(error),
    };
    let metadata = file.metadata()?;
    private(&metadata, "the entry")?;
    if metadata.len() > MAX_BYTES {
        return Err(io::Error::other("the entry is no file of this runner's"));
    }
    Ok(Some(file))
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    Folder::open_or_make(folder, 0o700, &mut |_| Ok(()))?;
    let own = open(folder)?.make_folders(OWN, 0o700, &mut |_| Ok(()))?;
    private(&own.own_metadata()?, "the folder")?;
    // For this user alone, whatever the umask says.
    let new = random_name(NEW);
    let written = own
        .create(&new, 0o600)
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| own.rename_over(&new, &own, name));
    if written.is_err() {
        let _ = own.remove_file(&new);
    }
    written?;
    forget_oldest(&own)
}

/// Whether entries of this folder would be taken.
///
/// # Errors
/// When it can't be looked at, or another user could have written there.
pub fn check(folder: &Path) -> io::Result<()> {
    match open(folder)?.folder(OWN) {
        Ok(own) => private(&own.own_metadata()?, "the folder"),
        // Nothing was kept yet.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Opens the folder that the user named, if nobody else can write to it.
fn open(folder: &Path) -> io::Result<Folder> {
    let folder = Folder::open_no_link(folder)?;
    private(&folder.own_metadata()?, "the folder")?;
    Ok(folder)
}

/// Refuses what another user could have written.
fn private(metadata: &Metadata, what: &str) -> io::Result<()> {
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other(format!("{what} belongs to another user")));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(io::Error::other(format!(
            "{what} can be written by others; chmod go-w it"
        )));
    }
    Ok(())
}

/// Entries that were made longest ago go first. What is not named like an entry is not ours, and stays; but for what a
/// killed process left unfinished.
fn forget_oldest(own: &Folder) -> io::Result<()> {
    let mut entries: Vec<(SystemTime, String)> = Vec::new();
    for name in own.names()? {
        let Some(name) = name.to_str() else { continue };
        let unfinished = is_random_name(name, NEW);
        if !unfinished && !is_entry(name) {
            continue;
        }
        // Another process may have been quicker.
        let Ok(made) = own.metadata(name).and_then(|found| found.modified()) else {
            continue;
        };
        if !unfinished {
            entries.push((made, name.to_owned()));
        } else if made.elapsed().is_ok_and(|age| age > ABANDONED) {
            let _ = own.remove_file(name);
        }
    }
    entries.sort();
    let surplus = entries.len().saturating_sub(MAX_ENTRIES);
    for (_, name) in entries.into_iter().take(surplus) {
        let _ = own.remove_file(OsStr::new(&name));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::sync::atomic::{AtomicBool, Ordering};

    const MODULE: Digest = [1; 32];
    const ENGINE: &str = "e0";

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn an_entry_that_others_could_have_written_is_not_used() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("cache");
        let cache = Cache::Folder(folder.clone());
        assert!(cache.get(ENGINE, &MODULE).is_none());
        cache.put(ENGINE, &MODULE, b"code");
        let kept = cache.get(ENGINE, &MODULE).map(io::read_to_string);
        assert_eq!(kept.unwrap().unwrap(), "code");
        assert!(cache.get("0e", &MODULE).is_none());

        let own = folder.join(OWN);
        let entry = own.join(name(ENGINE, &MODULE));
        chmod(&entry, 0o666);
        assert!(cache.get(ENGINE, &MODULE).is_none());
        chmod(&entry, 0o600);
        for shared in [&own, &folder] {
            chmod(shared, 0o777);
            assert!(cache.get(ENGINE, &MODULE).is_none());
            chmod(shared, 0o700);
        }
        assert!(cache.get(ENGINE, &MODULE).is_some());

        for linked in [&entry, &own, &folder] {
            let elsewhere = home.path().join("elsewhere");
            fs::rename(linked, &elsewhere).unwrap();
            symlink(&elsewhere, linked).unwrap();
            assert!(cache.get(ENGINE, &MODULE).is_none());
            fs::remove_file(linked).unwrap();
            fs::rename(&elsewhere, linked).unwrap();
        }
        assert!(cache.get(ENGINE, &MODULE).is_some());
    }

    #[test]
    fn the_folder_does_not_grow_without_end() {
        let home = tempfile::tempdir().unwrap();
        let cache = Cache::Folder(home.path().to_owned());
        for number in 0..=MAX_ENTRIES as u8 {
            cache.put(ENGINE, &[number; 32], b"code");
        }
        let own = home.path().join(OWN);
        assert_eq!(fs::read_dir(own).unwrap().count(), MAX_ENTRIES);
        assert!(cache.get(ENGINE, &[MAX_ENTRIES as u8; 32]).is_some());
    }

    #[test]
    fn what_is_not_an_entry_is_never_removed() {
        let home = tempfile::tempdir().unwrap();
        let own = home.path().join(OWN);
        fs::create_dir(&own).unwrap();
        chmod(home.path(), 0o755);
        let cache = Cache::Folder(home.path().to_owned());
        for folder in [home.path(), &own] {
            for number in 0..100 {
                fs::write(folder.join(format!("photo-{number}.jpg")), "photo").unwrap();
            }
        }
        let (begun, left) = (random_name(NEW), random_name(NEW));
        for unfinished in [&begun, &left] {
            fs::write(own.join(unfinished), "half").unwrap();
        }
        let old = File::options().write(true).open(own.join(&left)).unwrap();
        old.set_modified(SystemTime::now() - 2 * ABANDONED).unwrap();
        for number in 0..=MAX_ENTRIES as u8 {
            cache.put(ENGINE, &[number; 32], b"code");
        }
        let names = |folder: &Path| {
            let entries = fs::read_dir(folder).unwrap();
            let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            names.filter(|name| name.ends_with(".jpg")).count()
        };
        assert_eq!((names(home.path()), names(&own)), (100, 100));
        assert!(own.join(begun).exists() && !own.join(left).exists());
    }

    /// The folder is exchanged over and over for one that somebody else may have filled. Everybody is one user in this test:
    /// the other one's folder is told by its mode.
    #[test]
    fn a_folder_that_is_exchanged_between_check_and_use_is_not_used() {
        let home = tempfile::tempdir().unwrap();
        let (cache, planted) = (home.path().join("cache"), home.path().join("planted"));
        let (aside, over) = (home.path().join("aside"), AtomicBool::new(false));
        for (folder, code) in [(&cache, "ours"), (&planted, "planted")] {
            Cache::Folder(folder.clone()).put(ENGINE, &MODULE, code.as_bytes());
        }
        chmod(&planted, 0o777);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    fs::rename(&cache, &aside).unwrap();
                    fs::rename(&planted, &cache).unwrap();
                    fs::rename(&cache, &planted).unwrap();
                    fs::rename(&aside, &cache).unwrap();
                }
            });
            for _ in 0..20_000 {
                if let Ok(Some(file)) = read(&cache, &name(ENGINE, &MODULE)) {
                    assert_eq!(io::read_to_string(file).unwrap(), "ours");
                }
            }
            over.store(true, Ordering::Relaxed);
        });
    }
}
