//! Any bytes are an error report or one short line that says why not; what a report shows is short plain lines.
#![no_main]

use libfuzzer_sys::fuzz_target;
use runner::foreign::MAX_LINE;
use runner::outputs::read::error_report;

fuzz_target!(|bytes: &[u8]| {
    let texts = match error_report(bytes) {
        Ok(report) => [Some(report.message), report.column, report.remedy],
        Err(error) => [Some(error.to_string()), None, None],
    };
    for text in texts.into_iter().flatten() {
        assert!(text.chars().count() < MAX_LINE + 500);
        assert!(!text.contains(char::is_control), "{text:?}");
        assert!(!text.contains(['\u{202e}', '\u{2066}', '\u{2028}']), "{text:?}");
    }
});
