//! Removing whole folders, however deep, with a few descriptors and no recursion.

use std::ffi::OsStr;
use std::io;

use super::{Folder, random_name};

/// Removes all that lies in `folder`, but for `keep`. Links are removed, not followed.
///
/// A folder that is not empty is moved up to the top before it is emptied: a path never gets long, and no more than two
/// folders are open at a time, whatever a module made of its output folder.
///
/// # Errors
/// When something can't be removed. The rest is.
pub(super) fn remove_inside(folder: &Folder, keep: Option<&OsStr>) -> io::Result<()> {
    let mut failed = None;
    loop {
        let mut moved_up = false;
        for name in folder.names()? {
            if Some(&*name) == keep {
                continue;
            }
            match remove_or_flatten(folder, &name) {
                Ok(moved) => moved_up |= moved,
                Err(error) => failed = Some(error),
            }
        }
        if !moved_up {
            return failed.map_or(Ok(()), Err);
        }
    }
}

/// Removes a file, or a folder with the files in it; its own folders are moved up beside it. Whether there were any.
fn remove_or_flatten(top: &Folder, name: &OsStr) -> io::Result<bool> {
    let inner = match top.folder(name) {
        Ok(inner) => inner,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        // No folder: a file, a link, a pipe.
        Err(_) => return top.remove_file(name).map(|()| false),
    };
    let mut moved = false;
    for name in inner.names()? {
        if inner.folder(&name).is_err() {
            inner.remove_file(&name)?;
        } else if inner.remove_folder(&name).is_err() {
            inner.rename_new(&name, top, random_name(".removed-"))?;
            moved = true;
        }
    }
    top.remove_folder(name)?;
    Ok(moved)
}
