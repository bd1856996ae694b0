//! `runner run`: the line from data to a published model.

use std::path::PathBuf;

use crate::error::Error;
use crate::exit::Exit;

#[derive(clap::Args)]
pub struct Args {
    /// The training module
    pub module: PathBuf,
}

/// Trains and publishes one version.
pub async fn run(_args: Args) -> Result<Exit, Error> {
    Ok(Exit::Done)
}
