//! `pipeline.toml`, as a whole and as the points of a grid.

use std::path::Path;

use contract::{SpecificationOrigin, files};
use sha2::{Digest, Sha256};

use super::PlanError;

/// `pipeline.toml`, as it was read.
#[derive(Clone, Debug)]
pub struct Specification {
    pub bytes: Vec<u8>,
    pub origin: SpecificationOrigin,
}

impl Specification {
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        let origin = SpecificationOrigin {
            bytes: bytes.len() as u64,
            sha256: crate::hex(&Sha256::digest(&bytes)),
        };
        Self { bytes, origin }
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
    match std::fs::read(&path) {
        // A dispatch without a payload leaves no file, or an empty one.
        Ok(bytes) if flag.is_none() && bytes.is_empty() => Ok(None),
        Ok(bytes) => Ok(Some(Specification::new(bytes))),
        Err(error) if flag.is_none() && error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(PlanError::Specification { path, source }),
    }
}
