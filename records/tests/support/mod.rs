#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod thrift;

use records::{Floats, Options, ReadError, Records, Values, read};

pub fn ok(source: impl AsRef<[u8]>) -> Records {
    with(source, &Options::default())
}

pub fn with(source: impl AsRef<[u8]>, options: &Options) -> Records {
    match read(&source.as_ref(), options) {
        Ok(records) => records,
        Err(error) => panic!("{error}"),
    }
}

pub fn error(source: impl AsRef<[u8]>) -> ReadError {
    error_with(source, &Options::default())
}

pub fn error_with(source: impl AsRef<[u8]>, options: &Options) -> ReadError {
    match read(&source.as_ref(), options) {
        Ok(records) => panic!("{records:?}"),
        Err(error) => error,
    }
}

pub fn names(records: &Records) -> Vec<&str> {
    records
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect()
}

pub fn column<'r>(records: &'r Records, name: &str) -> &'r Values {
    let found = records.columns.iter().find(|column| column.name == name);
    match found {
        Some(column) => &column.values,
        None => panic!("no column {name} among {:?}", names(records)),
    }
}

/// Numbers, or days of dates and times; `None` is missing.
pub fn numbers(records: &Records, name: &str) -> Vec<Option<f32>> {
    let values = floats(records, name).iter();
    values
        .map(|value| (!value.is_nan()).then_some(value as f32))
        .collect()
}

/// The same, in the precision in which they are held.
pub fn floats<'r>(records: &'r Records, name: &str) -> &'r Floats {
    match column(records, name) {
        Values::Number { values, .. } | Values::Time { days: values, .. } => values,
        other => panic!("{name} is {other:?}"),
    }
}

pub fn unfit(records: &Records, name: &str) -> u64 {
    match column(records, name) {
        Values::Number { unfit, .. } => *unfit,
        other => panic!("{name} is {other:?}"),
    }
}

pub fn booleans(records: &Records, name: &str) -> Vec<Option<bool>> {
    match column(records, name) {
        Values::Boolean(values) => values.clone(),
        other => panic!("{name} is {other:?}"),
    }
}

pub fn text(records: &Records, name: &str) -> Vec<Option<String>> {
    match column(records, name) {
        Values::Text(text) => text
            .codes
            .iter()
            .map(|code| text.distinct.get(*code as usize).cloned())
            .collect(),
        other => panic!("{name} is {other:?}"),
    }
}

/// Text cells, an empty one for missing.
pub fn words(records: &Records, name: &str) -> Vec<String> {
    text(records, name)
        .into_iter()
        .map(Option::unwrap_or_default)
        .collect()
}
