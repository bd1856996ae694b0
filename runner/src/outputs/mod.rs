//! What the guest left, checked before anything else reads it.
//!
//! The guest is not trusted: nothing it left is followed, only regular files with plain names are taken, and what
//! the contract asks for must be there and be valid. What passes can always be stored, and be read again by every verb.

mod error;
pub mod read;
#[cfg(test)]
mod tests;
mod tree;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use contract::{Check, ErrorReport, FileEntry, Metrics, PredictionWarnings, files};

pub use error::OutputError;
#[cfg(feature = "score")]
pub(crate) use read::MAX_CHECK_ROWS;

use crate::digest::for_each_chunk;
use crate::json::{self, Bounds, Problem, Validator};
use crate::platform;
use crate::sandbox::Limits;
use tree::Folder;

/// What the list of a model's files takes in a manifest. Bytes.
pub const FILES_IN_MANIFEST: u64 = 6 << 20;

/// A model that keeps the contract.
#[derive(Clone, Debug, PartialEq)]
pub struct Outputs {
    /// Every file of the model, sorted by path; `check.json` is none of them.
    pub files: Vec<FileEntry>,
    pub metrics: Metrics,
    /// What `check.json` held. The file itself is gone.
    pub check: Option<Check>,
}

/// Checks a model that the guest left with status 0 or 5, and takes `check.json` out of its folder. `predictions` is where
/// in that folder the guest was told to leave them.
///
/// # Errors
/// When a file is refused, missing or invalid, or when the folder can't be read.
pub fn check(
    model: &platform::Folder,
    status: i32,
    predictions: &Path,
    limits: &Limits,
) -> Result<Outputs, OutputError> {
    let folder = Folder(model);
    // Whatever it is: a folder of that name has no file in it, perhaps.
    if folder.holds(files::MANIFEST_JSON)? {
        return Err(OutputError::OwnManifest);
    }
    let mut files = folder.list(limits)?;
    let metrics = metrics(&folder, status)?;
    model_is_json(&folder)?;
    let check = rows_in(&folder, &read::CHECK)?;
    if check.is_some() {
        folder.remove(files::CHECK_JSON)?;
        files.retain(|file| file.path != files::CHECK_JSON);
    }
    let is_there = |file: &FileEntry| Path::new(&file.path) == predictions && file.bytes > 0;
    if !files.iter().any(is_there) {
        return Err(OutputError::NoPredictions(predictions.to_owned()));
    }
    if json::length(&files) > FILES_IN_MANIFEST {
        return Err(OutputError::LongList(FILES_IN_MANIFEST));
    }
    Ok(Outputs {
        files,
        metrics,
        check,
    })
}

/// The files in a folder that the guest left in mode `predict`, sorted by path.
///
/// # Errors
/// When a file is refused, or when the folder can't be read.
pub fn list(
    predictions: &platform::Folder,
    limits: &Limits,
) -> Result<Vec<FileEntry>, OutputError> {
    Folder(predictions).list(limits)
}

/// What the guest says of its failure, beside the statuses 3, 4 and 5. `None` when it left no `error.json`.
///
/// # Errors
/// When that file is not as the contract has it.
pub fn error_report(model: &platform::Folder) -> Result<Option<ErrorReport>, OutputError> {
    let text = bytes(&Folder(model), files::ERROR_JSON, &read::ERROR)?;
    text.map(|text| read::error_report(&text)).transpose()
}

/// What the guest has to say of the rows that it predicted. Empty when it left no `warnings.json`.
///
/// # Errors
/// When that file is not as the contract has it.
pub fn prediction_warnings(
    predictions: &platform::Folder,
) -> Result<PredictionWarnings, OutputError> {
    let text = bytes(&Folder(predictions), files::WARNINGS_JSON, &read::WARNINGS)?;
    let read = text
        .map(|text| read::prediction_warnings(&text))
        .transpose();
    read.map(Option::unwrap_or_default)
}

fn metrics(folder: &Folder<'_>, status: i32) -> Result<Metrics, OutputError> {
    let text = bytes(folder, files::METRICS_JSON, &read::METRICS)?
        .ok_or(OutputError::Missing(files::METRICS_JSON))?;
    let metrics = read::metrics(&text)?;
    // Whoever publishes goes by the gates in the manifest: the status must not say otherwise.
    match (metrics.gates.iter().find(|gate| !gate.met), status) {
        (Some(missed), contract::exit::DONE) => Err(OutputError::GateContradiction {
            metric: missed.metric.clone(),
        }),
        (None, contract::exit::GATE_NOT_MET) => Err(OutputError::NoMissedGate),
        _ => Ok(metrics),
    }
}

