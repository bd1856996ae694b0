//! Reading and writing the contract's files.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::PipelineError;
use crate::environment::Environment;
use crate::specification::{Specification, SpecificationError};

/// Files that are all there in the end, or none of them: what was written goes when this is dropped before
/// [`Outputs::finish`].
#[derive(Default)]
pub(super) struct Outputs {
    files: Vec<(PathBuf, Vec<u8>)>,
    written: Vec<PathBuf>,
}

impl Outputs {
    pub fn add(&mut self, path: PathBuf, bytes: Vec<u8>) {
        self.files.push((path, bytes));
    }

    pub fn add_json(
        &mut self,
        folder: &Path,
        name: &'static str,
        value: &impl Serialize,
    ) -> Result<(), PipelineError> {
        self.add(folder.join(name), json(name, value)?);
        Ok(())
    }

    /// Writes a file before the others.
    pub fn write(&mut self, path: PathBuf, bytes: &[u8]) -> Result<(), PipelineError> {
        let written = match path.parent() {
            Some(folder) => std::fs::create_dir_all(folder),
            None => Ok(()),
        }
        .and_then(|()| std::fs::write(&path, bytes));
        // One that was written in part goes too.
        self.written.push(path.clone());
        written.map_err(|reason| PipelineError::File {
            path,
            action: "written",
            reason,
        })
    }

    /// Writes all files that were added.
    pub fn finish(mut self) -> Result<(), PipelineError> {
        for (path, bytes) in std::mem::take(&mut self.files) {
            self.write(path, &bytes)?;
        }
        self.written.clear();
        Ok(())
    }
}

impl Drop for Outputs {
    fn drop(&mut self) {
        for path in &self.written {
            // It may not be there; the error that led here is the one to tell.
            let _ = std::fs::remove_file(path);
        }
    }
}

pub(super) fn write_json(
    folder: &Path,
    name: &'static str,
    value: &impl Serialize,
) -> Result<(), PipelineError> {
    let mut outputs = Outputs::default();
    outputs.add_json(folder, name, value)?;
    outputs.finish()
}

/// Indented, for people read these files too.
fn json(name: &'static str, value: &impl Serialize) -> Result<Vec<u8>, PipelineError> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|reason| PipelineError::Json { file: name, reason })?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// The specification that the environment names, or the default one.
pub(super) fn specification(environment: &Environment) -> Result<Specification, PipelineError> {
    let Some(guest_path) = &environment.specification else {
        return Ok(Specification::default());
    };
    let text = std::fs::read_to_string(environment.resolve(guest_path)).map_err(|reason| {
        SpecificationError::Unreadable {
            path: guest_path.clone(),
            reason: reason.to_string(),
        }
    })?;
    Ok(Specification::parse(&text)?)
}
