use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::exit::Exit;
use crate::net::NetError;
use crate::policy::{BadPrefix, Refusal};
use crate::store::StoreError;

/// Why there is no dataset. Every message names the source, without user, password and query, and says what to do.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    #[error("{name:?} names no dataset: {problem}")]
    BadSource { name: String, problem: String },
    #[error(transparent)]
    BadPrefix(#[from] BadPrefix),
    #[error(transparent)]
    NotAllowed(#[from] Refusal),
    #[error("cannot read {}: {source}{}", path.display(), reading_advice(source))]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} is {kind}, and a dataset is one file: {remedy}", path.display())]
    NotAFile {
        path: PathBuf,
        kind: &'static str,
        remedy: &'static str,
    },
    /// A token or the like that can't be used. The message never quotes it.
    #[error("{flag} {}: {problem}", path.display())]
    Credentials {
        flag: &'static str,
        path: PathBuf,
        problem: String,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
    /// This machine could not take the dataset.
    #[error("cannot write the dataset to {}: {source}{}", path.display(), writing_advice(source))]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Net(#[from] NetError),
    /// No answer, or passing failures until the last try.
    #[error(
        "{url}: {problem} ({tries}). Check that the server is up and reachable from here; --data-timeout and --data-retries set how patient the runner is"
    )]
    Unreachable {
        url: String,
        problem: String,
        tries: String,
    },
    /// Whatever went on until then.
    #[error(
        "{name} had not arrived after {after:?}. Check how fast the server is; --data-deadline waits longer"
    )]
    TooSlow { name: String, after: Duration },
    /// The server answered, and not with data.
    #[error("{url}: {problem}")]
    BadAnswer { url: String, problem: String },
    #[error("{name} holds more than {limit} bytes{}: raise --max-data-bytes if it should be that large", announced.map(|bytes| format!(" ({bytes})")).unwrap_or_default())]
    TooLarge {
        name: String,
        limit: u64,
        announced: Option<u64>,
    },
    #[error(
        "{name} is not the dataset that was asked for: its SHA-256 is {found}, and --data-sha256 says {expected}. Either the source has changed, or the digest is another file's"
    )]
    WrongDigest {
        name: String,
        expected: String,
        found: String,
    },
}

impl DataError {
    pub(super) fn write(path: &Path, source: io::Error) -> Self {
        Self::Write {
            path: path.to_owned(),
            source,
        }
    }

    /// The status that a process ends with.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::BadSource { .. } | Self::BadPrefix(_) => Exit::Usage,
            Self::NotAllowed(_) => Exit::NotAllowed,
            Self::Write { .. } | Self::Net(_) => Exit::Local,
            Self::Store(error) => match error.exit() {
                Exit::StoreRefused | Exit::StoreUnreachable | Exit::StoreFaulty => {
                    Exit::DataNotFetched
                }
                exit => exit,
            },
            Self::Read { .. }
            | Self::Credentials { .. }
            | Self::NotAFile { .. }
            | Self::Unreachable { .. }
            | Self::TooSlow { .. }
            | Self::BadAnswer { .. }
            | Self::TooLarge { .. }
            | Self::WrongDigest { .. } => Exit::DataNotFetched,
        }
    }
}

fn reading_advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::NotFound => {
            ". Check the path: a relative one starts at the working directory"
        }
        io::ErrorKind::PermissionDenied => {
            ". Give this user the right to read it (under Nomad's exec driver that is `nobody`)"
        }
        _ => "",
    }
}

fn writing_advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            ". Make room there (under Nomad: the job's ephemeral_disk), or name a roomier folder with --out"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            ". Name a folder that this user may write to with --out"
        }
        _ => "",
    }
}
