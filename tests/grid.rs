//! Many versions in one process are the versions that single runs would have made.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use support::{Ended, Runner, assert_whole, data, models, read_json};

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
    let model = |files: &Value| {
        let files = files.as_array().unwrap();
        files
            .iter()
            .find(|file| file["path"] == "model.json")
            .unwrap()
            .clone()
    };
    assert_eq!(model(&single.json()["files"]), model(&files["7.3"]));
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
