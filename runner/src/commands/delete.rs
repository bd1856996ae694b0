//! `runner delete`: take models out of a store.

use std::time::Duration;

use super::list::Which;
use super::{output, store};
use crate::error::Error;
use crate::exit::Exit;
use crate::registry::{self, RegistryError};
use crate::size;
use crate::store::{Store, uses};

#[derive(clap::Args)]
pub struct Args {
    /// SAVE_PATH@ALIAS, SAVE_PATH@VERSION or full names; one whose manifest is damaged by its full name
    #[arg(value_name = "REF", required_unless_present = "older_than")]
    pub references: Vec<String>,

    /// Models that were finished longer ago than this, such as 12h or 90d
    #[arg(long, value_name = "TIME", value_parser = age, conflicts_with = "references")]
    pub older_than: Option<Duration>,

    #[command(flatten)]
    pub which: Which,

    /// Leave models that an alias stands for; without this they stop the deletion
    #[arg(long)]
    pub keep_promoted: bool,

    /// Only say what would be deleted
    #[arg(long)]
    pub dry_run: bool,

    #[command(flatten)]
    pub store: store::Args,
}

/// Times as [`size::duration`] reads them, and days.
pub fn age(text: &str) -> Result<Duration, String> {
    match text.strip_suffix('d') {
        Some(days) => size::duration(&format!("{days}h")).map(|hours| hours * 24),
        None => size::duration(text),
    }
}

/// When `age` ago was, by the store's clock.
fn ago(store: &dyn Store, age: Duration) -> jiff::Timestamp {
    let now = jiff::Timestamp::from_second(uses::now(store));
    let ago = now.and_then(|now| now.checked_sub(age));
    ago.unwrap_or(jiff::Timestamp::MIN)
}

/// # Errors
/// When a model is not there or is promoted, or the store refuses or fails.
pub async fn run(args: Args) -> Result<Exit, Error> {
    let store = args.store.required()?.open()?;
    let aliases = registry::aliases(&*store, None).await?;
    let mut names = Vec::new();
    if let Some(age) = args.older_than {
        let models = registry::list(&*store, &args.which.filter(false), None).await?;
        let before = ago(&*store, age);
        let old = models.into_iter().filter(|model| {
            let finished = model.finished.parse::<jiff::Timestamp>();
            finished.is_ok_and(|finished| finished < before)
        });
        names.extend(old.map(|model| model.name));
    }
    for reference in &args.references {
        names.push(match registry::is_damaged(&*store, reference).await? {
            true => reference.clone(),
            false => registry::resolve(&*store, reference).await?.name,
        });
    }
    // Named twice, perhaps by an alias and in full.
    names.sort();
    names.dedup();
    if args.keep_promoted {
        names.retain(|name| aliases.keep(name).is_none());
    } else if let Some(refusal) = names.iter().find_map(|name| aliases.keep(name)) {
        return Err(refusal.into());
    }
    for name in &names {
        if !args.dry_run && !delete(&*store, name, args.keep_promoted).await? {
            continue;
        }
        let verb = if args.dry_run {
            "would delete"
        } else {
            "deleted"
        };
        output::print(format!("{verb} {}", store.url(name)))?;
    }
    if names.is_empty() {
        tracing::info!("no model to delete");
    }
    Ok(Exit::Done)
}

/// Deletes one model, unless it was promoted meanwhile and such models are kept. Whether it did.
async fn delete(store: &dyn Store, name: &str, keep_promoted: bool) -> Result<bool, Error> {
    match registry::delete(store, name).await {
        Err(RegistryError::Promoted { .. } | RegistryError::PerhapsPromoted { .. })
            if keep_promoted =>
        {
            Ok(false)
        }
        deleted => Ok(deleted.map(|()| true)?),
    }
}
