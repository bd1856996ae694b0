//! The host: arguments -> plan -> data -> sandbox -> outputs -> store. It trains nothing itself.

pub mod batch;
pub mod cli;
pub mod commands;
pub mod data;
pub mod digest;
pub mod dispatch;
pub mod error;
pub mod exit;
pub mod logging;
pub mod made;
pub mod names;
pub mod net;
pub mod nomad;
pub mod outputs;
pub mod plan;
pub mod policy;
pub mod predict;
pub mod registry;
pub mod report;
pub mod run;
pub mod sandbox;
pub mod score;
pub mod secret;
pub mod size;
pub mod store;
pub mod timings;
pub mod version;
pub mod workspace;

/// Text that does nothing to a terminal: what a module, a dataset or a manifest says is shown, and moves no cursor.
#[must_use]
pub fn harmless(text: &str) -> String {
    text.chars()
        .map(|each| match each {
            '\n' | '\t' => each,
            each if each.is_control() => char::REPLACEMENT_CHARACTER,
            each => each,
        })
        .collect()
}

/// Lower-case hexadecimal, as digests are written everywhere.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_others_wrote_moves_no_cursor() {
        assert_eq!(
            super::harmless("a\tb\n\x1b[2J\r\u{9b}"),
            "a\tb\n\u{fffd}[2J\u{fffd}\u{fffd}"
        );
    }
}
