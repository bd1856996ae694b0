//! `runner pull`: a model from a store into a folder.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::{output, store};
use crate::error::Error;
use crate::exit::Exit;
use crate::platform::NamedFolder;
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
    let cannot = |error| Error::local(format!("cannot write {}", out.display()), error);
    let name = out
        .file_name()
        .ok_or_else(|| cannot(ErrorKind::InvalidInput.into()))?;
    let above = out.parent().unwrap_or(Path::new(""));
    let above = NamedFolder::open_or_make(above).map_err(cannot)?;
    registry::pull(&*store, &manifest, &above, name).await?;
    output::print(out.display())?;
    Ok(Exit::Done)
}
