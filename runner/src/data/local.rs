//! Files of this machine, and standard input. The guest gets a copy: nobody changes it while it trains.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use tokio::io::AsyncReadExt;

use super::DataError;
use super::progress::Progress;
use super::sink::Sink;
use crate::platform::open_resolved;
use crate::policy::Policy;

/// Read at a time: large enough to be quick, small enough to stop within a moment.
const CHUNK: usize = 1 << 18;

/// The links that Linux follows on one path.
const MOST_LINKS: u32 = 40;

/// Copies a regular file.
pub(super) async fn copy(
    path: &Path,
    policy: &Policy,
    sink: &mut Sink,
    progress: &mut Progress,
) -> Result<(), DataError> {
    let failed = |source| DataError::Read {
        path: path.to_owned(),
        source,
    };
    let mut file = open(path, policy)?;
    let total = file.metadata().map_err(failed)?.len();
    sink.announce(total)?;
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = match file.read(&mut chunk) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read.map_err(failed)?,
        };
        if read == 0 {
            return Ok(());
        }
        sink.write(&chunk[..read])?;
        progress.at(sink.bytes(), Some(total));
        // Whoever waits for a signal gets a turn.
        tokio::task::yield_now().await;
    }
}

/// Copies standard input to its end.
pub(super) async fn copy_stdin(sink: &mut Sink, progress: &mut Progress) -> Result<(), DataError> {
    let mut stdin = tokio::io::stdin();
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = stdin
            .read(&mut chunk)
            .await
            .map_err(|source| DataError::Read {
                path: "standard input".into(),
                source,
            })?;
        if read == 0 {
            return Ok(());
        }
        sink.write(&chunk[..read])?;
        progress.at(sink.bytes(), None);
    }
}

/// Opens a file that may be read. What was checked is what is opened: all links are resolved first, and the result
/// is opened without following any.
fn open(path: &Path, policy: &Policy) -> Result<File, DataError> {
    let failed = |source| DataError::Read {
        path: path.to_owned(),
        source,
    };
    policy.check_named(path)?;
    let resolved = match path.canonicalize() {
        Ok(resolved) => resolved,
        Err(error) => {
            // Whether a forbidden path exists is nobody's business.
            let absolute = std::path::absolute(path).map_err(failed)?;
            policy.check_file(path, &leads_to(&absolute))?;
            return Err(failed(error));
        }
    };
    policy.check_file(path, &resolved)?;
    let file = open_resolved(&resolved).map_err(failed)?;
    let kind = file.metadata().map_err(failed)?.file_type();
    let (kind, remedy) = if kind.is_file() {
        return Ok(file);
    } else if kind.is_dir() {
        ("a folder", "name the file in it")
    } else if kind.is_fifo() {
        ("a pipe", "save it to a file, or pipe it into `--data -`")
    } else {
        ("a device or socket", "name a regular file")
    };
    Err(DataError::NotAFile {
        path: path.to_owned(),
        kind,
        remedy,
    })
}

/// Where an absolute path leads that can't be opened: its folders may be links, and so may itself, to what is not there.
fn leads_to(path: &Path) -> PathBuf {
    let mut reached = PathBuf::from("/");
    let mut links = 0;
    let parts = |path: &Path| -> Vec<PathBuf> {
        let parts = path.components().rev();
        parts.map(|part| part.as_os_str().into()).collect()
    };
    let mut ahead = parts(path);
    while let Some(part) = ahead.pop() {
        if part.as_os_str() == ".." {
            reached.pop();
            continue;
        }
        let next = reached.join(part);
        match next.read_link() {
            Ok(target) if links < MOST_LINKS => {
                links += 1;
                ahead.extend(parts(&target));
            }
            _ => reached = next,
        }
    }
    reached
}
