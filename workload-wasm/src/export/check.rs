use contract::{Check, CheckColumn, CheckValues};
use records::Text;

use super::Model;
use crate::evaluation::labels;
use crate::features::{Encoder, Finder, Input, Source};
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
            values: raw(table, model, input, &rows),
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
            let said = places.iter().map(|place| values[*place]);
            check.predictions = said.map(|said| model.target.number(said)).collect();
        }
    }
    check
}

/// The cells as a scorer takes them: a category as the model spells it.
fn raw(table: &Table, model: &Model, input: &Input, rows: &[u32]) -> CheckValues {
    let spelled = |text: &Text| -> Vec<String> {
        let mut encoders = model.features.iter();
        let reads = |encoder: &&Encoder| encoder.source == Source::Column(input.name.clone());
        let Some(encoder) = encoders.find(reads) else {
            return text.distinct.clone();
        };
        let (finder, categories) = (Finder::new(encoder), encoder.encoding.categories());
        let known = |value: &String| finder.find(value).map(|code| &categories[code as usize]);
        let values = text.distinct.iter();
        values
            .map(|value| known(value).unwrap_or(value).clone())
            .collect()
    };
    match table.column(&input.name).map(|column| &column.cells) {
        Some(Cells::Text(text)) => {
            let values = spelled(text);
            CheckValues::Text(
                rows.iter()
                    .map(|row| values.get(text.codes[*row as usize] as usize).cloned())
                    .collect(),
            )
        }
        Some(Cells::Numbers(values)) => CheckValues::Number(
            rows.iter()
                .map(|row| Some(values.get(*row as usize)).filter(|value| !value.is_nan()))
                .collect(),
        ),
        None => CheckValues::Number(vec![None; rows.len()]),
    }
}
