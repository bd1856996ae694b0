//! One command trains, tests and stores a versioned model.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::Path;

use support::{Runner, assert_whole, data, files_below, models, read_json};

#[test]
fn raw_history_goes_in_and_an_immutable_model_comes_out() {
    let ended = Runner::train_sample()
        .args(["--model-version", "3", "--store", "file://./models"])
        .run()
        .ends_with(0);
    let result = ended.json();
    assert_eq!(result["status"], "published");
    assert_eq!(result["save_path"], "trainedWinPrediction");
    assert_eq!(result["model_version"], "3");
    let stored = models(&ended.path("models"));
    assert_eq!(stored.len(), 1);
    assert_whole(&stored[0]);
    let files = files_below(&stored[0]);
    for file in [
        "model.json",
        "metrics.json",
        "predictions.csv",
        "manifest.json",
    ] {
        assert!(
            files.iter().any(|found| found == file),
            "{file} is not in {files:?}"
        );
    }
    let metrics = &result["metrics"];
    let roc_auc = |of: &str| metrics[of]["roc_auc"].as_f64().unwrap();
    assert!(roc_auc("held_out") > 0.7, "{metrics:#}");
    assert!((roc_auc("baseline") - 0.5).abs() < 1e-9);
}

#[test]
fn a_person_gets_a_short_table_that_fits_eighty_columns() {
    let ended = Runner::new("run")
        .arg(support::workload())
        .arg("--data")
        .arg(data("opportunityHistory.json"))
        .arg("--spec")
        .arg(data("pipeline.toml"))
        .args(["--store", "file://./models", "--timings"])
        .run()
        .ends_with(0);
    let text = ended.stdout();
    for word in [
        "version", "rows", "features", "held out", "baseline", "roc_auc", "stored", "timings",
        "train",
    ] {
        assert!(text.contains(word), "{word:?} is not in:\n{text}");
    }
    let location = text
        .lines()
        .find(|line| line.starts_with("stored"))
        .unwrap();
    assert!(location.contains("file://"));
    for line in text.lines().filter(|line| !line.starts_with("stored")) {
        assert!(line.chars().count() <= 80, "{line:?}");
    }
}

#[test]
fn equal_inputs_give_equal_bytes_and_versions_differ_on_the_same_rows() {
    let train = |version: &str| {
        let ended = Runner::train_sample()
            .args(["--model-version", version, "--store", "models"])
            .run()
            .ends_with(0);
        let model = models(&ended.path("models")).remove(0);
        let files: Vec<_> = read_json(&model.join("manifest.json"))["files"]
            .as_array()
            .unwrap()
            .clone();
        let held_out: Vec<String> = std::fs::read_to_string(model.join("predictions.csv"))
            .unwrap()
            .lines()
            .map(|line| line.split(',').take(2).collect::<Vec<_>>().join(","))
            .collect();
        (files, held_out)
    };
    let (first, first_rows) = train("1");
    let (again, _) = train("1");
    let (second, second_rows) = train("2");
    assert_eq!(first, again);
    let model = |files: &[serde_json::Value]| {
        files
            .iter()
            .find(|file| file["path"] == "model.json")
            .unwrap()
            .clone()
    };
    assert_ne!(model(&first), model(&second));
    assert_eq!(first_rows, second_rows);
    assert!(first_rows.len() > 100);
}

#[test]
fn twenty_at_once_leave_twenty_complete_models() {
    let store = tempfile::tempdir().unwrap();
    let mut running = Vec::new();
    for version in 1..=20 {
        let mut runner =
            Runner::train_sample().args(["--model-version", &version.to_string(), "--store"]);
        runner.command.arg(store.path());
        runner
            .command
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null());
        running.push((runner.command.spawn().unwrap(), runner.folder));
    }
    for (mut child, _folder) in running {
        assert!(child.wait().unwrap().success());
    }
    let stored = models(store.path());
    assert_eq!(stored.len(), 20);
    stored.iter().for_each(|model| assert_whole(model));
}

