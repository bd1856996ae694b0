//! Any bytes behind the magic of Parquet are a table or an error, the same each time, and never a panic. A footer is put
//! behind bytes that have none, so that the fuzzer need not find out how long its own is.
#![no_main]

use libfuzzer_sys::fuzz_target;
use records::{Options, Values, read};

fuzz_target!(|bytes: &[u8]| {
    let options = Options {
        max_bytes: 16 << 20,
        max_columns: 1_000,
        ..Options::default()
    };
    let mut file = bytes.to_vec();
    if !bytes.ends_with(b"PAR1") {
        let footer = bytes.first().map_or(0, |length| usize::from(*length) * 4);
        let length = (footer.min(bytes.len()) as u32).to_le_bytes();
        file = [b"PAR1", bytes, &length, b"PAR1"].concat();
    }
    let records = match read(&file, &options) {
        Ok(records) => records,
        Err(error) => {
            assert!(!error.message().is_empty() && !error.remedy().is_empty());
            return;
        }
    };
    for column in &records.columns {
        let rows = match &column.values {
            Values::Number { values, .. } | Values::Time { days: values, .. } => values.len(),
            Values::Boolean(values) => values.len(),
            Values::Text(text) => text.codes.len(),
        };
        assert_eq!(rows, records.rows, "{}", column.name);
    }
    let again = read(&file, &options).map(|again| format!("{again:?}"));
    assert_eq!(again.ok(), Some(format!("{records:?}")));
});
