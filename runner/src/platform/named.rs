//! A folder that is held open, with the path that people know it by.

use std::fs::Metadata;
use std::io;
use std::ops::Deref;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Folder;
use super::folder::parent_or_here;

/// A [`Folder`] and how it is called in messages. What is done goes by the descriptor: somebody may exchange what lies at the
/// path. Cheap to clone: all clones hold one descriptor.
#[derive(Clone, Debug)]
pub struct NamedFolder {
    folder: Arc<Folder>,
    path: PathBuf,
}

impl Deref for NamedFolder {
    type Target = Folder;

    fn deref(&self) -> &Folder {
        &self.folder
    }
}

impl NamedFolder {
    pub(super) fn new(folder: Folder, path: PathBuf) -> Self {
        Self {
            folder: Arc::new(folder),
            path,
        }
    }

    /// Opens a folder that the operator named: links in its path are followed.
    ///
    /// # Errors
    /// As [`Folder::open`].
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self::new(
            Folder::open(parent_or_here(path))?,
            path.to_owned(),
        ))
    }

    /// The same, but that it and those above it are made where they are missing.
    ///
    /// # Errors
    /// As [`Folder::open_or_make`].
    pub fn open_or_make(path: &Path) -> io::Result<Self> {
        let folder = Folder::open_or_make(parent_or_here(path), 0o777, &mut |_| Ok(()))?;
        Ok(Self::new(folder, path.to_owned()))
    }

    /// A folder beneath this one.
    ///
    /// # Errors
    /// As [`Folder::folder`].
    pub fn beneath(&self, relative: impl AsRef<Path>) -> io::Result<Self> {
        let relative = relative.as_ref();
        Ok(Self::new(self.folder(relative)?, self.path.join(relative)))
    }

    /// The same, but that it and those above it are made where they are missing.
    ///
    /// # Errors
    /// As [`Folder::make_folders`].
    pub fn make_beneath(&self, relative: impl AsRef<Path>) -> io::Result<Self> {
        let relative = relative.as_ref();
        let folder = self.make_folders(relative, 0o777, &mut |_| Ok(()))?;
        Ok(Self::new(folder, self.path.join(relative)))
    }

    /// This folder, after it was moved to `path`.
    #[must_use]
    pub fn moved_to(mut self, path: PathBuf) -> Self {
        self.path = path;
        self
    }

    /// For people.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A path for what takes nothing but paths. It leads to this very folder for as long as the folder is held, whatever
    /// becomes of its name: by `/proc`, or where there is none by its own path, which nobody else can give to another folder.
    ///
    /// # Errors
    /// When there is no `/proc`, and somebody else can.
    pub fn reach(&self) -> io::Result<PathBuf> {
        let held = PathBuf::from(format!("/proc/self/fd/{}", self.as_fd().as_raw_fd()));
        let own = self.own_metadata()?;
        if std::fs::metadata(&held).is_ok_and(|there| is_same(&there, &own)) {
            return Ok(held);
        }
        let path = parent_or_here(&self.path).canonicalize()?;
        match path.ancestors().skip(1).find(|above| is_open(above)) {
            None if is_same(&std::fs::metadata(&path)?, &own) => Ok(path),
            None => Err(io::Error::other("another folder has taken its place")),
            Some(above) => Err(io::Error::other(format!(
                "there is no /proc here, and others can write to {}, which lies above it: mount /proc, or choose a folder \
                 that only this user can write to",
                above.display()
            ))),
        }
    }
}

fn is_same(one: &Metadata, other: &Metadata) -> bool {
    one.ino() == other.ino() && one.dev() == other.dev()
}

/// Whether somebody else can exchange what lies in the folder `path`. In a sticky one only owners can.
fn is_open(path: &Path) -> bool {
    let Ok(found) = std::fs::symlink_metadata(path) else {
        return true;
    };
    let ours = [0, rustix::process::geteuid().as_raw()].contains(&found.uid());
    let (shared, sticky) = (found.mode() & 0o022 != 0, found.mode() & 0o1000 != 0);
    !ours || (shared && !sticky)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn a_folder_is_reached_after_another_took_its_place() {
        let home = tempfile::tempdir().unwrap();
        let (path, theirs) = (home.path().join("ours"), home.path().join("theirs"));
        for folder in [&path, &theirs] {
            fs::create_dir(folder).unwrap();
        }
        let ours = NamedFolder::open(&path).unwrap();
        fs::rename(&path, home.path().join("aside")).unwrap();
        symlink(&theirs, &path).unwrap();
        fs::write(ours.reach().unwrap().join("file"), "ours").unwrap();
        assert!(home.path().join("aside/file").exists());
        assert!(!theirs.join("file").exists());
    }

    #[test]
    fn a_path_is_trusted_where_nobody_else_can_change_it() {
        let home = tempfile::tempdir().unwrap();
        let mode = |mode: u32| {
            fs::set_permissions(home.path(), Permissions::from_mode(mode)).unwrap();
            is_open(home.path())
        };
        assert!(!mode(0o700) && !mode(0o755) && !mode(0o1777));
        assert!(mode(0o777) && mode(0o775));
        assert!(is_open(&home.path().join("none")));
    }
}
