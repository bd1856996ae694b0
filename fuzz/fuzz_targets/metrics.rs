//! Any bytes are metrics or one short line that says why not; metrics can be stored in a manifest and read from it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use runner::outputs::read::{METRICS_IN_MANIFEST, metrics};

fuzz_target!(|bytes: &[u8]| {
    let found = match metrics(bytes) {
        Ok(found) => found,
        Err(error) => {
            let problem = error.to_string();
            assert!(problem.chars().count() < 3_000);
            assert!(!problem.contains(char::is_control), "{problem:?}");
            return;
        }
    };
    let text = serde_json::to_vec(&found).expect("metrics are JSON");
    assert!(text.len() as u64 <= METRICS_IN_MANIFEST);
    assert_eq!(metrics(&text).expect("what was stored is read"), found);
});
