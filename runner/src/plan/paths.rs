//! Where the guest finds its dataset and leaves its predictions.

use std::path::{Component, Path, PathBuf};

use super::PlanError;
use crate::commands::run::Args;
use crate::data::Source;
use crate::nomad::Nomad;

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
    guest_path("--prediction-path", given.unwrap_or("predictions.csv"))
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
