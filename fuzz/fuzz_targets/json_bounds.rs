//! Any bytes are JSON to what looks through a document before it is parsed exactly when they are to its parser, however
//! they are cut into pieces; and whatever is within the bounds has the depth and the values that they allow.
#![no_main]

use libfuzzer_sys::fuzz_target;
use runner::json::{Bounds, Validator};
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
