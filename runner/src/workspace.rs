//! The folders of one process, gone with it: dropped on success, on failure and on a signal. What a process leaves that was
//! killed, the next one removes.

use std::io::{self, ErrorKind, Write};
use std::path::Path;

use contract::files;

use crate::error::Error;
use crate::platform::{Folder, NamedFolder, WorkFolder};

/// How the names of working folders begin.
const PREFIX: &str = ".run-";

/// `data/` and `job/` of a process, and a `model/` for each run in it. Nobody else looks into it, and whoever exchanges it for
/// another folder exchanges a name only: all of it is reached from descriptors.
pub struct Workspace {
    root: WorkFolder,
    data: NamedFolder,
}

impl Workspace {
    /// A fresh hidden folder below `parent`, which is made if it is missing. Those that killed processes left there are
    /// removed.
    ///
    /// # Errors
    /// When `parent` cannot be written.
    pub fn below(parent: &Path) -> Result<Self, Error> {
        let made = || {
            let root = working_folder(&NamedFolder::open_or_make(parent)?)?;
            let data = root.folder().make_beneath("data")?;
            Ok(Self { root, data })
        };
        made().map_err(|error| {
            Error::local(
                format!(
                    "cannot write in {}: choose another folder with --out",
                    parent.display()
                ),
                error,
            )
        })
    }

    /// The folder that all the others lie in.
    #[must_use]
    pub fn root(&self) -> &NamedFolder {
        self.root.folder()
    }

    #[must_use]
    pub fn data(&self) -> &NamedFolder {
        &self.data
    }

    /// A folder for the model named `name`, empty.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn model(&self, name: &str) -> Result<NamedFolder, Error> {
        self.folder(Path::new(name))
    }

    /// A folder that holds `specification` as the guest reads it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn job(&self, name: &str, specification: &[u8]) -> Result<NamedFolder, Error> {
        let folder = self.folder(&Path::new("job").join(name))?;
        let written = folder.create(files::PIPELINE_TOML, 0o666);
        let written = written.and_then(|mut file| file.write_all(specification));
        written.map_err(|error| {
            let file = folder.path().join(files::PIPELINE_TOML);
            Error::local(format!("cannot write {}", file.display()), error)
        })?;
        Ok(folder)
    }

    /// Removes what there is of the run named `name`, before the rest goes.
    pub fn clear(&self, name: &str) {
        for folder in [Path::new(name), &Path::new("job").join(name)] {
            // Moved away, or never made; what cannot be removed goes with the workspace.
            let _ = self.root().remove_whole(folder);
        }
    }

    fn folder(&self, relative: &Path) -> Result<NamedFolder, Error> {
        self.root().make_beneath(relative).map_err(|error| {
            let folder = self.root().path().join(relative);
            Error::local(
                format!("cannot make the folder {}", folder.display()),
                error,
            )
        })
    }
}

/// A folder of this process in `parent`. What killed processes left there is removed.
///
/// # Errors
/// When `parent` can't be written.
pub fn working_folder(parent: &NamedFolder) -> io::Result<WorkFolder> {
    WorkFolder::make_after_sweep(parent, PREFIX)
}

/// Moves `model`, which lies in the folder `from` under its own name, to the place `relative` beneath `out`, where nothing may
/// be; copies it where the two are on different disks. Others may write to `out`: no link in it is followed.
///
/// # Errors
/// `AlreadyExists` when something is there.
pub fn move_folder(
    from: &NamedFolder,
    model: &NamedFolder,
    out: &NamedFolder,
    relative: &Path,
) -> io::Result<NamedFolder> {
    let name = relative.file_name().ok_or(ErrorKind::InvalidInput)?;
    let above = relative.parent().ok_or(ErrorKind::InvalidInput)?;
    let to = out.make_beneath(Path::new(".").join(above))?;
    let path = out.path().join(relative);
    let old_name = model.path().file_name().ok_or(ErrorKind::InvalidInput)?;
    match from.rename_new(old_name, &to, name) {
        Err(error) if error.kind() == ErrorKind::CrossesDevices => {
            let staged = WorkFolder::make(out, PREFIX)?;
            let copy = staged.folder().make_beneath(name)?;
            copy_folder(model, &copy)?;
            staged.folder().rename_new(name, &to, name)?;
            Ok(copy.moved_to(path))
        }
        renamed => renamed.map(|()| model.clone().moved_to(path)),
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
        let root = fs::metadata(model.path().parent().unwrap()).unwrap();
        assert_eq!(root.permissions().mode() & 0o077, 0);
    }

    #[test]
    fn a_model_is_kept_where_no_link_leads_away() {
        let (out, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let workspace = Workspace::below(out.path()).unwrap();
        let kept = |name: &str, below: &str| {
            let model = workspace.model(name).unwrap();
            fs::write(model.path().join("model.json"), "{}").unwrap();
            let out = NamedFolder::open(out.path()).unwrap();
            move_folder(workspace.root(), &model, &out, &Path::new(below).join(name))
        };
        let moved = kept("m_v1_a", "").unwrap();
        assert_eq!(moved.path(), out.path().join("m_v1_a"));
        assert!(moved.read("model.json").is_ok());
        kept("m_v2_a", "_rejected").unwrap();
        assert!(out.path().join("_rejected/m_v2_a/model.json").is_file());
        let again = kept("m_v1_a", "").unwrap_err();
        assert_eq!(again.kind(), ErrorKind::AlreadyExists);
        symlink(other.path(), out.path().join("_unpublished")).unwrap();
        assert!(kept("m_v3_a", "_unpublished").is_err());
        assert_eq!(fs::read_dir(other.path()).unwrap().count(), 0);
    }
}
