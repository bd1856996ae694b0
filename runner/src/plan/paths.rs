//! Where the guest finds its dataset and leaves its predictions.

use std::path::{Component, Path, PathBuf};

use contract::files;

use super::PlanError;
use crate::commands::run::Args;
use crate::data::Source;
use crate::nomad::Nomad;

/// Files of a model's folder that are no predictions.
const OTHER_FILES: [&str; 7] = [
    files::MODEL_JSON,
    files::METRICS_JSON,
    files::MANIFEST_JSON,
    files::ERROR_JSON,
    files::CHECK_JSON,
    files::MODEL_ONNX,
    files::PIPELINE_TOML,
];

/// Where the guest finds the dataset: the name that the user gave, else the name that the source has.
pub fn data_path(args: &Args, nomad: &Nomad) -> Result<PathBuf, PlanError> {
    if let Some(path) = args
        .data_path
        .as_deref()
        .or(nomad.meta.data_path.as_deref())
    {
        return guest_path("--data-path", path);
    }
    let source = args
        .data
        .source
        .as_deref()
        .or(nomad.meta.data_url.as_deref());
    let source = source.ok_or(PlanError::NoData)?;
    let source = Source::parse(source)?;
    let last = source.file_name().unwrap_or_default();
    Ok(guest_path("--data", last).unwrap_or_else(|_| PathBuf::from("dataset")))
}

pub fn prediction_path(args: &Args, nomad: &Nomad) -> Result<PathBuf, PlanError> {
    let given = args
        .prediction_path
        .as_deref()
        .or(nomad.meta.prediction_path.as_deref());
    held_out(given.unwrap_or("predictions.csv"))
}

/// Where the guest leaves its predictions, below the model's folder.
///
/// # Errors
/// When that is no such place, or another file of the model has its name.
pub fn held_out(text: &str) -> Result<PathBuf, PlanError> {
    let path = guest_path("--prediction-path", text)?;
    // A name that the contract gives to another file, and a folder of that name.
    let first = path.iter().next().unwrap_or_default();
    match OTHER_FILES.iter().find(|&&name| first == name) {
        Some(name) => Err(PlanError::TakenPath { path, name }),
        None => Ok(path),
    }
}

/// `./a/b` -> `a/b`. What could leave the guest's folder is refused, not bent.
fn guest_path(flag: &'static str, text: &str) -> Result<PathBuf, PlanError> {
    let wrong = || PlanError::GuestPath {
        flag,
        path: text.to_owned(),
    };
    if text.chars().any(char::is_control) || text.contains('\\') {
        return Err(wrong());
    }
    let mut path = PathBuf::new();
    for component in Path::new(text).components() {
        match component {
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return Err(wrong()),
        }
    }
    if path.as_os_str().is_empty() {
        Err(wrong())
    } else {
        Ok(path)
    }
}
