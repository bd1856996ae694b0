//! What the runner says of itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::Runner;

#[test]
fn the_version_is_one_line() {
    let ended = Runner::new("--version").run().ends_with(0);
    assert_eq!(
        ended.stdout(),
        format!("runner {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn with_verbose_it_names_commit_engine_features_and_targets() {
    let text = Runner::new("--version")
        .arg("--verbose")
        .run()
        .ends_with(0)
        .stdout();
    let names: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(
        names,
        [
            "runner", "commit", "engine", "features", "target", "compiles"
        ],
        "{text}"
    );
    let own = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    assert!(
        text.lines().last().unwrap().contains(&own),
        "{own} is not among what it compiles for:\n{text}"
    );
    assert!(text.lines().all(|line| line.len() <= 80), "{text}");
    let features = text.lines().find_map(|line| line.strip_prefix("features"));
    let scores = features
        .unwrap()
        .split_whitespace()
        .any(|name| name == "score");
    assert_eq!(scores, cfg!(feature = "score"), "{text}");
}
