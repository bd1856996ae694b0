//! Renaming that replaces nothing.

use std::ffi::OsStr;
use std::io;
use std::os::fd::BorrowedFd;

use rustix::fs::{
    AtFlags, FileType, RenameFlags, linkat, renameat, renameat_with, statat, unlinkat,
};
use rustix::io::Errno;

/// A place in a folder.
pub(super) type Place<'a> = (BorrowedFd<'a>, &'a OsStr);

/// Moves a file or folder to where nothing is.
///
/// # Errors
/// `AlreadyExists` when something is there; `Unsupported` of a file where neither the kernel nor the file system can do that.
pub(super) fn rename_new(from: Place<'_>, to: Place<'_>) -> io::Result<()> {
    match renameat_with(from.0, from.1, to.0, to.1, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => rename_new_without_flag(from, to),
        renamed => Ok(renamed?),
    }
}

/// The same on file systems that do not know "must not replace": NFS, 9p, some FUSE ones.
pub(super) fn rename_new_without_flag(from: Place<'_>, to: Place<'_>) -> io::Result<()> {
    let moved = statat(from.0, from.1, AtFlags::SYMLINK_NOFOLLOW)?;
    if FileType::from_raw_mode(moved.st_mode) != FileType::Directory {
        // A second name for a file is made only where there is none.
        match linkat(from.0, from.1, to.0, to.1, AtFlags::empty()) {
            // What file systems without hard links answer.
            Err(Errno::PERM | Errno::NOSYS | Errno::NOTSUP | Errno::MLINK) => {
                return Err(io::ErrorKind::Unsupported.into());
            }
            linked => linked?,
        }
        // The file has its new name; the old one is random, and found with what killed processes leave.
        let _ = unlinkat(from.0, from.1, AtFlags::empty());
        return Ok(());
    }
    // A folder never replaces a file or a folder that holds something. An empty folder it would replace: look first.
    match statat(to.0, to.1, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => return Err(io::ErrorKind::AlreadyExists.into()),
        Err(Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    match renameat(from.0, from.1, to.0, to.1) {
        Err(Errno::NOTEMPTY | Errno::NOTDIR | Errno::EXIST) => {
            Err(io::ErrorKind::AlreadyExists.into())
        }
        renamed => Ok(renamed?),
    }
}