/// `model.json` is there, is an object, and is JSON to its end.
fn model_is_json(folder: &Folder<'_>) -> Result<(), OutputError> {
    let file = folder
        .open_file(files::MODEL_JSON)?
        .ok_or(OutputError::Missing(files::MODEL_JSON))?;
    let reason = match look_through(file).map_err(OutputError::Io)? {
        Ok(b'{') => return Ok(()),
        Ok(_) => "it is no JSON object".to_owned(),
        Err(problem @ (Problem::NotJson(_) | Problem::CutShort)) => {
            format!("it is no JSON object, or was cut short: {problem}")
        }
        Err(problem) => problem.to_string(),
    };
    Err(OutputError::Invalid {
        name: files::MODEL_JSON,
        reason,
    })
}

/// Looks through a document piece by piece: a model may be large. Returns the byte that it begins with, blanks aside.
fn look_through(file: File) -> io::Result<Result<u8, Problem>> {
    let mut validator = Validator::new(&read::MODEL);
    let mut utf8 = Utf8::default();
    let (mut first, mut problem) = (None, None);
    let read = for_each_chunk(file, |piece| {
        first = first.or_else(|| piece.trim_ascii_start().first().copied());
        problem = validator.feed(piece).err();
        problem = problem.or_else(|| utf8.feed(piece).err());
        match problem {
            Some(_) => Err(io::ErrorKind::InvalidData.into()),
            None => Ok(()),
        }
    });
    match (problem, read) {
        (Some(problem), _) => Ok(Err(problem)),
        (None, Err(error)) => Err(error),
        (None, Ok(_)) => Ok(validator.finish().map(|()| first.unwrap_or_default())),
    }
}

/// Whether a text is UTF-8, as it comes in pieces. JSON is (RFC 8259, 8.1); [`Validator`] takes any bytes of texts.
#[derive(Default)]
struct Utf8 {
    at: u64,
    /// The beginning of a character that goes on in the next piece.
    begun: Vec<u8>,
}

impl Utf8 {
    fn feed(&mut self, mut piece: &[u8]) -> Result<(), Problem> {
        // Byte by byte to the end of the character that was begun.
        while !self.begun.is_empty()
            && let Some((byte, rest)) = piece.split_first()
        {
            self.begun.push(*byte);
            piece = rest;
            match str::from_utf8(&self.begun) {
                Ok(_) => {
                    self.at += self.begun.len() as u64;
                    self.begun.clear();
                }
                Err(error) if error.error_len().is_none() => {}
                Err(_) => return Err(Problem::NotJson(self.at)),
            }
        }
        match str::from_utf8(piece) {
            Ok(_) => self.at += piece.len() as u64,
            Err(error) => {
                let (whole, rest) = piece.split_at(error.valid_up_to());
                self.at += whole.len() as u64;
                if error.error_len().is_some() {
                    return Err(Problem::NotJson(self.at));
                }
                self.begun = rest.to_vec();
            }
        }
        Ok(())
    }
}

/// The rows of `check.json` in a folder that a guest may still be filling. `None` when it is not there.
///
/// # Errors
/// When it is refused or invalid, too large to be read while the guest has its memory, or can't be read.
#[cfg(feature = "score")]
pub(crate) fn check_rows(model: &platform::Folder) -> Result<Option<Check>, OutputError> {
    rows_in(&Folder(model), &read::CHECK_EARLY)
}

fn rows_in(folder: &Folder<'_>, bounds: &Bounds) -> Result<Option<Check>, OutputError> {
    let text = bytes(folder, files::CHECK_JSON, bounds)?;
    text.map(|text| read::check(&text, bounds)).transpose()
}

/// The bytes of a file of the folder's top, one more at most than `bounds` allow. `None` when it is not there.
fn bytes(
    folder: &Folder<'_>,
    name: &'static str,
    bounds: &Bounds,
) -> Result<Option<Vec<u8>>, OutputError> {
    let Some(file) = folder.open_file(name)? else {
        return Ok(None);
    };
    // Read whole: serde_json takes several times as long byte by byte.
    let mut text = Vec::new();
    file.take(bounds.bytes.saturating_add(1))
        .read_to_end(&mut text)
        .map_err(OutputError::Io)?;
    Ok(Some(text))
}
