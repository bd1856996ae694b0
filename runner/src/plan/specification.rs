//! `pipeline.toml`, as a whole and as the points of a grid.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use contract::{SpecificationOrigin, files};
use sha2::{Digest, Sha256};

use super::PlanError;
use crate::platform::open_regular;

/// A longer file is no specification.
const MAX_BYTES: u64 = 4 << 20;

/// `pipeline.toml`, as it was read. Cheap to clone: a thousand versions share one.
#[derive(Clone, Debug)]
pub struct Specification {
    pub bytes: Arc<[u8]>,
    pub origin: SpecificationOrigin,
}

impl Specification {
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        let origin = SpecificationOrigin {
            bytes: bytes.len() as u64,
            sha256: crate::hex(&Sha256::digest(&bytes)),
        };
        Self {
            bytes: bytes.into(),
            origin,
        }
    }
}

/// Reads the specification: the one that a flag names, else the one that a dispatch left.
pub fn read(
    flag: Option<&Path>,
    task_dir: Option<&Path>,
) -> Result<Option<Specification>, PlanError> {
    let default = task_dir.map(|folder| folder.join(files::PIPELINE_TOML));
    let Some(path) = flag.map(Path::to_path_buf).or(default) else {
        return Ok(None);
    };
    match read_file(&path) {
        // A dispatch without a payload leaves no file, or an empty one.
        Ok(bytes) if flag.is_none() && bytes.is_empty() => Ok(None),
        Ok(bytes) => Ok(Some(Specification::new(bytes))),
        Err(error) if flag.is_none() && error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(PlanError::Specification { path, source }),
    }
}

/// Reads a file of a specification's size.
///
/// # Errors
/// When it can't be read, or is longer than any specification.
pub fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_regular(path)?
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        let limit = MAX_BYTES >> 20;
        let problem = format!("it is longer than {limit} MiB, so it is no specification");
        return Err(io::Error::other(problem));
    }
    Ok(bytes)
}
