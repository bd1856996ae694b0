//! Opening without following links and without waiting.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::{Component, Path};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, openat, openat2, statat};
use rustix::io::Errno;

/// What a folder is opened for, unless it is to be listed: to reach what lies in it.
pub(super) const REACH: OFlags = OFlags::PATH.union(OFlags::DIRECTORY);

/// Something lies there that a runner neither reads nor writes. It was not followed, and not waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} lies there, and only regular files and folders are used")]
pub struct Foreign(&'static str);

/// Whether an error is a [`Foreign`].
#[must_use]
pub fn is_foreign(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Foreign>())
}

fn foreign(what: &'static str) -> io::Error {
    io::Error::other(Foreign(what))
}

/// Opens what a path names that the operator gave: links in it are followed, and it must be a regular file.
///
/// # Errors
/// When it can't be opened; [`Foreign`] when it is a pipe, a device or a socket.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    match openat(CWD, path, flags, Mode::empty()) {
        Ok(file) => regular(file),
        Err(error) => Err(explained(error)),
    }
}

/// Reads such a file, whole.
///
/// # Errors
/// As [`open_regular`], or when it can't be read.
pub fn read_regular(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_regular(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Opens what an absolute path leads to, whatever that is. Its links were followed before: there may be none by now.
///
/// # Errors
/// When it can't be opened; [`Foreign`] when there is a link after all.
pub fn open_resolved(path: &Path) -> io::Result<File> {
    let root = openat(CWD, "/", complete(REACH), Mode::empty())?;
    let path = path.strip_prefix("/").unwrap_or(path);
    let path = match path.as_os_str().is_empty() {
        true => Path::new("."),
        false => path,
    };
    beneath(root.as_fd(), path, OFlags::RDONLY, Mode::empty()).map(File::from)
}

/// What was opened, if it is a regular file.
///
/// # Errors
/// `IsADirectory` for a folder, [`Foreign`] for anything else.
pub fn regular(file: OwnedFd) -> io::Result<File> {
    let file = File::from(file);
    let kind = file.metadata()?.file_type();
    if kind.is_file() {
        Ok(file)
    } else if kind.is_dir() {
        Err(io::ErrorKind::IsADirectory.into())
    } else if kind.is_symlink() {
        Err(foreign("a symbolic link"))
    } else if kind.is_fifo() {
        Err(foreign("a named pipe"))
    } else {
        Err(foreign("a device or a socket"))
    }
}

/// Opens what lies at `path` beneath the folder `at`. No link is followed, in the middle of the path or at its end.
pub(super) fn beneath(
    at: BorrowedFd<'_>,
    path: &Path,
    flags: OFlags,
    mode: Mode,
) -> io::Result<OwnedFd> {
    let flags = complete(flags);
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    match openat2(at, path, flags, mode, resolve) {
        // Kernels before 5.6, and sandboxes that do not know the call.
        Err(Errno::NOSYS | Errno::PERM) => one_by_one(at, path, flags, mode),
        Err(error) => Err(explained(error)),
        Ok(opened) => Ok(opened),
    }
}

/// The same, one folder after the other.
pub(super) fn one_by_one(
    at: BorrowedFd<'_>,
    path: &Path,
    flags: OFlags,
    mode: Mode,
) -> io::Result<OwnedFd> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => names.push(name),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return Err(io::ErrorKind::InvalidInput.into());
            }
        }
    }
    let last = names.pop().unwrap_or(OsStr::new("."));
    let mut folder: Option<OwnedFd> = None;
    for name in names {
        let above = folder.as_ref().map_or(at, AsFd::as_fd);
        folder = Some(step(above, name, complete(REACH), Mode::empty())?);
    }
    step(folder.as_ref().map_or(at, AsFd::as_fd), last, flags, mode)
}

/// Opens one name, or a path in which only the last part must not be a link.
pub(super) fn step(
    at: BorrowedFd<'_>,
    name: &OsStr,
    flags: OFlags,
    mode: Mode,
) -> io::Result<OwnedFd> {
    openat(at, name, flags | OFlags::NOFOLLOW, mode).map_err(|error| {
        // A link is told from a file only by looking at it once more.
        let link = error == Errno::NOTDIR
            && statat(at, name, AtFlags::SYMLINK_NOFOLLOW)
                .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink);
        explained(if link { Errno::LOOP } else { error })
    })
}

fn complete(flags: OFlags) -> OFlags {
    let flags = flags | OFlags::CLOEXEC;
    if flags.contains(OFlags::PATH) {
        // Nothing is opened but the way to it; the kernel refuses other flags.
        flags
    } else {
        flags | OFlags::NONBLOCK | OFlags::NOCTTY
    }
}

pub(super) fn explained(error: Errno) -> io::Error {
    match error {
        Errno::LOOP => foreign("a symbolic link"),
        // A pipe that nobody reads, opened for writing, or a socket.
        Errno::NXIO => foreign("a named pipe or a socket"),
        error => error.into(),
    }
}
