//! Any bytes are check rows or one short line that says why not; check rows have one length, which is bounded.
#![no_main]

use contract::CheckValues;
use libfuzzer_sys::fuzz_target;
use runner::outputs::read::{CHECK, MAX_CHECK_ROWS, check};

fuzz_target!(|bytes: &[u8]| {
    let rows = match check(bytes, &CHECK) {
        Ok(rows) => rows,
        Err(error) => {
            let problem = error.to_string();
            assert!(problem.chars().count() < 3_000);
            assert!(!problem.contains(char::is_control), "{problem:?}");
            return;
        }
    };
    let columns = rows.columns.iter().map(|column| match &column.values {
        CheckValues::Number(values) => values.len(),
        CheckValues::Text(values) => values.len(),
    });
    let results = [
        rows.labels.len(),
        rows.probabilities.len(),
        rows.predictions.len(),
    ];
    let lengths: Vec<usize> = columns
        .chain(results.into_iter().filter(|length| *length > 0))
        .collect();
    assert!(lengths.iter().all(|length| *length == lengths[0] && *length <= MAX_CHECK_ROWS));
});
