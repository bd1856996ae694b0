//! Any bytes are a table or an error, the same each time, and never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use records::{Options, Values, read};

fuzz_target!(|bytes: &[u8]| {
    let options = Options {
        max_bytes: 64 << 20,
        max_columns: 1_000,
        block_bytes: 64,
        ..Options::default()
    };
    let records = match read(&bytes, &options) {
        Ok(records) => records,
        Err(error) => {
            assert!(!error.message().is_empty() && !error.remedy().is_empty());
            return;
        }
    };
    for column in &records.columns {
        let rows = match &column.values {
            Values::Number { values, unfit } => {
                let missing = values.iter().filter(|value| value.is_nan()).count();
                assert!(
                    *unfit <= missing as u64 && values.iter().all(|value| !value.is_infinite())
                );
                values.len()
            }
            Values::Boolean(values) => values.len(),
            Values::Time { days, .. } => days.len(),
            Values::Text(text) => {
                let known =
                    |code: &u32| (*code as usize) < text.distinct.len() || *code == u32::MAX;
                assert!(text.codes.iter().all(known));
                text.codes.len()
            }
        };
        assert_eq!(rows, records.rows, "{}", column.name);
    }
    // NaN is not equal to itself, its text is.
    let again = read(&bytes, &options).map(|again| format!("{again:?}"));
    assert_eq!(again.ok(), Some(format!("{records:?}")));
});
