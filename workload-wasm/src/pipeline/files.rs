//! Reading and writing the contract's files.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::PipelineError;
use crate::environment::Environment;
use crate::specification::{Specification, SpecificationError};

/// Files that are written together, at the end, or not at all.
#[derive(Default)]
pub(super) struct Outputs {
    files: Vec<(PathBuf, Vec<u8>)>,
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

    /// Writes all files; when one cannot be written, removes those that were.
    pub fn write(self) -> Result<(), PipelineError> {
        for (index, (path, bytes)) in self.files.iter().enumerate() {
            let written = match path.parent() {
                Some(folder) => std::fs::create_dir_all(folder),
                None => Ok(()),
            }
            .and_then(|()| std::fs::write(path, bytes));
            if let Err(reason) = written {
                for (written, _) in &self.files[..=index] {
                    // It may not be there; the first error is the one to tell.
                    let _ = std::fs::remove_file(written);
                }
                return Err(PipelineError::File {
                    path: path.clone(),
                    action: "written",
                    reason,
                });
            }
        }
        Ok(())
    }
}

pub(super) fn write_json(
    folder: &Path,
    name: &'static str,
    value: &impl Serialize,
) -> Result<(), PipelineError> {
    let mut outputs = Outputs::default();
    outputs.add_json(folder, name, value)?;
    outputs.write()
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
