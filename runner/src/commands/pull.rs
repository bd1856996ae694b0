//! `runner pull`: a model from a store into a folder.

use std::path::PathBuf;

use super::{output, store};
use crate::error::Error;
use crate::exit::Exit;
use crate::registry;

#[derive(clap::Args)]
pub struct Args {
    /// SAVE_PATH@ALIAS, SAVE_PATH@VERSION or a full name
    #[arg(value_name = "REF")]
    pub reference: String,

    /// The folder that it becomes [default: ./<the model's name>]
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,

    #[command(flatten)]
    pub store: store::Args,
}

/// # Errors
/// When there is no such model, it arrives damaged, or the folder can't be written.
pub async fn run(args: Args) -> Result<Exit, Error> {
    let store = args.store.required()?.open()?;
    let manifest = registry::resolve(&*store, &args.reference).await?;
    let out = args.out.unwrap_or_else(|| PathBuf::from(&manifest.name));
    registry::pull(&*store, &manifest, &out).await?;
    output::print(out.display())?;
    Ok(Exit::Done)
}
