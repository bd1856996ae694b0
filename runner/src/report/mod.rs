//! What `run` says at the end: a short table for a person, or one JSON object.

mod batch;

use std::fmt::Write as _;
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use contract::{Evaluation, Gate, Manifest, Metrics, Parity, Task};
use serde::Serialize;

use crate::batch::Finished;
use crate::error::Error;
use crate::exit::Exit;
use crate::foreign;
use crate::stdout;
use crate::timings::Timings;
use crate::warnings;

/// How a version ended, and where it is.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    pub status: Status,
    /// URL in the store, or the local folder.
    pub location: String,
    #[serde(flatten)]
    pub manifest: Manifest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// In the store.
    Published,
    /// The store had this very model already: an earlier try came this far.
    AlreadyPublished,
    /// In a local folder, as no store was named.
    Kept,
    /// Missed a gate: in a local folder, to look at.
    GateNotMet,
}

impl Status {
    #[must_use]
    pub fn exit(self) -> Exit {
        match self {
            Self::Published | Self::AlreadyPublished | Self::Kept => Exit::Done,
            Self::GateNotMet => Exit::GateNotMet,
        }
    }
}

/// The column of a cross-validation.
const FOLDS: &str = "cross-val.";
/// Scores that a person compares first, in this order; the others follow by name.
const FIRST_SCORES: [&str; 6] = ["roc_auc", "accuracy", "f1", "r2", "rmse", "mae"];

/// Prints `outcome` on stdout.
///
/// # Errors
/// When stdout cannot be written. A reader who has left (a closed pipe) is no error.
pub fn print(outcome: &Outcome, json: bool, timings: Option<&Timings>) -> Result<(), Error> {
    warnings::log_beside_result(&outcome.manifest.metrics.warnings(), json);
    if json {
        return stdout::print_json(outcome);
    }
    let mut text = table(outcome);
    if let Some(timings) = timings {
        text.push_str(&timings_table(timings));
        let (total, own) = timings.total_and_own();
        for (stage, took) in [("all", total), ("runner's own", own)] {
            text.push_str(&timing("", stage, took));
        }
    }
    stdout::print(text)
}

/// Prints many versions on stdout, the best first.
///
/// # Errors
/// As [`print`].
pub fn print_batch(
    finished: &[Finished],
    json: bool,
    timings: Option<&Timings>,
) -> Result<(), Error> {
    let warnings = batch::warnings(finished);
    warnings::log_beside_result(&warnings, json);
    if json {
        return stdout::print_json(&serde_json::json!({ "versions": batch::entries(finished) }));
    }
    let text = batch::table(finished) + &warnings::block(&warnings);
    stdout::print(text + &timings.map(timings_table).unwrap_or_default())
}

fn table(outcome: &Outcome) -> String {
    let manifest = &outcome.manifest;
    let metrics = &manifest.metrics;
    let mut text = String::new();
    let mut line = |label: &str, value: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{label:<10}{value}");
    };
    line(
        "version",
        format!("{} {}", manifest.save_path, manifest.model_version),
    );
    if let Some(learner) = &metrics.learner {
        line(
            "learner",
            foreign::line(&format!("{} ({})", learner.algorithm, learner.engine)),
        );
    }
    line("rows", rows(metrics));
    line("features", features(metrics));
    let _ = writeln!(
        text,
        "\n{}\n",
        without_trailing_spaces(&scores_table(metrics))
    );
    for gate in &metrics.gates {
        let _ = writeln!(text, "{:<10}{}", "gate", gate_line(gate));
    }
    if let Some(parity) = &manifest.parity {
        let _ = writeln!(text, "{:<10}{}", "parity", parity_line(parity));
        if let Parity::Differs { worst, .. } = parity {
            for row in worst {
                let _ = writeln!(text, "{:<10}{}", "", foreign::line(row));
            }
        }
    }
    text.push_str(&warnings::block(&metrics.warnings()));
    let (label, note) = match outcome.status {
        Status::Published => ("stored", ""),
        Status::AlreadyPublished => ("stored", " (it was there already)"),
        Status::Kept => ("kept", ""),
        Status::GateNotMet => ("kept", " (not published: a gate was not met)"),
    };
    let _ = writeln!(
        text,
        "{label:<10}{}{note}",
        foreign::line(&outcome.location)
    );
    text
}

