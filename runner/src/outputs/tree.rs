//! A folder that a guest filled: walked from its own descriptor, without following anything.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;

use contract::FileEntry;

use super::OutputError;
use crate::digest;
use crate::platform;
use crate::sandbox::Limits;

/// Folders within folders. Each level costs an open file here.
const MAX_DEPTH: usize = 32;
/// Bytes of a path. Stores add a prefix of their own and end at 1,024.
const MAX_PATH: usize = 512;

/// Why a file is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    Symlink,
    HardLink,
    NotRegular,
    Name,
    Deep,
    Long,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Symlink => f.write_str("it is a symbolic link"),
            Self::HardLink => f.write_str("it is a hard link"),
            Self::NotRegular => f.write_str("it is no regular file"),
            Self::Name => {
                f.write_str("its name is not UTF-8, holds control characters or a backslash, or begins or ends with white space")
            }
            Self::Deep => write!(f, "it lies deeper than {MAX_DEPTH} folders"),
            Self::Long => write!(f, "its path is longer than {MAX_PATH} bytes"),
        }
    }
}

/// A folder that a guest filled, or still fills.
pub struct Folder<'a>(pub &'a platform::Folder);

impl Folder<'_> {
    /// Every file beneath, with its digest, sorted by path.
    pub fn list(&self, limits: &Limits) -> Result<Vec<FileEntry>, OutputError> {
        let mut walk = Walk {
            limits,
            entries: 0,
            bytes: 0,
            files: Vec::new(),
        };
        walk.folder(self.0, "", 1)?;
        walk.files.sort_by(|left, right| left.path.cmp(&right.path));
        Ok(walk.files)
    }

    /// Whether there is anything of this name, of whatever kind.
    pub fn holds(&self, name: &str) -> Result<bool, OutputError> {
        Ok(self.metadata(name)?.is_some())
    }

    /// A regular file of this folder, for reading. `None` when there is nothing of that name.
    pub fn open_file(&self, name: &str) -> Result<Option<File>, OutputError> {
        self.metadata(name)?
            .map(|found| open_regular(self.0, name.as_ref(), name, &found).map(|(file, _)| file))
            .transpose()
    }

    pub fn remove(&self, name: &str) -> Result<(), OutputError> {
        self.0.remove_file(name).map_err(OutputError::Io)
    }

    fn metadata(&self, name: &str) -> Result<Option<Metadata>, OutputError> {
        match self.0.metadata(name) {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(OutputError::Io(error)),
        }
    }
}

struct Walk<'a> {
    limits: &'a Limits,
    entries: u64,
    bytes: u64,
    files: Vec<FileEntry>,
}

impl Walk<'_> {
    fn folder(
        &mut self,
        folder: &platform::Folder,
        prefix: &str,
        depth: usize,
    ) -> Result<(), OutputError> {
        for name in folder.names().map_err(OutputError::Io)? {
            self.count_entry()?;
            let path = format!("{prefix}{}", plain(prefix, &name)?);
            if path.len() > MAX_PATH {
                return Err(refused(&path, Problem::Long));
            }
            let found = folder.metadata(&name).map_err(OutputError::Io)?;
            if found.is_dir() {
                if depth >= MAX_DEPTH {
                    return Err(refused(&path, Problem::Deep));
                }
                let inner = folder.folder(&name).map_err(OutputError::Io)?;
                self.folder(&inner, &format!("{path}/"), depth + 1)?;
            } else {
                let (file, length) = open_regular(folder, &name, &path, &found)?;
                self.file(file, length, path)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, file: File, length: u64, path: String) -> Result<(), OutputError> {
        self.bytes = self.bytes.saturating_add(length);
        if self.bytes > self.limits.output_bytes {
            return Err(OutputError::TooMuch {
                limit: self.limits.output_bytes,
                what: "bytes of files",
                flag: "--max-output-bytes",
            });
        }
        let (bytes, sha256) = digest::sha256(file.take(length)).map_err(OutputError::Io)?;
        self.files.push(FileEntry {
            path,
            bytes,
            sha256,
        });
        Ok(())
    }

    fn count_entry(&mut self) -> Result<(), OutputError> {
        self.entries += 1;
        if self.entries > self.limits.output_files {
            return Err(OutputError::TooMuch {
                limit: self.limits.output_files,
                what: "files and folders",
                flag: "--max-output-files",
            });
        }
        Ok(())
    }
}

/// Opens what was found to be a regular file, and looks again at what was opened. Returns its length, too.
fn open_regular(
    folder: &platform::Folder,
    name: &OsStr,
    path: &str,
    found: &Metadata,
) -> Result<(File, u64), OutputError> {
    if found.is_symlink() {
        return Err(refused(path, Problem::Symlink));
    }
    if !found.is_file() {
        return Err(refused(path, Problem::NotRegular));
    }
    let file = folder.read(name).map_err(|error| unread(path, error))?;
    let opened = file.metadata().map_err(OutputError::Io)?;
    if opened.nlink() != 1 {
        return Err(refused(path, Problem::HardLink));
    }
    Ok((file, opened.len()))
}

/// Something else may have taken a file's place meanwhile.
fn unread(path: &str, error: io::Error) -> OutputError {
    if platform::is_foreign(&error) || error.kind() == ErrorKind::IsADirectory {
        return refused(path, Problem::NotRegular);
    }
    OutputError::Io(error)
}

/// A name that means the same in every store and on every screen.
fn plain<'a>(prefix: &str, name: &'a OsStr) -> Result<&'a str, OutputError> {
    match name.to_str() {
        Some(text)
            if text.trim() == text
                && !text
                    .chars()
                    .any(|letter| letter.is_control() || letter == '\\') =>
        {
            Ok(text)
        }
        _ => Err(refused(
            &format!("{prefix}{}", name.to_string_lossy()),
            Problem::Name,
        )),
    }
}

fn refused(path: &str, problem: Problem) -> OutputError {
    OutputError::Refused {
        // Escaped: it is shown on terminals.
        name: path.escape_debug().to_string(),
        problem,
    }
}