#[test]
fn under_nomad_no_flag_is_needed() {
    let alloc = tempfile::tempdir().unwrap();
    let task = tempfile::tempdir().unwrap();
    std::fs::copy(
        data("opportunityHistory.json"),
        task.path().join("history.json"),
    )
    .unwrap();
    std::fs::copy(data("pipeline.toml"), task.path().join("pipeline.toml")).unwrap();
    let ended = Runner::train()
        .env("NOMAD_ALLOC_ID", "3f1c7a52-8f0c-4c61-8f73-0a4d2f6f7b11")
        .env("NOMAD_ALLOC_INDEX", "0")
        .env(
            "NOMAD_JOB_ID",
            "sales-close-prediction/dispatch-1700000000-abcdef01",
        )
        .env("NOMAD_ALLOC_DIR", alloc.path())
        .env("NOMAD_TASK_DIR", task.path())
        .env("NOMAD_MEMORY_LIMIT", "1024")
        .env("NOMAD_META_save_path", "trainedWinPrediction")
        .env("NOMAD_META_model_version", "7")
        .env(
            "NOMAD_META_data_url",
            format!("file://{}", task.path().join("history.json").display()),
        )
        .env("NOMAD_META_data_path", "./opportunityHistory.json")
        .env("NOMAD_META_prediction_path", "./predictions.txt")
        .env("NOMAD_META_batch_size", "")
        .env("NOMAD_META_epochs", "")
        .run()
        .ends_with(0);
    let name = "trainedWinPrediction_v7_3f1c7a52-8f0c-4c61-8f73-0a4d2f6f7b11";
    let model = alloc.path().join("models").join(name);
    assert_whole(&model);
    assert!(model.join("predictions.txt").exists());
    let result = ended.json();
    assert_eq!(result["status"], "kept");
    assert_eq!(result["name"], name);
    assert_eq!(
        result["nomad"]["job_id"],
        "sales-close-prediction/dispatch-1700000000-abcdef01"
    );
    assert_eq!(result["parameters"], serde_json::json!({}));
    assert_no_leftovers(&alloc.path().join("models"));
}

#[test]
fn the_same_allocation_again_finds_its_model() {
    let train = |folder: &Path| {
        Runner::train_sample()
            .env("NOMAD_ALLOC_ID", "3f1c7a52-8f0c-4c61-8f73-0a4d2f6f7b11")
            .arg("--allow-data")
            .arg(support::root())
            .arg("--out")
            .arg(folder)
            .run()
            .ends_with(0)
            .json()
    };
    let folder = tempfile::tempdir().unwrap();
    let (first, again) = (train(folder.path()), train(folder.path()));
    assert_eq!(first["files"], again["files"]);
    assert_eq!(models(folder.path()).len(), 1);
}

#[test]
fn a_version_that_misses_its_gate_is_kept_to_look_at_and_not_published() {
    let strict = support::sample_specification().replace("roc_auc = 0.7", "roc_auc = 0.99");
    let ended = Runner::train_sample()
        .file("sample.toml", strict)
        .args(["--store", "models"])
        .run()
        .ends_with(5)
        .says(["not published", "roc_auc >= 0.9900"]);
    assert_eq!(ended.json()["status"], "gate_not_met");
    assert!(models(&ended.path("models")).is_empty());
    let kept = ended.json()["location"].as_str().unwrap().to_owned();
    assert_whole(&ended.folder.path().join(kept));
    let name = ended.json()["name"].as_str().unwrap().to_owned();
    let record = ended.path(&format!("models/_rejected/{name}.json"));
    assert_eq!(read_json(&record)["metrics"]["gates"][0]["met"], false);
    let listed = then(
        &ended,
        &["list", "--rejected", "--json", "--store", "models"],
        0,
    );
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["models"][0]["name"], name.as_str());
}

