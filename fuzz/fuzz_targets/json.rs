//! What another reader of JSON takes for an array of objects is one here, with as many rows.
#![no_main]

use libfuzzer_sys::fuzz_target;
use records::{Options, Problem, read};
use serde_json::{Map, Value};

fuzz_target!(|bytes: &[u8]| {
    let Ok(expected) = serde_json::from_slice::<Vec<Map<String, Value>>>(bytes) else {
        return;
    };
    match read(
        &bytes,
        &Options {
            block_bytes: 64,
            ..Options::default()
        },
    ) {
        Ok(records) => assert_eq!(records.rows, expected.len()),
        Err(error) => assert!(
            matches!(
                error.problem(),
                Problem::NoRows(_)
                    | Problem::NoColumns
                    | Problem::DuplicateColumn
                    | Problem::TooManyColumns { .. }
                    | Problem::JsonTooDeep { .. }
            ),
            "{error}"
        ),
    }
});
