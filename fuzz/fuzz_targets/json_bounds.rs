//! Any bytes are JSON to what looks through a document before it is parsed exactly when they are to its parser, however
//! they are cut into pieces; and whatever is within the bounds has the depth and the values that they allow.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::io::BufReader;

use runner::json::{Bounds, Validator, number};
use serde::de::IgnoredAny;

const WIDE: Bounds = Bounds {
    bytes: u64::MAX,
    depth: usize::MAX,
    values: u64::MAX,
};
const NARROW: Bounds = Bounds {
    bytes: 1 << 20,
    depth: 6,
    values: 20,
};

fuzz_target!(|bytes: &[u8]| {
    let is_json = |size: usize| {
        let mut validator = Validator::new(&WIDE);
        let mut pieces = bytes.chunks(size);
        pieces.all(|piece| validator.feed(piece).is_ok()) && validator.finish().is_ok()
    };
    let whole = is_json(bytes.len().max(1));
    assert_eq!(is_json(1), whole);
    assert_eq!(is_json(7), whole);
    assert_eq!(serde_json::from_slice::<IgnoredAny>(bytes).is_ok(), whole);
    let found = |size: usize| number(BufReader::with_capacity(size, bytes), "a", &WIDE).map_err(|_| ());
    let number = found(bytes.len().max(1));
    assert_eq!(found(1), number);
    // A value is not as deep, and its numbers are not as large.
    if let Ok(value) = serde_json::from_slice::<serde_json::Value>(bytes) {
        let fields = value.as_object();
        match number {
            Ok(None) => assert!(fields.is_none_or(|fields| !fields.contains_key("a"))),
            _ => assert!(fields.is_some_and(|fields| fields.contains_key("a"))),
        }
    }
    if let Ok(value) = NARROW.parse::<serde_json::Value>(bytes) {
        assert!(depth(&value) <= NARROW.depth);
    }
});

fn depth(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::Array(values) => 1 + values.iter().map(depth).max().unwrap_or(0),
        serde_json::Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}
