//! Many versions in one process are the versions that single runs would have made.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/http.rs"]
mod http;
mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use http::Server;
use rustix::process::Signal;
use serde_json::Value;
use support::{
    Ended, Runner, assemble, assert_whole, data, ends_within, files_below, models, read_json, send,
};

const GRID: &str = "target = \"diagnosis\"\nalgorithm = \"random_forest\"\n[split]\nvalidation = 0.2\n\
                    [params]\nn_estimators = 3\n[grid]\n\"params.max_depth\" = [2, 4]\n\"params.n_estimators\" = [3, 5]\n";

fn train() -> Runner {
    Runner::train()
        .arg("--data")
        .arg(data("breast_cancer.csv"))
        .file("y.toml", "target = \"diagnosis\"\n")
}

/// Files of each model by its version.
fn files_by_version(store: &Path) -> BTreeMap<String, Value> {
    models(store)
        .iter()
        .map(|model| {
            assert_whole(model);
            let manifest = read_json(&model.join("manifest.json"));
            (
                manifest["model_version"].as_str().unwrap().to_owned(),
                manifest["files"].clone(),
            )
        })
        .collect()
}

#[test]
fn each_point_of_a_grid_is_the_version_that_a_single_run_makes() {
    let ended = train()
        .file("grid.toml", GRID)
        .args([
            "--spec",
            "grid.toml",
            "--model-version",
            "7",
            "--store",
            "models",
        ])
        .run()
        .ends_with(0);
    let versions = ended.json()["versions"].as_array().unwrap().clone();
    assert_eq!(versions.len(), 4);
    let validation: Vec<f64> = versions
        .iter()
        .map(|version| {
            version["metrics"]["primary"]["validation"]
                .as_f64()
                .unwrap()
        })
        .collect();
    assert!(
        validation.is_sorted_by(|left, right| left >= right),
        "{validation:?}"
    );
    let files = files_by_version(&ended.path("models"));
    assert_eq!(
        files.keys().collect::<Vec<_>>(),
        ["7.1", "7.2", "7.3", "7.4"]
    );

    let point = GRID
        .split("[grid]")
        .next()
        .unwrap()
        .replace("n_estimators = 3\n", "n_estimators = 3\nmax_depth = 4\n");
    let single = train()
        .file("point.toml", &point)
        .args([
            "--spec",
            "point.toml",
            "--model-version",
            "7.3",
            "--store",
            "models",
        ])
        .run()
        .ends_with(0);
    assert_eq!(single.json()["files"], files["7.3"]);
}

#[test]
fn a_range_of_versions_is_trained_from_seeds_of_their_own() {
    let ended = train()
        .args([
            "--spec",
            "y.toml",
            "--versions",
            "1..6",
            "--jobs",
            "3",
            "--store",
            "models",
        ])
        .run()
        .ends_with(0);
    let many = files_by_version(&ended.path("models"));
    assert_eq!(many.len(), 6);
    let single = train()
        .args([
            "--spec",
            "y.toml",
            "--model-version",
            "4",
            "--store",
            "models",
        ])
        .run()
        .ends_with(0);
    assert_eq!(single.json()["files"], many["4"]);
}

#[test]
fn a_point_that_fails_leaves_the_others_whole_and_is_named() {
    let grid = "target = \"diagnosis\"\n[split]\nvalidation = 0.2\n[grid]\nalgorithm = [\"random_forest\", \"nonsense\"]\n";
    let ended = train()
        .file("grid.toml", grid)
        .args(["--spec", "grid.toml", "--store", "models"])
        .run()
        .ends_with(3);
    let ended = ended.says(["version 1.2", "nonsense"]);
    assert_eq!(files_by_version(&ended.path("models")).len(), 1);
}

#[test]
fn a_grid_that_could_only_choose_by_the_test_is_refused() {
    let grid = GRID.replace("validation = 0.2", "test = 0.2");
    train()
        .file("grid.toml", grid)
        .args(["--spec", "grid.toml"])
        .run()
        .ends_with(3)
        .says(["split.validation"]);
}

#[test]
fn a_second_run_continues_where_the_first_was_stopped() {
    let store = tempfile::tempdir().unwrap();
    let run = |versions: &str| -> Ended {
        train()
            .args(["--spec", "y.toml", "--versions", versions, "--store"])
            .arg(store.path())
            .run()
            .ends_with(0)
    };
    run("1..2");
    let result = run("1..4").json();
    let status = |version: &str| {
        let versions = result["versions"].as_array().unwrap();
        versions
            .iter()
            .find(|each| each["model_version"] == version)
            .unwrap()["status"]
            .clone()
    };
    assert_eq!(status("1"), "already_published");
    assert_eq!(status("3"), "published");
    assert_eq!(models(store.path()).len(), 4);
}

