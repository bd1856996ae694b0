//! `runner snapshot`: put a dataset into a store, so that a thousand versions see the same rows.

use std::path::Path;

use super::{output, store};
use crate::data::{self, Dataset, Request};
use crate::error::Error;
use crate::exit::Exit;
use crate::nomad::Nomad;
use crate::store::{LocalFile, Store, data_key, store_data};
use crate::workspace::Workspace;

#[derive(clap::Args)]
pub struct Args {
    /// The dataset: http://, https://, gs:// (or another bucket), file://, a path, or - for standard input
    #[arg(value_name = "SOURCE", required_unless_present = "source")]
    pub dataset: Option<String>,

    #[command(flatten)]
    pub data: data::Args,

    #[command(flatten)]
    pub store: store::Args,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// # Errors
/// When the data can't be had, or the store refuses or fails.
pub async fn run(args: Args) -> Result<Exit, Error> {
    let nomad = Nomad::from_environment();
    let target = args.store.required()?;
    let store = target.open()?;
    let data = data::Args {
        source: args.dataset.or(args.data.source),
        ..args.data
    };
    let source = data.source.as_deref().unwrap_or_default();
    let request = data.request(source, &nomad, Some(&target.location))?;
    let request = request.with_store(args.store.access.options());
    let scratch = nomad.task_dir.clone().unwrap_or_else(std::env::temp_dir);
    let dataset = take(&request, Some(&*store), &scratch).await?;
    let url = store.url(&data_key(&dataset.sha256));
    if args.json {
        output::print_json(&serde_json::json!({
            "url": url,
            "bytes": dataset.bytes,
            "sha256": dataset.sha256,
            "source": dataset.source,
        }))?;
    } else {
        output::print(url)?;
    }
    Ok(Exit::Done)
}

/// Fetches a dataset and puts it into the store, or into none: then only its digest is learned.
///
/// # Errors
/// When the data can't be had, or the store refuses or fails.
pub async fn take(
    request: &Request,
    store: Option<&dyn Store>,
    scratch: &Path,
) -> Result<Dataset, Error> {
    let workspace = Workspace::below(scratch)?;
    let name = Path::new("snapshot");
    let dataset = data::fetch(request, workspace.data(), name).await?;
    if let Some(store) = store {
        let file = LocalFile::beneath(workspace.data(), name);
        store_data(store, &file, &dataset.sha256).await?;
    }
    Ok(dataset)
}
