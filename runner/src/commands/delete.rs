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
    /// SAVE_PATH@ALIAS, SAVE_PATH@VERSION or full names
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

/// The model that a reference names. One whose manifest can't be read is known by its full name alone.
async fn named(store: &dyn Store, reference: &str) -> Result<String, RegistryError> {
    match registry::resolve(store, reference).await {
        Ok(manifest) => Ok(manifest.name),
        Err(RegistryError::UnreadableModel { name, .. }) if name == reference => Ok(name),
        Err(error) => Err(error),
    }
}

/// Deletes one of the models, unless it was promoted since. Whether it is gone.
async fn delete(store: &dyn Store, name: &str, keep_promoted: bool) -> Result<bool, RegistryError> {
    let manifest = match registry::resolve(store, name).await {
        Ok(manifest) => Some(manifest),
        Err(RegistryError::UnreadableModel { url, problem, .. }) => {
            tracing::warn!("{url}: {problem}; what bears its name is deleted");
            None
        }
        Err(error) => return Err(error),
    };
    // A deletion of many takes long: one of them may have been promoted since the look before.
    let save_path = manifest
        .as_ref()
        .map(|manifest| manifest.save_path.as_str());
    let aliases = registry::aliases(store, save_path).await?;
    if let Some(refusal) = aliases.keep(name) {
        return match keep_promoted {
            true => Ok(false),
            false => Err(refusal),
        };
    }
    match manifest {
        Some(manifest) => registry::delete(store, &manifest).await?,
        None => registry::delete_unreadable(store, name).await?,
    }
    Ok(true)
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
        names.push(named(&*store, reference).await?);
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
