//! Where datasets come from. Local files for now.
#![allow(clippy::unwrap_used)]
use crate::exit::Exit;
use crate::nomad::Nomad;
use sha2::Digest;
use std::path::{Path, PathBuf};
#[derive(clap::Args)]
#[group(skip)]
pub struct Args {
    /// Where the data comes from
    #[arg(long = "data", value_name = "URL|PATH")]
    pub source: Option<String>,
    #[arg(long)]
    pub allow_data: Vec<String>,
}
impl Args {
    pub fn request(&self, source: &str, _nomad: &Nomad) -> Result<Request, DataError> {
        Ok(Request {
            path: source.trim_start_matches("file://").into(),
        })
    }
}
pub struct Request {
    path: PathBuf,
}
#[derive(Debug, thiserror::Error)]
#[error("data: {0}")]
pub struct DataError(std::io::Error);
impl DataError {
    pub fn exit(&self) -> Exit {
        Exit::DataNotFetched
    }
}
#[derive(Debug)]
pub struct Dataset {
    pub bytes: u64,
    pub sha256: String,
    pub source: String,
    pub generation: Option<String>,
}
pub async fn fetch(request: &Request, into: &Path) -> Result<Dataset, DataError> {
    std::fs::create_dir_all(into.parent().unwrap()).map_err(DataError)?;
    let b = std::fs::read(&request.path).map_err(DataError)?;
    std::fs::write(into, &b).map_err(DataError)?;
    Ok(Dataset {
        bytes: b.len() as u64,
        sha256: crate::hex(&sha2::Sha256::digest(&b)),
        source: request.path.display().to_string(),
        generation: None,
    })
}
