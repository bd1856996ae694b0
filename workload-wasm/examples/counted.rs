//! The works whose instructions `just bench-guard` counts: fits of all learners, predictions of trees, reading, encoding.
//!
//! Without an argument it lists their names, with one it does that work, on small data that it makes by itself. What is
//! counted happens in [`the_work`] alone.

use std::error::Error;
use std::fmt::Write;
use std::hint::black_box;

use contract::Task;
use workload::features::{NamedSource, Rows, Source, encode, fit_encoder};
use workload::learners::{
    Defaults, Feature, Features, Kind, Target, Training, Wants, configure, list,
};
use workload::table::{Dataset, Reading, Table, read_dataset};

const ROWS: usize = 2000;
const COLUMNS: usize = 10;
const PREDICTIONS: [&str; 1] = ["predict random_forest classes"];
const READINGS: [&str; 2] = ["read csv", "read json"];
const ENCODINGS: [&str; 2] = ["encode one-hot", "encode codes"];

fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1) {
        None => {
            let learners = learners().map(|(algorithm, task)| format!("fit {algorithm} {task}"));
            let others = PREDICTIONS.iter().chain(&READINGS).chain(&ENCODINGS);
            for name in learners.chain(others.map(|name| (*name).to_owned())) {
                println!("{name}");
            }
            Ok(())
        }
        Some(name) => match name.split(' ').collect::<Vec<_>>().as_slice() {
            ["fit", algorithm, task] => learn(algorithm, task, false),
            ["predict", algorithm, task] => learn(algorithm, task, true),
            ["read", format] => read(format),
            ["encode", how] => encode_columns(how),
            _ => Err(format!("no work is named {name}").into()),
        },
    }
}

/// Whose instructions are counted. It keeps a name of its own in the optimized program.
#[inline(never)]
fn the_work<T>(work: impl FnOnce() -> T) -> T {
    black_box(work())
}

/// Each learner by its first engine, for two classes and for numbers.
fn learners() -> impl Iterator<Item = (&'static str, &'static str)> {
    let mut seen = Vec::new();
    list().filter_map(move |(algorithm, _, task)| {
        let task = match task {
            Task::Binary => "classes",
            Task::Regression => "numbers",
            Task::Multiclass => return None,
        };
        if seen.contains(&(algorithm, task)) {
            return None;
        }
        seen.push((algorithm, task));
        Some((algorithm, task))
    })
}

/// Fits a learner and predicts the same rows: the one or the other is counted.
fn learn(algorithm: &str, task: &str, predicts: bool) -> Result<(), Box<dyn Error>> {
    let mut random = Random(7);
    let features = Features {
        columns: (0..COLUMNS)
            .map(|index| Feature {
                name: index.to_string(),
                kind: Kind::Number,
                values: (0..ROWS).map(|_| random.number()).collect(),
            })
            .collect(),
        rows: ROWS,
    };
    let value = |row: usize| {
        let of = |column: usize| features.columns[column].values[row];
        of(0) + of(1) * of(2) - of(3).abs()
    };
    let values: Vec<f32> = (0..ROWS)
        .map(|row| value(row) + random.number() / 2.0)
        .collect();
    let (task, target) = if task == "classes" {
        let codes = values.iter().map(|value| u32::from(*value > 0.0)).collect();
        (Task::Binary, Target::Classes { codes, classes: 2 })
    } else {
        (Task::Regression, Target::Number(values))
    };
    let parameters = match algorithm {
        "random_forest" | "extra_trees" | "xgboost" | "gradient_boosting" => "n_estimators = 10",
        "mlp" => "epochs = 5\nearly_stopping = false",
        _ => "",
    };
    let learner = configure(
        algorithm,
        None,
        task,
        &parameters.parse()?,
        Defaults::default(),
    )?;
    let training = Training {
        features: &features,
        target: &target,
        weights: None,
        seed: 1,
        progress: workload::learners::Progress::default(),
    };
    if predicts {
        let form = learner.fit(training)?.form;
        the_work(|| form.predict(&features));
    } else {
        the_work(|| learner.fit(training))?;
    }
    Ok(())
}

fn read(format: &str) -> Result<(), Box<dyn Error>> {
    let text = text(format)?;
    the_work(|| records::read(&text.as_bytes(), &records::Options::default()))?;
    Ok(())
}

fn encode_columns(how: &str) -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("rows.csv");
    std::fs::write(&path, text("csv")?)?;
    let Dataset { table, .. } = read_dataset(&path, Reading::default())?;
    let wants = Wants {
        imputed: how == "one-hot",
        scaled: how == "one-hot",
        one_hot: how == "one-hot",
    };
    the_work(|| encode_all(&table, wants));
    Ok(())
}

fn encode_all(table: &Table, wants: Wants) -> Features {
    let rows: Vec<u32> = (0..ROWS as u32).collect();
    let encoders: Vec<_> = table
        .names()
        .map(|name| {
            let source = NamedSource {
                name: name.to_owned(),
                source: Source::Column(name.to_owned()),
            };
            fit_encoder(table, &rows, &source, wants, 20)
        })
        .collect();
    encode(table, &encoders, Rows::new(&rows))
}

/// Numbers, some missing, a date and texts, as CSV or JSON.
fn text(format: &str) -> Result<String, Box<dyn Error>> {
    let mut random = Random(7);
    let mut text = String::new();
    if format == "csv" {
        text.push_str("day,kind,place,a,b,c,d\n");
    }
    for row in 0..ROWS {
        let day = format!("2024-{:02}-{:02}", row % 12 + 1, row % 28 + 1);
        let kind = ["new", "existing", "renewal"][row * 7 % 3];
        let place = format!("Place {}", row * row % 40);
        let [a, b, c] = [(); 3].map(|()| random.number());
        if format == "csv" {
            let d = if row % 9 == 0 {
                String::new()
            } else {
                row.to_string()
            };
            writeln!(text, "{day},{kind},{place},{a},{b},{c},{d}")?;
        } else {
            let d = if row % 9 == 0 {
                "null".to_owned()
            } else {
                row.to_string()
            };
            writeln!(
                text,
                r#"{{"day":"{day}","kind":"{kind}","in":{{"place":"{place}"}},"a":{a},"b":{b},"c":{c},"d":{d}}}"#
            )?;
        }
    }
    Ok(text)
}

/// Numbers around 0 with a deviation of about 1, always the same ones (xorshift, Marsaglia 2003).
struct Random(u64);

impl Random {
    fn number(&mut self) -> f32 {
        let mut sum = 0.0;
        for _ in 0..3 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            sum += (self.0 >> 40) as f32 / (1_u64 << 24) as f32;
        }
        2.0 * sum - 3.0
    }
}
