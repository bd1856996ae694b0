//! Fits a learner on rows that are prepared already and predicts others: what `just compare-learners` holds against
//! scikit-learn.
//!
//! `fit ALGORITHM ENGINE TASK PARAMETERS SEED TRAIN.csv TEST.csv` with a `TASK` of `classification` or `regression`
//! and `PARAMETERS` in TOML. The files have no header; numbers only; the last column is the target (class codes from 0).
//! Prints the seconds of the fit, then a row of probabilities, or a value, for each row of `TEST.csv`.

use std::error::Error;
use std::io::{BufWriter, Write};
use std::time::Instant;

use contract::Task;
use workload::forms::Predictions;
use workload::learners::{Defaults, Feature, Features, Kind, Target, Training, configure};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [algorithm, engine, task, parameters, seed, train, test] = arguments.as_slice() else {
        return Err("fit ALGORITHM ENGINE TASK PARAMETERS SEED TRAIN.csv TEST.csv".into());
    };
    let (features, target) = read(train)?;
    let (held_out, _) = read(test)?;
    let (task, target) = match task.as_str() {
        "classification" => {
            let codes: Vec<u32> = target.iter().map(|code| *code as u32).collect();
            let classes = codes.iter().max().map_or(0, |code| *code as usize + 1);
            let task = match classes {
                0..=2 => Task::Binary,
                _ => Task::Multiclass,
            };
            (task, Target::Classes { codes, classes })
        }
        _ => (Task::Regression, Target::Number(target)),
    };
    let learner = configure(
        algorithm,
        Some(engine),
        task,
        &parameters.parse()?,
        Defaults::default(),
    )?;
    let start = Instant::now();
    let fitted = learner.fit(Training {
        features: &features,
        target: &target,
        weights: None,
        seed: seed.parse()?,
    })?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    writeln!(out, "{}", start.elapsed().as_secs_f64())?;
    let (values, width) = match fitted.form.predict(&held_out) {
        Predictions::Probabilities { values, classes } => (values, classes),
        Predictions::Values(values) => (values, 1),
    };
    for row in values.chunks(width) {
        let row: Vec<String> = row.iter().map(f32::to_string).collect();
        writeln!(out, "{}", row.join(","))?;
    }
    Ok(())
}

/// The columns of a file, and its last one.
fn read(path: &str) -> Result<(Features, Vec<f32>), Box<dyn Error>> {
    let mut columns: Vec<Vec<f32>> = Vec::new();
    for line in std::fs::read_to_string(path)?.lines() {
        for (index, field) in line.split(',').enumerate() {
            if index == columns.len() {
                columns.push(Vec::new());
            }
            columns[index].push(field.parse()?);
        }
    }
    let target = columns.pop().ok_or("the file is empty")?;
    let features = Features {
        rows: target.len(),
        columns: columns
            .into_iter()
            .enumerate()
            .map(|(index, values)| Feature {
                name: index.to_string(),
                kind: Kind::Number,
                values,
            })
            .collect(),
    };
    Ok((features, target))
}
