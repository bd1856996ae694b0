//! `runner compare`: models side by side. The best of each score is marked.

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

/// What one model has in each row, by label.
type Rows = BTreeMap<String, String>;

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
    let best = best(&models);
    let all = |rows: &dyn Fn(&Manifest) -> Rows| models.iter().map(rows).collect();
    let parts: [Vec<Rows>; 3] = [
        all(&facts),
        all(&|model| scores(model, &best)),
        all(&parameters),
    ];
    for columns in parts {
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

/// The best value of each held-out score that several models have, where all of them say in the same way what is better, and
/// they do not all have the same.
fn best(models: &[Manifest]) -> BTreeMap<String, f64> {
    let names = models
        .iter()
        .flat_map(|model| model.metrics.held_out.scores.keys());
    let names: BTreeSet<&String> = names.collect();
    let best_of = |name: &String| {
        let having = models.iter().filter_map(|model| {
            let value = model.metrics.held_out.scores.get(name)?;
            Some((*value, model.metrics.is_higher_better(name)))
        });
        let (values, said): (Vec<f64>, BTreeSet<Option<bool>>) = having.unzip();
        let higher = (said.len() == 1).then(|| said.first().copied().flatten())??;
        let best = values.iter().copied().reduce(|left, right| match higher {
            true => left.max(right),
            false => left.min(right),
        })?;
        let differs = values.iter().any(|value| *value != best);
        differs.then(|| (name.clone(), best))
    };
    names.into_iter().filter_map(best_of).collect()
}

fn scores(model: &Manifest, best: &BTreeMap<String, f64>) -> BTreeMap<String, String> {
    let scores = model.metrics.held_out.scores.iter();
    let mut scores: BTreeMap<String, String> = scores
        .map(|(name, value)| {
            let mark = match best.get(name) == Some(value) {
                true => " *",
                false => "",
            };
            (metric_name(name), format!("{value:.4}{mark}"))
        })
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