fn rows(metrics: &Metrics) -> String {
    let rows = metrics.rows;
    let mut text = format!("{} read", thousands(rows.read));
    if rows.kept != rows.read {
        let _ = write!(text, ", {} kept", thousands(rows.kept));
    }
    let _ = write!(text, ": {} to train", thousands(rows.train));
    if rows.validation > 0 {
        let _ = write!(text, ", {} to validate", thousands(rows.validation));
    }
    let _ = write!(text, ", {} held out", thousands(rows.held_out));
    text
}

fn features(metrics: &Metrics) -> String {
    let encoded: u64 = metrics
        .features
        .iter()
        .map(|feature| u64::from(feature.encoded))
        .sum();
    let mut text = format!("{} columns, encoded as {encoded}", metrics.features.len());
    if !metrics.left_out.is_empty() {
        let _ = write!(text, "; {} left out", metrics.left_out.len());
    }
    if let (Some(target), task) = (&metrics.target, metrics.task) {
        let what = match task {
            Task::Binary => "classification, 2 classes".to_owned(),
            Task::Multiclass => format!("classification, {} classes", metrics.classes.len()),
            Task::Regression => "regression".to_owned(),
        };
        let target = foreign::line(target);
        let _ = write!(text, "\n{:<10}{target} ({what})", "target");
    }
    text
}

