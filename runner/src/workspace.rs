//! The folders of one process, gone with it: dropped on success, on failure and on a signal. What a process leaves that was
//! killed, the next one removes.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use contract::files;

use crate::error::Error;
use crate::platform::{Folder, WorkFolder};

/// How the names of working folders begin.
const PREFIX: &str = ".run-";

/// `data/` and `job/` of a process, and a `model/` for each run in it. Nobody else looks into it.
pub struct Workspace {
    root: WorkFolder,
}

impl Workspace {
    /// A fresh hidden folder below `parent`, which is made if it is missing. Those that killed processes left there are
    /// removed.
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
        let root = working_folder(parent).map_err(failed)?;
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
            let _ = self.root.folder().remove_whole(folder);
        }
    }

    fn folder(&self, relative: &Path) -> Result<PathBuf, Error> {
        let folder = self.root.path().join(relative);
        let made = self
            .root
            .folder()
            .make_folders(relative, 0o777, &mut |_| Ok(()));
        made.map_err(|error| {
            Error::local(
                format!("cannot make the folder {}", folder.display()),
                error,
            )
        })?;
        Ok(folder)
    }
}

/// A folder of this process in `parent`. What killed processes left there is removed.
///
/// # Errors
/// When `parent` can't be written.
pub fn working_folder(parent: &Path) -> io::Result<WorkFolder> {
    if let Err(error) = WorkFolder::sweep(parent, PREFIX) {
        // A folder that can be written to and not read.
        tracing::debug!("{} is not looked through: {error}", parent.display());
    }
    WorkFolder::make(parent, PREFIX)
}

/// Moves the folder `from` to the place `relative` beneath `out`, where nothing may be; copies where the two are on different
/// disks. Others may write to `out`: no link in it is followed.
///
/// # Errors
/// `AlreadyExists` when something is there.
pub fn move_folder(from: &Path, out: &Path, relative: &Path) -> io::Result<()> {
    let parts = |path: &Path| {
        let parts = path.parent().zip(path.file_name());
        parts
            .map(|(above, name)| (above.to_owned(), name.to_owned()))
            .ok_or(ErrorKind::InvalidInput)
    };
    let (from_above, from_name) = parts(from)?;
    let (above, name) = parts(&Path::new(".").join(relative))?;
    let to = Folder::open_or_make(out, 0o777, &mut |_| Ok(()))?;
    let to = to.make_folders(above, 0o777, &mut |_| Ok(()))?;
    match Folder::open(&from_above)?.rename_new(from_name, &to, &name) {
        Err(error) if error.kind() == ErrorKind::CrossesDevices => {
            let staged = WorkFolder::make(out, PREFIX)?;
            copy_folder(
                &Folder::open(from)?,
                &staged.folder().make_folder(&name, 0o777)?,
            )?;
            staged.folder().rename_new(&name, &to, &name)
        }
        result => result,
    }
}

/// Copies what a checked model holds: regular files, in folders that are not deep.
fn copy_folder(from: &Folder, to: &Folder) -> io::Result<()> {
    for name in from.names()? {
        match from.folder(&name) {
            Ok(inner) => copy_folder(&inner, &to.make_folder(&name, 0o777)?)?,
            Err(_) => {
                let mut file = from.read(&name)?;
                io::copy(&mut file, &mut to.create(&name, 0o666)?)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn nobody_else_looks_into_a_working_folder() {
        let out = tempfile::tempdir().unwrap();
        let workspace = Workspace::below(out.path()).unwrap();
        let model = workspace.model("m_v1_a").unwrap();
        let root = fs::metadata(model.parent().unwrap()).unwrap();
        assert_eq!(root.permissions().mode() & 0o077, 0);
    }

    #[test]
    fn a_model_is_kept_where_no_link_leads_away() {
        let (out, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let workspace = Workspace::below(out.path()).unwrap();
        let kept = |name: &str, below: &str| {
            let model = workspace.model(name).unwrap();
            fs::write(model.join("model.json"), "{}").unwrap();
            move_folder(&model, out.path(), &Path::new(below).join(name))
        };
        kept("m_v1_a", "").unwrap();
        kept("m_v2_a", "_rejected").unwrap();
        assert!(out.path().join("_rejected/m_v2_a/model.json").is_file());
        let again = kept("m_v1_a", "").unwrap_err();
        assert_eq!(again.kind(), ErrorKind::AlreadyExists);
        symlink(other.path(), out.path().join("_unpublished")).unwrap();
        assert!(kept("m_v3_a", "_unpublished").is_err());
        assert_eq!(fs::read_dir(other.path()).unwrap().count(), 0);
    }
}
