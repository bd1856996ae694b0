//! `runner compare`: models side by side.

use std::collections::{BTreeMap, BTreeSet};

use contract::Manifest;

use super::{output, store};
use crate::error::Error;
use crate::exit::Exit;
use crate::registry;
use crate::report::metric_name;

#[derive(clap::Args)]
pub struct Args {
    /// SAVE_PATH@ALIAS, SAVE_PATH@VERSION or full names
    #[arg(value_name = "REF", required = true, num_args = 2..)]
    pub references: Vec<String>,

    #[command(flatten)]
    pub store: store::Args,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// # Errors
/// When one of the models is not there, or the store can't be read.
pub async fn run(args: Args) -> Result<Exit, Error> {
    let store = args.store.required()?.open()?;
    let mut models = Vec::new();
    for reference in &args.references {
        models.push(registry::resolve(&*store, reference).await?);
    }
    if args.json {
        output::print_json(&serde_json::json!({ "models": models }))?;
        return Ok(Exit::Done);
    }
    let header: Vec<&str> = std::iter::once("")
        .chain(args.references.iter().map(String::as_str))
        .collect();
    let mut table = output::table(&header);
    for rows in [facts, scores, parameters] {
        let columns: Vec<BTreeMap<String, String>> = models.iter().map(rows).collect();
        let labels: BTreeSet<&String> = columns.iter().flat_map(BTreeMap::keys).collect();
        for label in labels {
            let values = columns
                .iter()
                .map(|column| column.get(label).map_or("-", String::as_str));
            table.add_row(std::iter::once(label.as_str()).chain(values));
        }
    }
    output::print(table)?;
    Ok(Exit::Done)
}

fn facts(model: &Manifest) -> BTreeMap<String, String> {
    let short = |digest: &str| digest.chars().take(12).collect();
    let learner = model.metrics.learner.as_ref();
    let rows = model.metrics.rows;
    [
        ("name", model.name.clone()),
        ("data", short(&model.data.sha256)),
        ("module", short(&model.module.sha256)),
        ("seed", model.seed.to_string()),
        (
            "learner",
            learner.map_or("-".to_owned(), |learner| learner.algorithm.clone()),
        ),
        ("rows to train", rows.train.to_string()),
    ]
    .map(|(label, value)| (label.to_owned(), value))
    .into()
}

fn scores(model: &Manifest) -> BTreeMap<String, String> {
    let scores = model.metrics.held_out.scores.iter();
    let mut scores: BTreeMap<String, String> = scores
        .map(|(name, value)| (metric_name(name), format!("{value:.4}")))
        .collect();
    let primary = &model.metrics.primary;
    if let Some(value) = primary.validation {
        scores.insert(
            format!("{} (validation)", metric_name(&primary.name)),
            format!("{value:.4}"),
        );
    }
    scores
}

fn parameters(model: &Manifest) -> BTreeMap<String, String> {
    let mut parameters = BTreeMap::new();
    let mut set = |name: &str, value: String| parameters.insert(format!("  {name}"), value);
    if let Some(learner) = &model.metrics.learner {
        for (name, value) in &learner.parameters {
            set(name, value.to_string());
        }
    }
    if let Some(batch_size) = model.parameters.batch_size {
        set("batch_size", batch_size.to_string());
    }
    if let Some(epochs) = model.parameters.epochs {
        set("epochs", epochs.to_string());
    }
    if let Some(grid) = &model.grid {
        for (name, value) in &grid.values {
            set(name, value.to_string());
        }
    }
    parameters
}
