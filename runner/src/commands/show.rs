//! `runner show`: all that is known of one model.

use super::{output, store};
use crate::error::Error;
use crate::exit::Exit;
use crate::registry;

#[derive(clap::Args)]
pub struct Args {
    /// SAVE_PATH@ALIAS, SAVE_PATH@VERSION or a full name
    #[arg(value_name = "REF")]
    pub reference: String,

    #[command(flatten)]
    pub store: store::Args,

    /// Print the manifest as one JSON object
    #[arg(long)]
    pub json: bool,
}

/// # Errors
/// When there is no such model, or the store can't be read.
pub async fn run(args: Args) -> Result<Exit, Error> {
    let store = args.store.required()?.open()?;
    let manifest = registry::resolve(&*store, &args.reference).await?;
    let aliases = registry::aliases(&*store, Some(&manifest.save_path)).await?;
    if args.json {
        output::print_json(&manifest)?;
        return Ok(Exit::Done);
    }
    let metrics = &manifest.metrics;
    let mut table = output::table(&[]);
    let mut row = |label: &str, value: String| {
        table.add_row([label.to_owned(), value]);
    };
    row("name", manifest.name.clone());
    row("url", store.url(&manifest.name));
    for alias in &aliases.readable {
        if alias.current() == manifest.name {
            row("alias", alias.alias.clone());
        }
    }
    row("finished", manifest.times.finished.clone());
    if let Some(learner) = &metrics.learner {
        row(
            "learner",
            format!("{} ({})", learner.algorithm, learner.engine),
        );
    }
    row("seed", manifest.seed.to_string());
    if let Some(parity) = &manifest.parity {
        row("parity", crate::report::parity_line(parity));
    }
    let rows = metrics.rows;
    row(
        "rows",
        format!("{} to train, {} held out", rows.train, rows.held_out),
    );
    for (name, value) in &metrics.held_out.scores {
        let baseline = metrics.baseline.scores.get(name);
        let baseline = baseline.map_or(String::new(), |value| format!(" (baseline {value:.4})"));
        row(name, format!("{value:.4}{baseline}"));
    }
    for warning in &metrics.warnings() {
        row("warning", warning.message.clone());
    }
    row(
        "data",
        format!("{} ({} bytes)", manifest.data.source, manifest.data.bytes),
    );
    row("", format!("sha256 {}", manifest.data.sha256));
    row(
        "module",
        format!(
            "{}, sha256 {}",
            manifest.module.file, manifest.module.sha256
        ),
    );
    for (key, value) in &manifest.tags {
        row("tag", format!("{key}={value}"));
    }
    if let Some(nomad) = &manifest.nomad {
        row(
            "nomad",
            format!("{}, allocation {}", nomad.job_id, nomad.alloc_id),
        );
    }
    for file in &manifest.files {
        row("file", format!("{} ({} bytes)", file.path, file.bytes));
    }
    output::print(table)?;
    Ok(Exit::Done)
}
