use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::time::Duration;

use super::super::blocking::Stopped;
use super::root::{Modes, Root, TEMPORARY};
use crate::platform::{Folder, random_name};
use crate::store::content::LocalFile;
use crate::store::{Content, Created, Source, StoreError};

/// How often an object's folder is made again that somebody else removes, since it was empty.
const TIMES_GONE: u32 = 1000;

/// Whether a file's name is one that [`Temporary`] gives, or gave in an older runner: with hyphens.
pub fn is_temporary_name(name: &str) -> bool {
    uuid::Uuid::try_parse(name).is_ok_and(|random| {
        let forms = [random.simple().to_string(), random.hyphenated().to_string()];
        random.get_version_num() == 7 && forms.iter().any(|form| form == name)
    })
}

/// A whole object without its name. Removed when dropped.
pub(super) struct Temporary {
    root: Root,
    folder: Folder,
    name: String,
    /// The name that it gets.
    key: String,
    modes: Modes,
}

impl Temporary {
    /// Writes what is to become the object `key`.
    pub fn write(
        root: &Root,
        key: &str,
        content: &Content,
        stopped: &Stopped,
    ) -> Result<Self, StoreError> {
        let mut temporary = Self {
            root: root.clone(),
            folder: root.temporary()?,
            name: random_name(""),
            key: key.to_owned(),
            modes: root.modes(key)?,
        };
        let here = format!("{TEMPORARY}/{}", temporary.name);
        let failed = root.failed("write", &here);
        let mut gone = 0;
        let mut file = loop {
            match temporary
                .folder
                .create(&temporary.name, temporary.modes.file)
            {
                // Somebody removed the folder since it was opened, since it was empty.
                Err(error) if error.kind() == ErrorKind::NotFound && gone < TIMES_GONE => {
                    gone += 1;
                    temporary.folder = root.temporary()?;
                }
                created => break created.map_err(&failed)?,
            }
        };
        match &content.source {
            Source::Bytes(bytes) => file.write_all(bytes).map_err(&failed)?,
            Source::File(from) => copy(from, &mut file, content, stopped, &failed)?,
        }
        file.sync_all().map_err(failed)?;
        Ok(temporary)
    }

    /// Gives it its name, unless something has it. Returns the folder that it lies in then, which is not synced yet.
    pub fn become_new(
        &self,
        patience: Duration,
        stopped: &Stopped,
    ) -> Result<(Created, Folder), StoreError> {
        match self.place(|from, name, to, new| from.rename_new(name, to, new)) {
            Err(StoreError::Folder { source, .. }) if source.kind() == ErrorKind::Unsupported => {}
            placed => return placed,
        }
        // A file system that can't rename without replacing can't do so for anybody: all who write here take this way.
        let _lock = self.root.lock(patience, stopped)?;
        if self.root.is_taken(&self.key)? {
            let (above, _) = self.key.rsplit_once('/').unwrap_or((".", &self.key));
            return Ok((Created::Exists, self.folder_of(above)?));
        }
        self.replace()
    }

    /// Takes the place of what has its name.
    pub fn replace(&self) -> Result<(Created, Folder), StoreError> {
        self.place(|from, name, to, new| from.rename_over(name, to, new))
    }

    fn folder_of(&self, above: &str) -> Result<Folder, StoreError> {
        self.root
            .made()?
            .make_folders(above, self.modes.folder, &mut Folder::sync)
            .map_err(self.root.failed("make the folder", above))
    }

    fn place(
        &self,
        rename: impl Fn(&Folder, &str, &Folder, &str) -> io::Result<()>,
    ) -> Result<(Created, Folder), StoreError> {
        let (above, name) = self.key.rsplit_once('/').unwrap_or((".", &self.key));
        let mut gone = 0;
        loop {
            let folder = self.folder_of(above)?;
            match rename(&self.folder, &self.name, &folder, name) {
                Ok(()) => return Ok((Created::New, folder)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    return Ok((Created::Exists, folder));
                }
                // Somebody deleted the last object beside it and the folder with that. The temporary file itself is
                // ours alone.
                Err(error)
                    if error.kind() == ErrorKind::NotFound
                        && gone < TIMES_GONE
                        && self.folder.metadata(&self.name).is_ok() =>
                {
                    gone += 1;
                }
                Err(error) => return Err(self.root.failed("create", &self.key)(error)),
            }
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Gone already when it was renamed; what a killed process leaves, `gc` finds.
        let _ = self.folder.remove_file(&self.name);
    }
}

/// Copies a file and makes sure that it still is the one whose digest was taken.
fn copy(
    from: &LocalFile,
    to: &mut File,
    content: &Content,
    stopped: &Stopped,
    failed: impl Fn(io::Error) -> StoreError,
) -> Result<(), StoreError> {
    let mut unwritten = false;
    let copied = from.read_through(stopped, |chunk| {
        to.write_all(chunk).inspect_err(|_| unwritten = true)
    });
    let (_, sha256) = copied.map_err(|error| match unwritten {
        true => failed(error),
        false => StoreError::local("read", from.path(), error),
    })?;
    content.is_still(from, &sha256)
}
