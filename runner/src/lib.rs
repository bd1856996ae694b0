//! The host: arguments -> plan -> data -> sandbox -> outputs -> store. It trains nothing itself.

pub mod batch;
pub mod cli;
pub mod commands;
pub mod data;
pub mod digest;
pub mod dispatch;
pub mod error;
pub mod exit;
pub mod foreign;
pub mod json;
pub mod logging;
pub mod logline;
pub mod made;
pub mod names;
pub mod net;
pub mod nomad;
pub mod outputs;
pub mod plan;
pub mod platform;
pub mod policy;
pub mod predict;
pub mod registry;
pub mod report;
pub mod run;
pub mod sandbox;
pub mod score;
pub mod secret;
pub mod size;
pub mod stdout;
pub mod store;
pub mod timings;
pub mod version;
pub mod warnings;
pub mod workspace;

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
