//! The table that closes a run of many versions.

use comfy_table::{CellAlignment, Table, presets};
use contract::Warning;
use serde::Serialize;

use super::{Outcome, Status, score, without_trailing_spaces};
use crate::batch::Finished;
use crate::foreign;
use crate::warnings;

/// Rows of the table before it is cut. The store has them all.
const MOST_ROWS: usize = 20;

/// One version, for a program.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Entry<'a> {
    Ended(&'a Outcome),
    Failed {
        status: &'static str,
        model_version: &'a str,
        message: String,
    },
}

pub(super) fn entries(finished: &[Finished]) -> Vec<Entry<'_>> {
    sorted(finished)
        .into_iter()
        .map(|finished| match &finished.result {
            Ok(outcome) => Entry::Ended(outcome),
            Err(error) => Entry::Failed {
                status: "failed",
                model_version: finished.run.version.model_version.as_str(),
                message: error.to_string(),
            },
        })
        .collect()
}

/// What there is to warn of in those that ended well.
pub(super) fn warnings(finished: &[Finished]) -> Vec<Warning> {
    let outcomes = finished
        .iter()
        .filter_map(|finished| finished.result.as_ref().ok());
    let runs: Vec<Vec<Warning>> = outcomes
        .map(|outcome| outcome.manifest.metrics.warnings())
        .collect();
    warnings::of_all(&runs)
}

/// The best first, by the validation value of the primary score; the held-out value is shown and never sorted by.
/// Versions without one keep their order, and those that failed come last.
fn sorted(finished: &[Finished]) -> Vec<&Finished> {
    let mut sorted: Vec<&Finished> = finished.iter().collect();
    sorted.sort_by(|left, right| rank(left).total_cmp(&rank(right)));
    sorted
}

fn rank(finished: &Finished) -> f64 {
    let Ok(outcome) = &finished.result else {
        return f64::INFINITY;
    };
    let primary = &outcome.manifest.metrics.primary;
    match primary.validation {
        Some(value) if primary.higher_is_better => -value,
        Some(value) => value,
        None => f64::MAX,
    }
}

pub(super) fn table(finished: &[Finished]) -> String {
    let sorted = sorted(finished);
    let primary = sorted
        .iter()
        .find_map(|finished| finished.result.as_ref().ok());
    let primary = primary.map_or("score", |outcome| {
        outcome.manifest.metrics.primary.name.as_str()
    });
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header([
        "version".to_owned(),
        "validation".to_owned(),
        format!("held-out {}", foreign::line(primary)),
        "parameters".to_owned(),
    ]);
    for finished in sorted.iter().take(MOST_ROWS) {
        table.add_row(row(finished));
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        match index {
            0 => column.set_padding((0, 2)),
            1 | 2 => {
                column.set_cell_alignment(CellAlignment::Right);
                column
            }
            _ => column,
        };
    }
    let mut text = without_trailing_spaces(&table) + "\n";
    if sorted.len() > MOST_ROWS {
        text.push_str(&format!("… and {} more\n", sorted.len() - MOST_ROWS));
    }
    text.push('\n');
    text.push_str(&counts(finished));
    text
}

fn row(finished: &Finished) -> Vec<String> {
    let version = finished.run.version.model_version.to_string();
    let parameters = match &finished.run.grid {
        None => format!("seed = {}", finished.run.seed),
        Some(point) => {
            let pairs = point
                .values
                .iter()
                .map(|(key, value)| format!("{key} = {value}"));
            foreign::line(&pairs.collect::<Vec<_>>().join(", "))
        }
    };
    let (validation, held_out) = match &finished.result {
        Ok(outcome) => {
            let primary = &outcome.manifest.metrics.primary;
            (
                score(primary.validation.as_ref()),
                score(Some(&primary.held_out)),
            )
        }
        Err(_) => ("failed".to_owned(), String::new()),
    };
    vec![version, validation, held_out, parameters]
}

/// `997 published, 2 missed a gate, 1 failed`.
fn counts(finished: &[Finished]) -> String {
    let count =
        |which: &dyn Fn(&Finished) -> bool| finished.iter().filter(|each| which(each)).count();
    let with = |status: Status| {
        count(&|each| {
            each.result
                .as_ref()
                .is_ok_and(|outcome| outcome.status == status)
        })
    };
    let parts = [
        (with(Status::Published), "published"),
        (with(Status::AlreadyPublished), "published before"),
        (with(Status::Kept), "kept"),
        (with(Status::GateNotMet), "missed a gate"),
        (count(&|each| each.result.is_err()), "failed"),
    ];
    let parts = parts.into_iter().filter(|(count, _)| *count > 0);
    parts
        .map(|(count, what)| format!("{count} {what}"))
        .collect::<Vec<_>>()
        .join(", ")
        + "\n"
}
