//! Fits a learner on rows that are prepared already and predicts others: what `just compare-learners` holds against
//! scikit-learn.
//!
//! `fit ALGORITHM ENGINE TASK PARAMETERS SEED TRAIN TEST [REPEAT [COLUMNS]]` with a `TASK` of `classification` or
//! `regression` and `PARAMETERS` in TOML. `COLUMNS` (`0,3`) hold category codes, the others numbers. The last column of
//! a file is the target (class codes from 0), all of it numbers. A file whose name ends in `.npy` is numpy's (float32,
//! two dimensions), any other CSV without a header.
//! Prints the seconds of each of `REPEAT` fits (1) in one line, then a row of probabilities, or a value, for each row of
//! `TEST`.
//!
//! As wasm it has clocks of its own only outside of `runner run`:
//!
//! ```sh
//! .ci/guest dist/fit.wasm fit
//! dist/runner exec dist/fit.wasm --dir DATA::/data -- gradient_boosting builtin classification "" 0 /data/train.npy /data/test.npy
//! ```

use std::error::Error;
use std::io::{BufWriter, Write};
use std::time::Instant;

use contract::Task;
use workload::forms::Predictions;
use workload::learners::{Defaults, Feature, Features, Kind, Target, Training, configure};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [
        algorithm,
        engine,
        task,
        parameters,
        seed,
        train,
        test,
        repeat @ ..,
    ] = arguments.as_slice()
    else {
        return Err(
            "fit ALGORITHM ENGINE TASK PARAMETERS SEED TRAIN TEST [REPEAT [COLUMNS]]".into(),
        );
    };
    let columns = repeat.get(1).map_or("", String::as_str);
    let repeat: usize = repeat.first().map_or(Ok(1), |times| times.parse())?;
    let (mut features, target) = read(train)?;
    let (held_out, _) = read(test)?;
    for column in columns.split(',').filter(|column| !column.is_empty()) {
        let column: usize = column.parse()?;
        let feature = features.columns.get_mut(column).ok_or("no such column")?;
        let codes = feature.values.iter().copied().fold(-1.0, f32::max);
        feature.kind = Kind::Category {
            categories: (codes + 1.0) as u32,
        };
    }
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
    let training = Training {
        features: &features,
        target: &target,
        weights: None,
        seed: seed.parse()?,
        progress: workload::learners::Progress::default(),
    };
    let mut seconds = Vec::new();
    let mut fitted = None;
    for _ in 0..repeat.max(1) {
        let start = Instant::now();
        fitted = Some(learner.fit(training)?);
        seconds.push(start.elapsed().as_secs_f64().to_string());
    }
    let fitted = fitted.ok_or("no fit")?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    writeln!(out, "{}", seconds.join(" "))?;
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
    let mut columns = match path.ends_with(".npy") {
        true => read_npy(&std::fs::read(path)?)?,
        false => read_csv(&std::fs::read_to_string(path)?)?,
    };
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

fn read_csv(text: &str) -> Result<Vec<Vec<f32>>, Box<dyn Error>> {
    let mut columns: Vec<Vec<f32>> = Vec::new();
    for line in text.lines() {
        for (index, field) in line.split(',').enumerate() {
            if index == columns.len() {
                columns.push(Vec::new());
            }
            columns[index].push(field.parse()?);
        }
    }
    Ok(columns)
}

/// Numpy's format, version 1: a Python dictionary tells type, order and shape, the values follow.
fn read_npy(bytes: &[u8]) -> Result<Vec<Vec<f32>>, Box<dyn Error>> {
    let refuse = "want numpy's format, version 1, with float32 values in two dimensions";
    let length = bytes.get(8..10).ok_or(refuse)?;
    let start = 10 + usize::from(u16::from_le_bytes([length[0], length[1]]));
    let header = std::str::from_utf8(bytes.get(10..start).ok_or(refuse)?)?;
    let shape = header.split(['(', ')']).nth(1).ok_or(refuse)?;
    let shape: Vec<usize> = shape
        .split(',')
        .map(|part| part.trim().parse())
        .collect::<Result<_, _>>()?;
    let [rows, width] = shape[..] else {
        return Err(refuse.into());
    };
    let values = &bytes[start..];
    if !header.contains("'<f4'") || values.len() != rows * width * 4 {
        return Err(refuse.into());
    }
    let by_column = header.contains("'fortran_order': True");
    let value = |row: usize, column: usize| {
        let place = if by_column {
            column * rows + row
        } else {
            row * width + column
        };
        let at = place * 4;
        f32::from_le_bytes([values[at], values[at + 1], values[at + 2], values[at + 3]])
    };
    Ok((0..width)
        .map(|column| (0..rows).map(|row| value(row, column)).collect())
        .collect())
}