/// Another command in the same folder.
#[track_caller]
fn then(ended: &support::Ended, args: &[&str], code: i32) -> String {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_runner"))
        .env_clear()
        .current_dir(ended.folder.path())
        .args(args)
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// Trains in a second.
fn small() -> Runner {
    Runner::train()
        .arg("--data")
        .arg(data("breast_cancer.csv"))
        .file(
            "y.toml",
            "target = \"diagnosis\"\n[gate]\nroc_auc = 0.9999\n",
        )
        .args(["--spec", "y.toml"])
}

#[test]
fn a_deferred_gate_is_left_to_push() {
    let ended = small().arg("--defer-gate").run().ends_with(0);
    assert_eq!(ended.json()["status"], "kept");
    let name = ended.json()["name"].as_str().unwrap().to_owned();
    assert_whole(&ended.path("runs").join(&name));
    then(&ended, &["push", "runs", "--store", "models"], 5);
    assert!(models(&ended.path("models")).is_empty());
    assert!(
        ended
            .path(&format!("models/_rejected/{name}.json"))
            .exists()
    );
}

#[test]
fn module_and_wanted_data_lie_beside_the_models_once() {
    let ended = small()
        .file("y.toml", "target = \"diagnosis\"\n")
        .args(["--versions", "1..2", "--keep-data", "--store", "models"])
        .run()
        .ends_with(0);
    let stored = models(&ended.path("models"));
    assert_eq!(stored.len(), 2);
    let manifest = read_json(&stored[0].join("manifest.json"));
    let digest = |of: &str| manifest[of]["sha256"].as_str().unwrap().to_owned();
    let same = |stored: String, original: &Path| {
        let stored = std::fs::read(ended.path("models").join(stored)).unwrap();
        assert!(stored == std::fs::read(original).unwrap());
    };
    same(
        format!("_modules/{}.wasm", digest("module")),
        &support::workload(),
    );
    same(
        format!("_data/{}", digest("data")),
        &data("breast_cancer.csv"),
    );
    for shared in ["_modules", "_data"] {
        assert_eq!(files_below(&ended.path("models").join(shared)).len(), 1);
    }
    // Off by default.
    let without = small()
        .file("y.toml", "target = \"diagnosis\"\n")
        .args(["--store", "models"])
        .run()
        .ends_with(0);
    assert!(!without.path("models/_data").exists());
}

#[test]
fn a_snapshot_is_trained_on_by_its_address() {
    let snapshot = Runner::new("snapshot")
        .arg(data("breast_cancer.csv"))
        .args(["--store", "store"])
        .run()
        .ends_with(0);
    let url = snapshot.stdout().trim().to_owned();
    let ended = Runner::train()
        .args(["--data", &url])
        .file("y.toml", "target = \"diagnosis\"\n")
        .args(["--spec", "y.toml"])
        .run()
        .ends_with(0);
    let sha256 = ended.json()["data"]["sha256"].as_str().unwrap().to_owned();
    assert!(url.ends_with(&format!("_data/{sha256}")), "{url}");
}

#[test]
fn without_a_store_the_model_stays_under_runs() {
    let ended = Runner::train_sample().run().ends_with(0);
    let kept = models(&ended.path("runs"));
    assert_eq!(kept.len(), 1);
    assert_whole(&kept[0]);
    assert_no_leftovers(&ended.path("runs"));
}

#[test]
fn names_and_paths_that_could_leave_their_folder_are_refused() {
    for (flag, value) in [
        ("--save-path", "../models"),
        ("--model-version", "_aliases"),
        ("--data-path", "/etc/passwd"),
        ("--data-path", "a/../../b"),
        ("--prediction-path", "../predictions.txt"),
        ("--env", "SEED=1"),
        ("--env", "novalue"),
        ("--tag", "=x"),
    ] {
        let ended = Runner::train_sample()
            .args([flag, value])
            .run()
            .ends_with(2)
            .says([flag]);
        assert_eq!(ended.stdout(), "");
        assert!(!ended.path("runs").exists());
    }
}

#[test]
fn no_data_is_a_wrong_command_that_says_what_is_missing() {
    Runner::train()
        .run()
        .ends_with(2)
        .says(["--data", "NOMAD_META_data_url"]);
}

#[test]
fn a_flag_beats_the_specification_which_beats_nomads_variable() {
    let seed_of = |runner: Runner| {
        runner
            .arg("--data")
            .arg(data("breast_cancer.csv"))
            .run()
            .ends_with(0)
            .json()
    };
    let specified = || {
        Runner::train()
            .file("pipeline.toml", "target = \"diagnosis\"\nseed = 7\n")
            .args(["--spec", "pipeline.toml"])
    };
    assert_eq!(seed_of(specified())["metrics"]["seed"], 7);
    assert_eq!(
        seed_of(specified().args(["--seed", "11"]))["metrics"]["seed"],
        11
    );
}

/// Nothing but models and the module that trained them: no working folder of ours is left.
#[track_caller]
fn assert_no_leftovers(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let shared = path.ends_with("_modules") || path.ends_with("_tmp");
        assert!(
            shared || path.join("manifest.json").exists(),
            "{} was left behind",
            path.display()
        );
    }
}
