//! Compiled modules, kept in a folder of the user's, so that a module is compiled once a machine.
//!
//! What lies there is executed. So an entry is taken only when this user owns it and the folder, and nobody else can
//! write to either; otherwise, as when it is damaged or from another engine, the module is compiled anew. Entries
//! are replaced as a whole, never written in place: any number of processes can share the folder.

use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::compiled::Digest;

/// Entries that are kept. A user has few modules; each is a few megabytes.
const MAX_ENTRIES: usize = 64;
/// Larger entries are none of ours.
const MAX_BYTES: u64 = 1 << 30;

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

fn name(engine: &str, module: &Digest) -> String {
    format!("{}-{engine}.cwasm", crate::hex(module))
}

fn read(folder: &Path, name: &str) -> io::Result<Option<File>> {
    let absent = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Ok(None),
        _ => Err(error),
    };
    match fs::symlink_metadata(folder) {
        Ok(metadata) => private(&metadata, "the folder")?,
        Err(error) => return absent(error),
    }
    let file = File::options()
        .read(true)
        .custom_flags(nofollow())
        .open(folder.join(name));
    let file = match file {
        Ok(file) => file,
        Err(error) => return absent(error),
    };
    let metadata = file.metadata()?;
    private(&metadata, "the entry")?;
    if !metadata.is_file() || metadata.len() > MAX_BYTES {
        return Err(io::Error::other("the entry is no file of this runner's"));
    }
    Ok(Some(file))
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    private(&fs::symlink_metadata(folder)?, "the folder")?;
    // Made for this user alone, whatever the umask says.
    let mut file = tempfile::Builder::new()
        .prefix("new-")
        .tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.persist(folder.join(name))
        .map_err(|error| error.error)?;
    forget_oldest(folder)
}

/// Whether entries of this folder would be taken.
///
/// # Errors
/// When it can't be looked at, or another user could have written there.
pub fn check(folder: &Path) -> io::Result<()> {
    private(&fs::symlink_metadata(folder)?, "the folder")
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

/// Entries that were made longest ago go first, and with them what a killed process left unfinished.
fn forget_oldest(folder: &Path) -> io::Result<()> {
    let mut entries: Vec<(SystemTime, PathBuf)> = fs::read_dir(folder)?
        .filter_map(|entry| {
            let entry = entry.ok()?;
            Some((entry.metadata().ok()?.modified().ok()?, entry.path()))
        })
        .collect();
    entries.sort();
    let surplus = entries.len().saturating_sub(MAX_ENTRIES);
    for (_, path) in entries.into_iter().take(surplus) {
        // Another process may have been quicker.
        let _ = fs::remove_file(path);
    }
    Ok(())
}

fn nofollow() -> i32 {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    flags.bits() as i32
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    const MODULE: Digest = [1; 32];

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn an_entry_that_others_could_have_written_is_not_used() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("cache");
        let cache = Cache::Folder(folder.clone());
        assert!(cache.get("e", &MODULE).is_none());
        cache.put("e", &MODULE, b"code");
        let kept = cache.get("e", &MODULE).map(io::read_to_string);
        assert_eq!(kept.unwrap().unwrap(), "code");
        assert!(cache.get("other", &MODULE).is_none());

        let entry = folder.join(name("e", &MODULE));
        chmod(&entry, 0o666);
        assert!(cache.get("e", &MODULE).is_none());
        chmod(&entry, 0o600);
        chmod(&folder, 0o777);
        assert!(cache.get("e", &MODULE).is_none());
        chmod(&folder, 0o700);
        assert!(cache.get("e", &MODULE).is_some());

        fs::rename(&entry, home.path().join("elsewhere")).unwrap();
        symlink(home.path().join("elsewhere"), &entry).unwrap();
        assert!(cache.get("e", &MODULE).is_none());
    }

    #[test]
    fn the_folder_does_not_grow_without_end() {
        let home = tempfile::tempdir().unwrap();
        let cache = Cache::Folder(home.path().to_owned());
        for number in 0..=MAX_ENTRIES as u8 {
            cache.put("e", &[number; 32], b"code");
        }
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), MAX_ENTRIES);
        assert!(cache.get("e", &[MAX_ENTRIES as u8; 32]).is_some());
    }
}
