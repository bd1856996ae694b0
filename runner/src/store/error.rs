use std::io;
use std::path::{Path, PathBuf};

use crate::exit::Exit;
use crate::net::NetError;
use crate::policy::Refusal;

/// Why a store did not do what it was asked. Every message names the object and says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{text:?} is no store: {problem}")]
    BadLocation { text: String, problem: String },
    #[error(
        "no store for {scheme}:// in this build: use file:// or gs://, or build the runner with the feature for it"
    )]
    UnknownScheme { scheme: String },
    #[error("{key:?} can't be the name of an object: {problem}")]
    BadKey { key: String, problem: &'static str },
    /// No credentials, or none that can be used.
    #[error("no credentials for the store: {problem}")]
    Credentials { problem: String },
    /// Credentials that the operator does not allow.
    #[error(transparent)]
    NotAllowed(#[from] Refusal),
    /// A file or folder of this machine, which is not the store.
    #[error("cannot {action} {}: {source}", path.display())]
    Local {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A folder store's own file or folder.
    #[error("cannot {action} {} in the store: {source}{}", path.display(), advice(source))]
    Folder {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// What should be published is no whole model.
    #[error("{} is no model that can be published: {problem}", folder.display())]
    BadModel { folder: PathBuf, problem: String },
    /// Immutable means immutable.
    #[error(
        "{url} exists already and {difference}: nothing was overwritten. Publish under another version, or remove the other one first (`runner delete`; `runner gc` for an upload that was never committed)"
    )]
    Conflict { url: String, difference: String },
    /// The store answered and said no.
    #[error("{url}: {problem}")]
    Refused { url: String, problem: String },
    /// The store holds something that can't be what a runner wrote.
    #[error("{url} is damaged: {problem}")]
    Damaged { url: String, problem: String },
    /// The store answered what no store answers.
    #[error("{url}: {problem}")]
    Faulty { url: String, problem: String },
    /// What arrived has another checksum than what is stored. Whoever can begin anew does.
    #[error(
        "{url} arrived damaged each time that it was fetched: run this again, and look at what is between this machine and the store"
    )]
    Garbled { url: String },
    /// The store holds something that this user may not read.
    #[error("{url} cannot be read: {problem}; give this user the right to read it, or remove it")]
    Unreadable { url: String, problem: String },
    /// No request was sent.
    #[error(transparent)]
    Net(#[from] NetError),
    /// No answer, or failures until the deadline.
    #[error("{url}: {problem}")]
    Unreachable { url: String, problem: String },
}

impl StoreError {
    pub(crate) fn local(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Local {
            action,
            path: path.to_owned(),
            source,
        }
    }

    /// Nothing that a runner writes and reads whole is that large.
    pub(crate) fn too_large(url: &str) -> Self {
        Self::Damaged {
            url: url.to_owned(),
            problem: format!("it is larger than {} MiB", super::LARGEST_READ >> 20),
        }
    }

    /// The object that it is about, where it is about one.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        match self {
            Self::Conflict { url, .. }
            | Self::Refused { url, .. }
            | Self::Damaged { url, .. }
            | Self::Faulty { url, .. }
            | Self::Garbled { url }
            | Self::Unreadable { url, .. }
            | Self::Unreachable { url, .. } => Some(url),
            _ => None,
        }
    }

    /// What is wrong with the one object that this is about, so that the others can be gone on with.
    ///
    /// # Errors
    /// This error, when it is about the store.
    pub fn of_one_object(self) -> Result<String, Self> {
        match self {
            Self::Damaged { problem, .. } => Ok(problem),
            Self::Unreadable { problem, .. } => Ok(format!("it cannot be read: {problem}")),
            other => Err(other),
        }
    }

    /// The status that a process ends with.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::BadLocation { .. } | Self::UnknownScheme { .. } | Self::BadKey { .. } => {
                Exit::Usage
            }
            Self::NotAllowed(_) => Exit::NotAllowed,
            Self::Local { .. } | Self::BadModel { .. } => Exit::Local,
            Self::Folder { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                    Exit::StoreRefused
                }
                _ => Exit::Local,
            },
            Self::Credentials { .. }
            | Self::Conflict { .. }
            | Self::Refused { .. }
            | Self::Unreadable { .. } => Exit::StoreRefused,
            Self::Damaged { .. } | Self::Faulty { .. } => Exit::StoreFaulty,
            Self::Garbled { .. } | Self::Unreachable { .. } | Self::Net(_) => {
                Exit::StoreUnreachable
            }
        }
    }
}

/// What to do about a file or folder that can't be written.
pub(crate) fn advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied => {
            ". Give this user the right to write there (under Nomad's exec driver that is `nobody`), or name another store"
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            ". The file system is mounted read-only: name another store"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            ". Make room and run the same command again: it goes on where it stopped (a dispatched version needs `runner dispatch --retry-failed`)"
        }
        io::ErrorKind::FileTooLarge => {
            ". The file system, or a limit (`ulimit -f`), allows no file that large: raise it, or name another place"
        }
        io::ErrorKind::Unsupported => {
            ". The file system has neither renaming that replaces nothing, nor hard links, nor locks, one of which a store needs: name another place"
        }
        _ => "",
    }
}
