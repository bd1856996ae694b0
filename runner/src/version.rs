//! What this program was built from, for `runner --version --verbose`.

use std::fmt::Write;
use std::time::Duration;

use crate::sandbox::{Engine, EngineOptions};

/// CPUs that `runner compile --target` may know, as target triples and docs name them.
const TARGETS: [&str; 2] = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"];

/// 2026-11-01. What a development build is taken to be of: it is not told.
const DEVELOPMENT: Duration = Duration::from_secs(1_793_491_200);

/// The date of the sources that this program was built from, as time since 1970: that of the commit, which the recipe
/// that builds what is shipped gives in the variable that reproducible builds have for it.
#[must_use]
pub fn source_date() -> Duration {
    option_env!("SOURCE_DATE_EPOCH")
        .and_then(|seconds| seconds.parse().ok())
        .map_or(DEVELOPMENT, Duration::from_secs)
}

/// Lines of a name and what it is: commit, engine, features, the target that this runner was built for and those
/// that it compiles modules for.
#[must_use]
pub fn details() -> String {
    let mut lines = format!("runner {}\n", env!("CARGO_PKG_VERSION"));
    let mut line = |name: &str, what: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(lines, "{name:<9} {what}");
    };
    // Named by the recipe that builds what is shipped; a development build is of no commit.
    line(
        "commit",
        option_env!("NOMAD_RUNNER_COMMIT").unwrap_or("none: a development build"),
    );
    line("engine", &engine());
    line("features", &features().join(" "));
    line("target", &target());
    line("compiles", &compiles().join(" "));
    lines
}

fn engine() -> String {
    match Engine::new(&EngineOptions::default()) {
        Ok(engine) => format!("{} (also: the interpreter, pulley)", engine.describe()),
        Err(error) => error.to_string(),
    }
}

fn features() -> Vec<&'static str> {
    [
        ("azblob", cfg!(feature = "azblob")),
        ("s3", cfg!(feature = "s3")),
        ("score", cfg!(feature = "score")),
    ]
    .into_iter()
    .filter_map(|(name, on)| on.then_some(name))
    .collect()
}

fn target() -> String {
    let linked = if cfg!(target_feature = "crt-static") {
        "static"
    } else {
        "dynamic"
    };
    format!(
        "{}-{}, {linked}",
        std::env::consts::ARCH,
        std::env::consts::OS
    )
}

/// Those of [`TARGETS`] whose back end is in this build.
fn compiles() -> Vec<&'static str> {
    TARGETS
        .into_iter()
        .filter(|target| {
            let options = EngineOptions {
                target: Some((*target).to_owned()),
                ..EngineOptions::default()
            };
            Engine::new(&options).is_ok()
        })
        .collect()
}
