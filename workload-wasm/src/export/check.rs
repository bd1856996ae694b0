use contract::{Check, CheckColumn, CheckValues};

use super::Model;
use crate::evaluation::labels;
use crate::features::Input;
use crate::forms::Predictions;
use crate::table::{Cells, Table};

/// More rows than this show no more.
const MOST_ROWS: usize = 1_000;

/// `check.json`: up to 1,000 of the held-out rows, evenly spread, as they are in the table, and what the model says
/// of them.
#[must_use]
pub fn check(table: &Table, model: &Model, held_out: &[u32]) -> Check {
    let count = held_out.len().min(MOST_ROWS);
    let rows: Vec<u32> = (0..count)
        .map(|index| held_out[index * held_out.len() / count])
        .collect();
    let columns = model
        .inputs
        .iter()
        .map(|input| CheckColumn {
            name: input.name.clone(),
            values: raw(table, input, &rows),
        })
        .collect();
    let mut check = Check {
        columns,
        labels: Vec::new(),
        probabilities: Vec::new(),
        predictions: Vec::new(),
    };
    match model.predict(table, &rows) {
        Predictions::Probabilities { values, classes } => {
            check.labels = labels(&values, classes)
                .map(|class| model.target.classes[class as usize].clone())
                .collect();
            check.probabilities = values.chunks_exact(classes).map(<[f32]>::to_vec).collect();
        }
        Predictions::Values(values) => check.predictions = values,
    }
    check
}

fn raw(table: &Table, input: &Input, rows: &[u32]) -> CheckValues {
    match table.column(&input.name).map(|column| &column.cells) {
        Some(Cells::Text(text)) => CheckValues::Text(
            rows.iter()
                .map(|row| {
                    let code = text.codes[*row as usize];
                    text.distinct.get(code as usize).cloned()
                })
                .collect(),
        ),
        Some(Cells::Numbers(values)) => CheckValues::Number(
            rows.iter()
                .map(|row| Some(values[*row as usize]).filter(|value| !value.is_nan()))
                .collect(),
        ),
        None => CheckValues::Number(vec![None; rows.len()]),
    }
}
