//! A folder that a guest filled: walked from its own descriptor, without following anything.

use std::ffi::CStr;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use contract::FileEntry;
use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, fstat, openat, statat, unlinkat,
};
use rustix::io::Errno;

use super::OutputError;
use crate::digest;
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
                f.write_str("its name is not UTF-8, or holds control characters or a backslash")
            }
            Self::Deep => write!(f, "it lies deeper than {MAX_DEPTH} folders"),
            Self::Long => write!(f, "its path is longer than {MAX_PATH} bytes"),
        }
    }
}

/// A folder, held open.
pub struct Folder(OwnedFd);

impl Folder {
    pub fn open(path: &Path) -> Result<Self, OutputError> {
        open_folder(CWD, path).map(Self).map_err(io_error)
    }

    /// Every file beneath, with its digest, sorted by path.
    pub fn list(&self, limits: &Limits) -> Result<Vec<FileEntry>, OutputError> {
        let mut walk = Walk {
            limits,
            entries: 0,
            bytes: 0,
            files: Vec::new(),
        };
        walk.folder(self.0.as_fd(), "", 1)?;
        walk.files.sort_by(|left, right| left.path.cmp(&right.path));
        Ok(walk.files)
    }

    /// Whether there is anything of this name, of whatever kind.
    pub fn holds(&self, name: &str) -> Result<bool, OutputError> {
        match statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(io_error(error)),
        }
    }

    /// A regular file of this folder, for reading. `None` when there is nothing of that name.
    pub fn open_file(&self, name: &str) -> Result<Option<File>, OutputError> {
        match statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => open_regular(self.0.as_fd(), name, name, &stat).map(|(file, _)| Some(file)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(io_error(error)),
        }
    }

    pub fn remove(&self, name: &str) -> Result<(), OutputError> {
        unlinkat(&self.0, name, AtFlags::empty()).map_err(io_error)
    }
}

struct Walk<'a> {
    limits: &'a Limits,
    entries: u64,
    bytes: u64,
    files: Vec<FileEntry>,
}

impl Walk<'_> {
    fn folder(&mut self, folder: impl AsFd, prefix: &str, depth: usize) -> Result<(), OutputError> {
        for entry in Dir::read_from(&folder).map_err(io_error)? {
            let entry = entry.map_err(io_error)?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            self.count_entry()?;
            let path = format!("{prefix}{}", plain(prefix, name)?);
            if path.len() > MAX_PATH {
                return Err(refused(&path, Problem::Long));
            }
            let stat = statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(io_error)?;
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                if depth >= MAX_DEPTH {
                    return Err(refused(&path, Problem::Deep));
                }
                let inner = open_folder(&folder, name).map_err(io_error)?;
                self.folder(inner, &format!("{path}/"), depth + 1)?;
            } else {
                let (file, stat) = open_regular(folder.as_fd(), name, &path, &stat)?;
                self.file(file, &stat, path)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, file: File, stat: &Stat, path: String) -> Result<(), OutputError> {
        let length = u64::try_from(stat.st_size).unwrap_or(0);
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

fn open_folder(at: impl AsFd, name: impl rustix::path::Arg) -> Result<OwnedFd, Errno> {
    openat(
        at,
        name,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )
}

/// Opens what `stat` says is a regular file, and looks again at what was opened.
fn open_regular(
    at: impl AsFd,
    name: impl rustix::path::Arg,
    path: &str,
    stat: &Stat,
) -> Result<(File, Stat), OutputError> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {}
        FileType::Symlink => return Err(refused(path, Problem::Symlink)),
        _ => return Err(refused(path, Problem::NotRegular)),
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = openat(at, name, flags, Mode::empty()).map_err(io_error)?;
    let stat = fstat(&file).map_err(io_error)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(refused(path, Problem::NotRegular));
    }
    if stat.st_nlink != 1 {
        return Err(refused(path, Problem::HardLink));
    }
    Ok((File::from(file), stat))
}

/// A name that means the same in every store and on every screen.
fn plain<'a>(prefix: &str, name: &'a CStr) -> Result<&'a str, OutputError> {
    match name.to_str() {
        Ok(text)
            if !text
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

fn io_error(error: Errno) -> OutputError {
    OutputError::Io(error.into())
}
