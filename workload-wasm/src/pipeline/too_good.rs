//! Scores that are too good to be true: what several columns tell together passes the leakage guard, which looks at each
//! by itself.

use contract::{Importance, Metrics, Task, Warning};

use super::prepare::Prepared;
use crate::specification::Specification;
use crate::table::{Column, TargetValues};

/// From this held-out ROC AUC or R² on.
const TOO_GOOD: f64 = 0.999;
/// With fewer held-out rows of a class, or in all, it may be chance.
const LEAST_ROWS: u64 = 50;
/// Columns that a warning names, and the least share of the whole importance that each has.
const MOST_COLUMNS: usize = 5;
const LEAST_SHARE: f64 = 0.05;
/// Classes whose missing values a warning counts.
const MOST_CLASSES: usize = 4;

/// Warns of a score that is too good to be true, and names the columns that carry it. Silent where `allow_leaky` lists
/// them.
pub(super) fn too_good(
    metrics: &Metrics,
    prepared: &Prepared,
    specification: &Specification,
) -> Option<Warning> {
    let name = match metrics.task {
        Task::Binary | Task::Multiclass => "roc_auc",
        Task::Regression => "r2",
    };
    let score = *metrics.held_out.scores.get(name)?;
    if score < TOO_GOOD || !enough_rows(metrics) {
        return None;
    }
    let allowed = |column: &str| {
        let mut allowed = specification.allow_leaky.iter();
        allowed.any(|allowed| allowed.name == column)
    };
    let carrying = carrying(metrics);
    let columns: Vec<&str> = carrying
        .iter()
        .copied()
        .filter(|column| !allowed(column))
        .collect();
    if columns.is_empty() && !specification.allow_leaky.is_empty() {
        return None;
    }
    let start = format!(
        "a held-out {name} of {score:.4} is too good to be true, unless the target follows from the columns"
    );
    let message = if columns.is_empty() {
        format!(
            "{start}; look for columns that are not known yet when the model is used, and `drop` them"
        )
    } else {
        let described: Vec<String> = columns
            .iter()
            .map(|column| describe(column, prepared))
            .collect();
        let list: Vec<String> = columns.iter().map(|column| format!("{column:?}")).collect();
        let list = list.join(", ");
        format!(
            "{start}; it comes from {}. If they are not known yet when the model is used: `drop = [{list}]`; if they are, `allow_leaky = [{list}]` silences this",
            described.join(", ")
        )
    };
    Some(Warning::new("too_good", message))
}

fn enough_rows(metrics: &Metrics) -> bool {
    if metrics.task == Task::Regression {
        return metrics.rows.held_out >= LEAST_ROWS;
    }
    // A rare class silences nothing.
    let classes = metrics.held_out.confusion.iter();
    let frequent = classes.filter(|actual| actual.iter().sum::<u64>() >= LEAST_ROWS);
    frequent.count() >= 2
}

/// The columns that the score comes from, the most important first: by permutation where that was measured, for then it
/// is about columns of the dataset, else by what the learner says.
fn carrying(metrics: &Metrics) -> Vec<&str> {
    let lists = [&metrics.importance, &metrics.impurity_importance];
    for list in lists {
        let total: f64 = list.iter().map(|of| of.importance.max(0.0)).sum();
        if total > 0.0 {
            let is_large = |of: &&Importance| of.importance >= LEAST_SHARE * total;
            let names = list.iter().filter(is_large).map(|of| of.column.as_str());
            return names.take(MOST_COLUMNS).collect();
        }
    }
    Vec::new()
}

/// A column, and how often it is missing in rows of each class.
fn describe(name: &str, prepared: &Prepared) -> String {
    let shares = prepared
        .table
        .column(name)
        .map(|column| missing_shares(column, prepared))
        .unwrap_or_default();
    if shares.iter().all(|(_, share)| *share == 0.0) {
        return format!("`{name}`");
    }
    let shares = shares.iter().map(|(class, share)| match class {
        Some(class) => format!("{:.0} % of {class}", share * 100.0),
        None => format!("{:.0} % of the rows", share * 100.0),
    });
    let shares: Vec<String> = shares.collect();
    format!("`{name}` (missing in {})", shares.join(", "))
}

/// The share of rows that miss a column's value, of each class that has rows.
fn missing_shares<'a>(column: &Column, prepared: &'a Prepared) -> Vec<(Option<&'a str>, f64)> {
    let model = &prepared.target.model;
    let classes = model.classes.len().clamp(1, MOST_CLASSES);
    let mut counts = vec![(0_u64, 0_u64); classes];
    let parts = &prepared.parts;
    for row in [&parts.train, &parts.validation, &parts.held_out]
        .into_iter()
        .flatten()
    {
        let class = match &prepared.target.values {
            TargetValues::Classes(codes) => codes[*row as usize] as usize,
            TargetValues::Numbers(_) => 0,
        };
        if let Some((missing, rows)) = counts.get_mut(class) {
            *missing += u64::from(column.is_missing(*row));
            *rows += 1;
        }
    }
    let shown = counts.into_iter().enumerate();
    shown
        .filter(|(_, (_, rows))| *rows > 0)
        .map(|(class, (missing, rows))| {
            let label = model.classes.get(class).map(String::as_str);
            (label, missing as f64 / rows as f64)
        })
        .collect()
}
