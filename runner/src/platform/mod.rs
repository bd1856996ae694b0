//! Folders that others may write to, reached safely: the one home for what depends on the kernel and the file system.
//!
//! A path that is looked up twice may lead to two places, if somebody exchanges a folder for a link in between. So a
//! folder is opened once ([`Folder`]), and all that lies beneath it is reached from that descriptor:
//! - the kernel resolves names beneath it and follows no link (`openat2`, or one folder after the other where the kernel
//!   does not know that call);
//! - files are regular files, and are opened without waiting for the other end of a pipe;
//! - new files and folders have random names and are created with "must not exist", so that nobody prepares their place;
//! - nothing is renamed onto something else, on file systems that can't promise that by themselves either (NFS, 9p).
//!
//! The path of the folder itself comes from the operator, and links in it are followed. What is handed on to others is the
//! open folder, with its path for messages ([`NamedFolder`]).

mod folder;
mod named;
mod new_file;
mod open;
mod remove;
mod rename;
#[cfg(test)]
mod tests;
mod work;

pub use folder::Folder;
pub use named::NamedFolder;
pub use new_file::NewFile;
pub use open::{Foreign, is_foreign, open_regular, open_resolved, read_regular, regular};
pub use work::{Adopted, WorkFolder};

/// A name that nobody can guess.
#[must_use]
pub fn random_name(prefix: &str) -> String {
    format!("{prefix}{}", uuid::Uuid::now_v7().simple())
}

/// The parts of [`random_name`], to know one again.
#[must_use]
pub fn is_random_name(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix).is_some_and(|random| {
        random.len() == 32
            && random
                .bytes()
                .all(|each| matches!(each, b'0'..=b'9' | b'a'..=b'f'))
    })
}
