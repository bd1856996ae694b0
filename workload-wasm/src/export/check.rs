use contract::{Check, CheckColumn, CheckValues};

use super::Model;
use crate::evaluation::labels;
use crate::features::Input;
use crate::forms::Predictions;
use crate::table::{Cells, Table};

/// More rows than this show no more.
const MOST_ROWS: usize = 1_000;

/// `check.json`: up to 1,000 of the held-out rows, evenly spread, as they are in the table, and what the model says
/// of them: `predictions` are those of all held-out rows.
#[must_use]
pub fn check(table: &Table, model: &Model, held_out: &[u32], predictions: &Predictions) -> Check {
    let count = held_out.len().min(MOST_ROWS);
    let places: Vec<usize> = (0..count)
        .map(|index| index * held_out.len() / count)
        .collect();
    let rows: Vec<u32> = places.iter().map(|place| held_out[*place]).collect();
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
    match predictions {
        Predictions::Probabilities { values, classes } => {
            for place in places {
                let shares = &values[place * classes..(place + 1) * classes];
                let class = labels(shares, *classes).map(|class| class as usize);
                check
                    .labels
                    .extend(class.map(|class| model.target.classes[class].clone()));
                check.probabilities.push(shares.to_vec());
            }
        }
        Predictions::Values(values) => {
            check.predictions = places.iter().map(|place| values[*place]).collect();
        }
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
