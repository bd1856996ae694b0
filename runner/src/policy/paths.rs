//! Where paths lead, by their text and by what is there.

use std::path::{Component, Path, PathBuf};

/// A path as it was named, from the root on.
pub(super) fn named(path: &Path) -> PathBuf {
    // It fails for an empty path, or where the working folder is gone: then it lies in no folder.
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Whether a file lies in a folder, by the folder's own name or by where that leads.
pub(super) fn lies_in(file: &Path, folder: &Path) -> bool {
    file.starts_with(folder) || file.starts_with(real(folder))
}

/// Where a folder of the task really is; it may not be there.
pub(super) fn real(folder: &Path) -> PathBuf {
    folder
        .canonicalize()
        .unwrap_or_else(|_| without_dots(folder))
}

/// What an absolute path means when none of its folders is a link.
pub(crate) fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            component => plain.push(component),
        }
    }
    plain
}
