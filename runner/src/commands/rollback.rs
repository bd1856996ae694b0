//! `runner rollback`: an alias goes back to what it was before.

use super::{promote, store};
use crate::error::Error;
use crate::exit::Exit;
use crate::registry::{self, RegistryError};

#[derive(clap::Args)]
pub struct Args {
    /// SAVE_PATH@ALIAS
    #[arg(value_name = "SAVE_PATH@ALIAS")]
    pub reference: String,

    #[command(flatten)]
    pub store: store::Args,

    /// Print the alias and its history as one JSON object
    #[arg(long)]
    pub json: bool,
}

/// # Errors
/// When the alias never stood for another model, or the store refuses or fails.
pub async fn run(args: Args) -> Result<Exit, Error> {
    let target = args.store.required()?;
    let store = target.open()?;
    let (save_path, alias) = args
        .reference
        .split_once('@')
        .ok_or_else(|| RegistryError::BadReference(args.reference.clone()))?;
    let alias = registry::rollback(&*store, save_path, alias, target.options.timeout).await?;
    promote::print(&alias, args.json)?;
    Ok(Exit::Done)
}
