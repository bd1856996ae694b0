//! Any bytes are an error report or one short line that says why not; what a report shows is short plain lines. The same
//! bytes are warnings of a prediction, or another such line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use runner::foreign::MAX_LINE;
use runner::outputs::read::{error_report, prediction_warnings};

fuzz_target!(|bytes: &[u8]| {
    let texts = match error_report(bytes) {
        Ok(report) => [Some(report.message), report.column, report.remedy],
        Err(error) => [Some(error.to_string()), None, None],
    };
    let refused = prediction_warnings(bytes).err().map(|error| error.to_string());
    for text in texts.into_iter().flatten().chain(refused) {
        assert!(text.chars().count() < MAX_LINE + 500);
        assert!(!text.contains(char::is_control), "{text:?}");
        assert!(!text.contains(['\u{202e}', '\u{2066}', '\u{2028}']), "{text:?}");
    }
});