#[test]
fn the_data_is_fetched_once() {
    let server = Server::of(std::fs::read(data("breast_cancer.csv")).unwrap());
    Runner::train()
        .args(["--data", &server.url("/d.csv"), "--versions", "1..3"])
        .file("y.toml", "target = \"diagnosis\"\n")
        .args(["--spec", "y.toml", "--store", "models"])
        .run()
        .ends_with(0);
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn a_table_closes_the_run_with_the_best_by_validation_first() {
    let ended = Runner::new("run")
        .arg(support::workload())
        .arg("--data")
        .arg(data("breast_cancer.csv"))
        .file("grid.toml", GRID)
        .args(["--spec", "grid.toml", "--store", "models"])
        .run()
        .ends_with(0);
    let table = ended.stdout();
    let lines: Vec<&str> = table.lines().collect();
    let (header, rows) = (lines[0], &lines[1..5]);
    assert!(header.contains("validation") && header.contains("held-out roc_auc"));
    let validation =
        |row: &&str| -> f64 { row.split_whitespace().nth(1).unwrap().parse().unwrap() };
    assert!(rows.is_sorted_by_key(|row| -validation(row)), "{table}");
    assert!(rows.iter().any(|row| row.contains("params.max_depth = 4")));
    assert!(table.ends_with("4 published\n"), "{table}");
}

#[test]
fn what_was_finished_before_a_signal_stays_and_the_rest_follows() {
    let many = || {
        train()
            .file(
                "y.toml",
                "target = \"diagnosis\"\n[params]\nn_estimators = 20\n",
            )
            .args(["--spec", "y.toml", "--versions", "1..40", "--jobs", "2"])
    };
    let store = tempfile::tempdir().unwrap();
    let mut runner = many();
    runner.command.arg("--store").arg(store.path());
    runner.command.env("TMPDIR", runner.folder.path());
    let child = runner
        .command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while models(store.path()).len() < 3 {
        std::thread::sleep(Duration::from_millis(5));
    }
    send(&child, Signal::INT);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let finished = models(store.path());
    assert!((3..40).contains(&finished.len()), "{}", finished.len());
    finished.iter().for_each(|model| assert_whole(model));
    let left = files_below(runner.folder.path());
    let working = left.iter().filter(|file| file.starts_with(".run-"));
    assert_eq!(working.count(), 0, "{left:?}");

    let mut again = many();
    again.command.arg("--store").arg(store.path());
    let result = again.run().ends_with(0).json();
    let before = result["versions"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|version| version["status"] == "already_published");
    assert_eq!(before.count(), finished.len());
    assert_eq!(files_by_version(store.path()).len(), 40);
    assert_eq!(models(store.path()).len(), 40, "no version is there twice");
}

#[test]
fn a_task_with_little_memory_trains_fewer_versions_at_a_time() {
    train()
        .env("NOMAD_ALLOC_ID", "a")
        .env("NOMAD_MEMORY_LIMIT", "200")
        .args(["--spec", "y.toml", "--versions", "1..3", "--jobs", "3"])
        .args(["--memory", "64MiB", "--store", "models", "--allow-data"])
        .arg(data(""))
        .run()
        .ends_with(0)
        .says(["enough for 1 at a time, not 3"]);
}

#[test]
fn versions_of_a_grid_have_one_bound_together() {
    let ended = train()
        .file("grid.toml", GRID)
        .args(["--spec", "grid.toml", "--versions", "1..25001"])
        .run()
        .ends_with(2);
    ended.says(["25001 versions of a grid of 4 points", "--points"]);
}

/// A grid of nearly a hundred thousand points; `head` stands before it.
fn large_grid(head: &str) -> String {
    let list: Vec<String> = (1..=316).map(|number| number.to_string()).collect();
    let list = list.join(", ");
    format!(
        "{head}target = \"diagnosis\"\n[split]\nvalidation = 0.2\n[params]\nn_estimators = 2\n\
         [grid]\n\"params.max_depth\" = [{list}]\nseed = [{list}]\n"
    )
}

#[test]
fn of_a_large_grid_only_the_points_that_are_asked_for_are_made() {
    let started = Instant::now();
    let ended = train()
        .file("grid.toml", large_grid(&"# a comment\n".repeat(4000)))
        .args(["--spec", "grid.toml", "--points", "99856..99856"])
        .args(["--store", "models"])
        .run()
        .ends_with(0);
    assert_eq!(ended.json()["model_version"], "1.99856");
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[test]
fn more_specifications_than_a_process_holds_are_refused_by_the_bound() {
    let started = Instant::now();
    train()
        .file("grid.toml", large_grid(&"# a comment\n".repeat(4000)))
        .args(["--spec", "grid.toml"])
        .run()
        .ends_with(2)
        .says(["99856 models", "256 MiB is the most", "--points"]);
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_signal_is_heard_while_a_large_grid_is_laid_out() {
    let mut run = train()
        .file("grid.toml", large_grid(""))
        .args(["--spec", "grid.toml"]);
    let mut child = run.command.stdout(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let signalled = Instant::now();
    send(&child, Signal::INT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(signalled.elapsed() < Duration::from_secs(5));
}

/// The most memory that a process has had, in MiB.
fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let words = line.unwrap().split_whitespace().nth(1).unwrap();
    words.parse::<u64>().unwrap() >> 10
}

/// What waits for its turn takes no more than its place in the plan: 1.8 GB were taken once, and 0.26 now.
#[test]
fn a_hundred_thousand_versions_take_little_memory_while_they_wait() {
    let mut run = Runner::new("run")
        .arg("guest.wasm")
        .file("guest.wasm", assemble("keeps_the_contract"))
        .args(["--data", "rows.csv", "--out", "out", "--quiet"])
        .file("rows.csv", "x,y\n1,1\n2,2\n3,2\n")
        .file("grid.toml", large_grid(""))
        .args(["--spec", "grid.toml"]);
    let child = run.command.stdout(Stdio::null()).spawn().unwrap();
    let out = run.folder.path().join("out");
    let stored = || std::fs::read_dir(&out).map_or(0, Iterator::count);
    let started = Instant::now();
    while stored() < 700 && started.elapsed() < Duration::from_secs(240) {
        std::thread::sleep(Duration::from_millis(50));
    }
    let (peak, stored) = (peak(child.id()), stored());
    send(&child, Signal::INT);
    assert_eq!(ends_within(child, Duration::from_secs(20)), Some(130));
    assert!(stored >= 700, "{stored}");
    assert!(peak < 600, "{peak} MiB");
}
