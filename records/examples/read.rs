//! Reads a dataset and says what it is and how long that took: `cargo run --release --example read -- FILE`. Built
//! for WASI, it says so for a 32-bit guest.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use records::{Options, Values, read};

fn main() -> ExitCode {
    let Some(path) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: read FILE");
        return ExitCode::from(2);
    };
    let start = Instant::now();
    match read(&path, &Options::default()) {
        Ok(records) => {
            let seconds = start.elapsed().as_secs_f64();
            println!("{}: {} rows, {seconds:.3} s", records.format, records.rows);
            for column in &records.columns {
                println!("{}: {}", column.name, summary(&column.values));
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn summary(values: &Values) -> String {
    match values {
        Values::Number { values, unfit } => {
            let sum: f64 = values.iter().filter(|value| !value.is_nan()).sum();
            format!("number, sum {sum:.4}, {unfit} unfit")
        }
        Values::Boolean(values) => {
            format!(
                "boolean, {} true",
                values.iter().filter(|value| **value == Some(true)).count()
            )
        }
        Values::Time {
            has_time_of_day, ..
        } => {
            if *has_time_of_day {
                "timestamp".into()
            } else {
                "date".into()
            }
        }
        Values::Text(text) => format!("text, {} distinct", text.distinct.len()),
    }
}
