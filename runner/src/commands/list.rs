//! `runner list`: what is in a store.

use super::{output, store};
use crate::error::Error;
use crate::exit::Exit;
use crate::registry::{self, Filter};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub store: store::Args,

    #[command(flatten)]
    pub which: Which,

    /// Best first by this held-out score, such as roc_auc or rmse; the model's manifest says which direction is better
    /// [default: newest first]
    #[arg(long, value_name = "SCORE")]
    pub sort: Option<String>,

    /// Versions that missed a gate, instead of models
    #[arg(long)]
    pub rejected: bool,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Which models a verb is about.
#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
pub struct Which {
    /// Of this save path
    #[arg(long, value_name = "NAME")]
    pub save_path: Option<String>,

    /// Of this version
    #[arg(long, value_name = "NAME")]
    pub version: Option<String>,

    /// With this tag (repeatable: with all of them)
    #[arg(long, value_name = "KEY=VALUE", value_parser = tag)]
    pub tag: Vec<(String, String)>,

    /// Points of this grid; the beginning of its id will do
    #[arg(long, value_name = "ID")]
    pub grid: Option<String>,
}

impl Which {
    #[must_use]
    pub fn filter(&self, rejected: bool) -> Filter {
        Filter {
            save_path: self.save_path.clone(),
            version: self.version.clone(),
            tags: self.tag.iter().cloned().collect(),
            grid: self.grid.clone(),
            rejected,
        }
    }
}

fn tag(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write it as KEY=VALUE".to_owned()),
    }
}

/// # Errors
/// When the store can't be listed or read.
pub async fn run(args: Args) -> Result<Exit, Error> {
    let store = args.store.required()?.open()?;
    let filter = args.which.filter(args.rejected);
    let models = registry::list(&*store, &filter, args.sort.as_deref()).await?;
    if args.json {
        output::print_json(&serde_json::json!({ "models": models }))?;
        return Ok(Exit::Done);
    }
    if models.is_empty() {
        tracing::info!("no models in {}", store.url(""));
        return Ok(Exit::Done);
    }
    let score = |model: &registry::Model| args.sort.clone().unwrap_or(model.primary.name.clone());
    let mut table = output::table(&["name", "version", "score", "", "validation", "finished"]);
    for model in &models {
        let value =
            |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.4}"));
        let name = score(model);
        let shown = model.scores.get(&name).copied();
        table.add_row([
            model.name.clone(),
            model.model_version.clone(),
            value(shown),
            name,
            value(model.primary.validation),
            model.finished.chars().take(19).collect(),
        ]);
    }
    output::print(table)?;
    Ok(Exit::Done)
}
