//! Any text is a specification or an error with a line, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use workload::specification::Specification;

fuzz_target!(|text: &str| {
    if let Err(error) = Specification::parse(text) {
        assert!(!error.to_string().is_empty() && !error.remedy().is_empty());
    }
});
