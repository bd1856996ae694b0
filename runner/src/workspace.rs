//! The folders of one process, gone with it: dropped on success, on failure and on a signal.

use std::io;
use std::path::{Path, PathBuf};

use contract::files;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use tempfile::TempDir;

use crate::error::Error;

/// `data/` and `job/` of a process, and a `model/` for each run in it.
pub struct Workspace {
    root: TempDir,
}

impl Workspace {
    /// A fresh hidden folder below `parent`, which is made if it is missing.
    ///
    /// # Errors
    /// When `parent` cannot be written.
    pub fn below(parent: &Path) -> Result<Self, Error> {
        let failed = |error| {
            Error::local(
                format!(
                    "cannot write in {}: choose another folder with --out",
                    parent.display()
                ),
                error,
            )
        };
        std::fs::create_dir_all(parent).map_err(failed)?;
        let root = tempfile::Builder::new()
            .prefix(".run-")
            .tempdir_in(parent)
            .map_err(failed)?;
        Ok(Self { root })
    }

    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.root.path().join("data")
    }

    /// A folder for the model named `name`, empty.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn model(&self, name: &str) -> Result<PathBuf, Error> {
        self.folder(Path::new(name))
    }

    /// A folder that holds `specification` as the guest reads it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn job(&self, name: &str, specification: &[u8]) -> Result<PathBuf, Error> {
        let folder = self.folder(&Path::new("job").join(name))?;
        let file = folder.join(files::PIPELINE_TOML);
        std::fs::write(&file, specification)
            .map_err(|error| Error::local(format!("cannot write {}", file.display()), error))?;
        Ok(folder)
    }

    /// Removes what there is of the run named `name`, before the rest goes.
    pub fn clear(&self, name: &str) {
        for folder in [Path::new(name), &Path::new("job").join(name)] {
            // Moved away, or never made; what cannot be removed goes with the workspace.
            let _ = std::fs::remove_dir_all(self.root.path().join(folder));
        }
    }

    fn folder(&self, relative: &Path) -> Result<PathBuf, Error> {
        let folder = self.root.path().join(relative);
        std::fs::create_dir_all(&folder).map_err(|error| {
            Error::local(
                format!("cannot make the folder {}", folder.display()),
                error,
            )
        })?;
        Ok(folder)
    }
}

/// Moves the folder `from` to `to`, which must not be there; copies where the two are on different disks.
///
/// # Errors
/// `AlreadyExists` when `to` is there.
pub fn move_folder(from: &Path, to: &Path) -> io::Result<()> {
    if let Some(parent) = to.parent() {
        std::fs::create_dir_all(parent)?;
    }
    match rename_new(from, to) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => copy_into_place(from, to),
        result => result,
    }
}

/// Renames a folder, but not onto another.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // A file system that does not know the flag: it looks, and refuses a folder that is not empty by itself.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) if to.exists() => {
            Err(io::ErrorKind::AlreadyExists.into())
        }
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => std::fs::rename(from, to),
        result => Ok(result?),
    }
}

fn copy_into_place(from: &Path, to: &Path) -> io::Result<()> {
    let parent = to.parent().unwrap_or(Path::new("."));
    let staged = tempfile::Builder::new()
        .prefix(".run-")
        .tempdir_in(parent)?;
    let copy = staged.path().join("model");
    copy_folder(from, &copy)?;
    rename_new(&copy, to)
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
