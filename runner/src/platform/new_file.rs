//! Files that appear whole.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::Path;

use super::{NamedFolder, WorkFolder};

/// What a file is called until it has its name.
const WHOLE: &str = "whole";

/// A file that gets its name once it is whole, in the place of what has that name. Until then it lies in a working folder
/// beside it, so that what a killed process leaves is found by the next one.
#[derive(Debug)]
pub struct NewFile {
    work: WorkFolder,
    file: File,
    name: OsString,
}

impl NewFile {
    /// The file that is to be `path`. What killed processes left of such files beside it is removed.
    ///
    /// # Errors
    /// When `path` is a folder, or the folder that it lies in can't be written.
    pub fn beside(path: &Path, prefix: &str) -> io::Result<Self> {
        let Some(name) = path.file_name().filter(|_| !path.is_dir()) else {
            return Err(io::Error::other("it is a folder: name a file in it"));
        };
        let above = NamedFolder::open(path.parent().unwrap_or(Path::new("")))?;
        let work = WorkFolder::make_after_sweep(&above, prefix)?;
        // Who may read it is for the caller's umask to say.
        let file = work.folder().create(WHOLE, 0o666)?;
        Ok(Self {
            work,
            file,
            name: name.to_owned(),
        })
    }

    /// To be written to.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Gives the file its name, once its bytes are on the disk: it is whole after a loss of power, too.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn finish(self) -> io::Result<()> {
        self.file.sync_all()?;
        let above = self.work.above();
        self.work.folder().rename_over(WHOLE, above, &self.name)?;
        above.sync()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write;
    use std::os::unix::fs::symlink;

    const PREFIX: &str = ".new-";

    #[test]
    fn a_file_appears_whole_in_the_place_of_what_was_there() {
        let home = tempfile::tempdir().unwrap();
        let (path, other) = (home.path().join("file"), home.path().join("other"));
        fs::write(&other, "theirs").unwrap();
        symlink(&other, &path).unwrap();
        let new = NewFile::beside(&path, PREFIX).unwrap();
        new.file().write_all(b"ours").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "theirs");
        new.finish().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "ours");
        assert_eq!(fs::read_to_string(&other).unwrap(), "theirs");
        drop(NewFile::beside(&path, PREFIX).unwrap());
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 2);
        let error = NewFile::beside(home.path(), PREFIX).unwrap_err();
        assert!(error.to_string().contains("name a file in it"));
    }

    #[test]
    fn what_a_killed_process_left_of_a_file_is_removed_by_the_next() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        let mut killed = NewFile::beside(&path, PREFIX).unwrap();
        killed.work.keep(true);
        drop(killed);
        let alive = NewFile::beside(&path, PREFIX).unwrap();
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
        let second = NewFile::beside(&path, PREFIX).unwrap();
        alive.finish().unwrap();
        second.finish().unwrap();
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }
}