fn scores_table(metrics: &Metrics) -> Table {
    let mut columns: Vec<(&str, &Evaluation)> = vec![("held out", &metrics.held_out)];
    if !metrics.baseline.is_empty() {
        columns.push(("baseline", &metrics.baseline));
    }
    if let Some(validation) = &metrics.validation {
        columns.push(("validation", validation));
    }
    if let Some(folds) = &metrics.cross_validation {
        columns.push((FOLDS, folds));
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    let header = std::iter::once("metric").chain(columns.iter().map(|(title, _)| *title));
    table.set_header(header);
    let first = FIRST_SCORES
        .into_iter()
        .filter(|name| metrics.held_out.scores.contains_key(*name));
    let rest = metrics
        .held_out
        .scores
        .keys()
        .map(String::as_str)
        .filter(|name| !FIRST_SCORES.contains(name));
    for name in first.chain(rest) {
        let values = columns.iter().map(|(title, evaluation)| {
            let value = score(evaluation.scores.get(name));
            let spread = metrics.cross_validation_spread.get(name);
            match spread.filter(|_| *title == FOLDS) {
                Some(spread) => format!("{value} ± {}", score(Some(spread))),
                None => value,
            }
        });
        table.add_row(std::iter::once(metric_name(name)).chain(values));
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        if index == 0 {
            column.set_padding((0, 2));
        } else {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// The first words of lines that are the runner's own, of `run` and of `show`.
const OWN_LABELS: [&str; 23] = [
    "alias", "data", "features", "file", "finished", "gate", "kept", "learner", "metric", "module",
    "name", "nomad", "parity", "rows", "seed", "stored", "tag", "target", "timings", "url",
    "version", "warning", "warnings",
];

/// A metric's name as it may begin a line of a result. The module chose it: one that could pass for another line, or for a
/// part of one, stands in quotes.
#[must_use]
pub fn metric_name(name: &str) -> String {
    let is_plain = |each: char| each.is_ascii_alphanumeric() || "_-.@%+/()".contains(each);
    let shown = foreign::line(name);
    if !name.is_empty() && shown.chars().all(is_plain) && !OWN_LABELS.contains(&name) {
        return shown;
    }
    format!("\"{}\"", shown.replace('\\', "\\\\").replace('"', "\\\""))
}

fn without_trailing_spaces(table: &Table) -> String {
    let lines: Vec<String> = table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect();
    lines.join("\n")
}

fn score(value: Option<&f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if value.abs() >= 1000.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.4}"),
    }
}

/// `roc_auc >= 0.7500: met (0.8123)`.
#[must_use]
pub fn gate_line(gate: &Gate) -> String {
    let relation = if gate.higher_is_better { ">=" } else { "<=" };
    let verdict = if gate.met { "met" } else { "NOT met" };
    // As many as other scores have.
    let digits = if gate.threshold.abs() >= 1000.0 { 1 } else { 4 };
    let (threshold, value) = gate.shown(digits);
    format!(
        "{} {relation} {threshold}: {verdict} ({value})",
        metric_name(&gate.metric),
    )
}

/// `model.onnx says the same of 937 rows (within 6.0e-8, 8 ties)`.
#[must_use]
pub fn parity_line(parity: &Parity) -> String {
    match parity {
        Parity::Equal {
            rows,
            ties,
            largest_difference,
        } => {
            let mut text = format!("model.onnx says the same of {} rows (", thousands(*rows));
            if *largest_difference > 0.0 {
                let _ = write!(text, "within {largest_difference:.1e}");
            } else {
                text.push_str("to the last digit");
            }
            if *ties > 0 {
                let _ = write!(text, ", {} ties", thousands(*ties));
            }
            text + ")"
        }
        Parity::Differs {
            rows, differing, ..
        } => format!(
            "NOT met: model.onnx differs on {} of {} rows",
            thousands(*differing),
            thousands(*rows)
        ),
        Parity::Failed { reason } => {
            let reason = foreign::line(reason);
            format!("NOT met: model.onnx cannot be scored: {reason}")
        }
        Parity::NotChecked { reason } => format!("not checked: {}", foreign::line(reason)),
    }
}

/// The gates that a version missed, each with its verdict.
#[must_use]
pub fn missed(manifest: &Manifest) -> Vec<String> {
    let gates = manifest.metrics.gates.iter().filter(|gate| !gate.met);
    let parity = manifest.parity.iter().filter(|parity| !parity.met());
    gates
        .map(gate_line)
        .chain(parity.map(|parity| format!("parity {}", parity_line(parity))))
        .collect()
}

fn timings_table(timings: &Timings) -> String {
    let mut text = String::new();
    let stages = timings.list();
    for (index, (stage, took)) in stages.iter().enumerate() {
        let label = if index == 0 { "timings" } else { "" };
        text.push_str(&timing(label, stage, *took));
    }
    text
}

fn timing(label: &str, stage: &str, took: Duration) -> String {
    format!(
        "{label:<10}{stage:<12}{:>9.1} ms\n",
        took.as_secs_f64() * 1e3
    )
}

/// `1234567` -> `1,234,567`.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_called_what_no_line_of_the_runner_is() {
        for plain in ["roc_auc", "f1-macro", "precision@10", "top_5%", "MAE(log)"] {
            assert_eq!(metric_name(plain), plain);
        }
        for (name, shown) in [
            ("stored    gs://prod/m", "\"stored    gs://prod/m\""),
            ("stored", "\"stored\""),
            ("", "\"\""),
            ("f1 macro", "\"f1 macro\""),
            ("a\"\nb", "\"a\\\" b\""),
        ] {
            assert_eq!(metric_name(name), shown);
        }
    }

    #[test]
    fn a_gate_shows_as_many_digits_as_tell_its_score_from_its_threshold() {
        let line = |threshold: f64, value: f64| {
            gate_line(&Gate {
                metric: "roc_auc".to_owned(),
                threshold,
                higher_is_better: true,
                value,
                met: value >= threshold,
            })
        };
        assert_eq!(line(0.7, 0.65), "roc_auc >= 0.7000: NOT met (0.6500)");
        assert_eq!(line(1.0, 0.99999), "roc_auc >= 1.00000: NOT met (0.99999)");
        assert_eq!(
            line(1500.0, 1499.999),
            "roc_auc >= 1500.000: NOT met (1499.999)"
        );
        assert_eq!(line(0.8, 0.8), "roc_auc >= 0.8000: met (0.8000)");
        let next = 1.0_f64.next_down();
        assert!(
            line(1.0, next).ends_with("NOT met (0.9999999999999999)"),
            "{}",
            line(1.0, next)
        );
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(thousands(7), "7");
        assert_eq!(thousands(1000), "1,000");
        assert_eq!(thousands(1_234_567), "1,234,567");
    }
}
