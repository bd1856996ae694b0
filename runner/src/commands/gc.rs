//! `runner gc`: take out of a store what nothing needs.

use std::time::Duration;

use super::{delete, output, store};
use crate::error::Error;
use crate::exit::Exit;
use crate::registry;
use crate::size::Size;

#[derive(clap::Args)]
pub struct Args {
    /// Leave what was changed since then: somebody may still be at it. Snapshots and modules stay for a day at least
    #[arg(long, value_name = "TIME", default_value = "1d", value_parser = delete::age)]
    pub older_than: Duration,

    /// Remove models, records, claims and aliases, too, that are damaged; not what a newer runner wrote, and not what an
    /// alias stands for
    #[arg(long)]
    pub damaged: bool,

    /// Only say what would be removed
    #[arg(long)]
    pub dry_run: bool,

    #[command(flatten)]
    pub store: store::Args,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// # Errors
/// When the store refuses or fails.
pub async fn run(args: Args) -> Result<Exit, Error> {
    let store = args.store.required()?.open()?;
    let mut found = registry::find_garbage(&*store, args.older_than).await?;
    if args.damaged {
        registry::add_damaged(&*store, &mut found).await?;
    }
    let garbage = if args.dry_run {
        found.garbage
    } else {
        registry::remove(&*store, found).await?
    };
    if args.json {
        output::print_json(&serde_json::json!({ "dry_run": args.dry_run, "garbage": garbage }))?;
        return Ok(Exit::Done);
    }
    let mut table = output::table(&[]);
    for found in &garbage {
        table.add_row([store.url(&found.key), found.why.to_owned()]);
    }
    if !garbage.is_empty() {
        output::print(table)?;
    }
    let bytes = Size(garbage.iter().map(|found| found.bytes).sum());
    let verb = if args.dry_run { "would free" } else { "freed" };
    tracing::info!("{} objects: {verb} {bytes}", garbage.len());
    Ok(Exit::Done)
}
