//! `runner dispatch` against a small Nomad on loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "dispatch/again.rs"]
mod again;
#[path = "support/model.rs"]
mod model;
#[path = "support/nomad/mod.rs"]
mod nomad;
mod support;
#[path = "dispatch/waiting.rs"]
mod waiting;

use std::os::unix::process::CommandExt;
use std::process::Stdio;

use nomad::{Fate, Fault, Nomad};
use support::Runner;

/// `runner dispatch --json` with all that the job requires but the versions.
fn dispatch(nomad: &Nomad) -> Runner {
    bare(nomad)
        .args(["--data", "https://data.example.com/history.json?key=1"])
        .args(["--gcp-bucket-path", "models", "--json"])
}

fn bare(nomad: &Nomad) -> Runner {
    Runner::new("dispatch").env("NOMAD_ADDR", &nomad.address)
}

const GRID: &str = "target = \"IsWon\"\n[split]\nvalidation = 0.2\n[grid]\n\"params.n_trees\" = [5, 10, 20, 40, 80]\n";

#[test]
fn a_range_of_versions_is_dispatched_each_once_with_the_keys_of_the_job() {
    let nomad = Nomad::start();
    let ended = dispatch(&nomad)
        .args(["--versions", "1..5", "--epochs", "3"])
        .run()
        .ends_with(0);
    assert_eq!(ended.json()["dispatched"].as_array().unwrap().len(), 5);
    assert_eq!(nomad.versions(), ["1", "2", "3", "4", "5"]);
    let state = nomad.state();
    let meta = &state.children[0].meta;
    assert_eq!(meta["data_path"], "history.json");
    assert_eq!(
        meta["data_url"],
        "https://data.example.com/history.json?key=1"
    );
    assert_eq!(meta["save_path"], "model");
    assert_eq!(meta["prediction_path"], "predictions.csv");
    assert_eq!(meta["epochs"], "3");
    assert!(!meta.contains_key("batch_size"));
}

#[test]
fn the_same_command_again_dispatches_nothing_twice() {
    let nomad = Nomad::start();
    dispatch(&nomad)
        .args(["--versions", "1..3"])
        .run()
        .ends_with(0);
    let again = dispatch(&nomad)
        .args(["--versions", "1..5"])
        .run()
        .ends_with(0)
        .json();
    let already: Vec<bool> = again["dispatched"]
        .as_array()
        .unwrap()
        .iter()
        .map(|each| each["already"].as_bool().unwrap())
        .collect();
    assert_eq!(already, [true, true, true, false, false]);
    assert_eq!(nomad.versions(), ["1", "2", "3", "4", "5"]);
    dispatch(&nomad)
        .args(["--versions", "1..1", "--campaign", "anew"])
        .run()
        .ends_with(0);
    assert_eq!(nomad.versions().len(), 6);
}

#[test]
fn no_more_dispatches_are_unfinished_than_the_window_allows() {
    let nomad = Nomad::start();
    dispatch(&nomad)
        .args(["--versions", "1..9", "--window", "4"])
        .run()
        .ends_with(0);
    assert_eq!(nomad.versions().len(), 9);
    assert_eq!(nomad.state().most_unfinished, 4);
}

#[test]
fn stopped_and_given_again_it_goes_on_where_it_was() {
    let nomad = Nomad::start();
    nomad.state().fates.insert("4".to_owned(), Fate::Runs);
    let mut first = dispatch(&nomad).args(["--versions", "1..8", "--window", "1"]);
    let child = first
        .command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap();
    while nomad.versions().len() < 4 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert!(
        stderr.contains("4 of 8 are dispatched and go on in Nomad"),
        "{stderr}"
    );

    nomad.state().fates.clear();
    dispatch(&nomad)
        .args(["--versions", "1..8", "--window", "1"])
        .run()
        .ends_with(0);
    assert_eq!(nomad.versions(), ["1", "2", "3", "4", "5", "6", "7", "8"]);
}

#[test]
fn each_point_of_a_grid_becomes_a_version_or_slices_of_it_an_allocation() {
    let nomad = Nomad::start();
    dispatch(&nomad)
        .file("grid.toml", GRID)
        .args(["--spec", "grid.toml", "--model-version", "7"])
        .run()
        .ends_with(0);
    let points = |nomad: &Nomad| -> Vec<(String, String)> {
        let state = nomad.state();
        state
            .children
            .iter()
            .map(|child| {
                (
                    child.meta["model_version"].clone(),
                    child.meta["points"].clone(),
                )
            })
            .collect()
    };
    let seven = |points: &str| ("7".to_owned(), points.to_owned());
    assert_eq!(
        points(&nomad),
        [
            seven("1..1"),
            seven("2..2"),
            seven("3..3"),
            seven("4..4"),
            seven("5..5")
        ]
    );
    assert_eq!(nomad.state().children[0].payload, GRID.as_bytes());

    let nomad = Nomad::start();
    let ended = dispatch(&nomad)
        .file("grid.toml", GRID)
        .args([
            "--spec",
            "grid.toml",
            "--model-version",
            "7",
            "--per-allocation",
            "2",
        ])
        .run()
        .ends_with(0);
    assert_eq!(
        points(&nomad),
        [seven("1..2"), seven("3..4"), seven("5..5")]
    );
    assert_eq!(
        ended.json()["dispatched"][0]["versions"],
        serde_json::json!(["7.1", "7.2"])
    );
}

#[test]
fn versions_are_dealt_out_to_the_regions_in_turn() {
    let nomad = Nomad::start();
    dispatch(&nomad)
        .args([
            "--versions",
            "1..4",
            "--region",
            "europe",
            "--region",
            "america",
        ])
        .run()
        .ends_with(0);
    let state = nomad.state();
    let of = |region: &str| -> Vec<&str> {
        let there = state.children.iter().filter(|child| child.region == region);
        there
            .map(|child| child.meta["model_version"].as_str())
            .collect()
    };
    assert_eq!(of("europe"), ["1", "3"]);
    assert_eq!(of("america"), ["2", "4"]);
}

#[test]
fn a_plan_shows_what_would_be_dispatched_and_does_nothing() {
    let nomad = Nomad::start();
    let ended = dispatch(&nomad)
        .args(["--versions", "1..3", "--plan"])
        .run()
        .ends_with(0)
        .json();
    let dispatches = ended["dispatches"].as_array().unwrap();
    assert_eq!(dispatches.len(), 3);
    assert_eq!(dispatches[2]["meta"]["model_version"], "3");
    assert!(nomad.versions().is_empty());
    assert!(
        nomad
            .state()
            .seen
            .iter()
            .all(|request| request.method == "GET")
    );
}

#[test]
fn a_job_that_is_registered_again_half_way_is_noticed() {
    let nomad = Nomad::start();
    nomad.state().register_after = Some(2);
    let ended = dispatch(&nomad).args(["--versions", "1..5"]).run();
    let ended = ended.ends_with(19).says([
        "registered again",
        "version 4, not 3",
        "2 of these versions",
        "2 of 5 are dispatched and go on in Nomad",
        "--job-version 4",
    ]);
    assert!(
        !ended.stderr().contains("the same command"),
        "it would be refused again: {}",
        ended.stderr()
    );
    assert_eq!(nomad.versions(), ["1", "2"]);

    // What was dispatched before was of another version: that is said, too, until it is said to be meant.
    let ended = dispatch(&nomad).args(["--versions", "1..5"]).run();
    ended.ends_with(19).says([
        "version 1 was dispatched of another version of job",
        "--job-version 4",
    ]);
    dispatch(&nomad)
        .args(["--versions", "1..5", "--job-version", "4"])
        .run()
        .ends_with(0);
    assert_eq!(nomad.versions(), ["1", "2", "3", "4", "5"]);
}

#[test]
fn another_version_of_the_job_than_was_asked_for_is_named() {
    let nomad = Nomad::start();
    let ended = dispatch(&nomad).args(["--job-version", "9"]).run();
    let ended = ended
        .ends_with(19)
        .says(["has version 3", "not 9", "--job-version"]);
    assert!(!ended.stderr().contains("again in"), "{}", ended.stderr());
    assert!(nomad.versions().is_empty());
}

#[test]
fn a_priority_is_passed_on_and_makes_no_other_work() {
    let nomad = Nomad::start();
    dispatch(&nomad)
        .args(["--priority", "70"])
        .run()
        .ends_with(0);
    dispatch(&nomad)
        .args(["--versions", "1..2"])
        .run()
        .ends_with(0);
    let priorities: Vec<Option<u64>> = {
        let state = nomad.state();
        state.children.iter().map(|child| child.priority).collect()
    };
    assert_eq!(priorities, [Some(70), None]);
}

#[test]
fn requests_name_the_namespace_and_a_long_name_is_shortened_in_messages() {
    let nomad = Nomad::start();
    let trained = dispatch(&nomad).env("NOMAD_NAMESPACE", "training");
    trained.run().ends_with(0);
    let namespaces: Vec<String> = {
        let state = nomad.state();
        state
            .seen
            .iter()
            .map(|request| request.query["namespace"].clone())
            .collect()
    };
    assert!(
        namespaces.iter().all(|namespace| namespace == "training"),
        "{namespaces:?}"
    );
    let long = format!("sales-{}-prediction", "x".repeat(5_000));
    let ended = dispatch(&nomad).arg(&long).run().ends_with(19);
    let message = ended.stderr();
    assert!(
        message.contains("sales-x") && message.contains("x-prediction"),
        "{message}"
    );
    assert!(message.len() < 400, "{message}");
}

#[test]
fn a_server_that_was_away_is_waited_for_and_mentioned() {
    let nomad = Nomad::start();
    nomad.fault(6, "POST", Fault::LostResponse);
    // Started again, it does not know its tokens at first.
    nomad.fault(2, "POST", Fault::Status(403));
    let ended = dispatch(&nomad)
        .args(["--versions", "1..2"])
        .run()
        .ends_with(0);
    ended.says(["does not answer any more", "and answers again"]);
    assert_eq!(nomad.versions(), ["1", "2"]);
}

#[test]
fn a_job_that_is_registered_again_unchanged_does_not_matter() {
    let nomad = Nomad::start();
    dispatch(&nomad)
        .args(["--versions", "1..2"])
        .run()
        .ends_with(0);
    nomad.state().register_the_same();
    dispatch(&nomad)
        .args(["--versions", "1..3"])
        .run()
        .ends_with(0);
    assert_eq!(nomad.versions(), ["1", "2", "3"]);
}

#[test]
fn an_answer_that_is_lost_or_an_error_that_passes_leads_to_no_second_dispatch() {
    let nomad = Nomad::start();
    nomad.fault(2, "POST", Fault::LostResponse);
    nomad.fault(2, "POST", Fault::Status(500));
    nomad.fault(1, "GET", Fault::Status(429));
    dispatch(&nomad)
        .args(["--versions", "1..4"])
        .run()
        .ends_with(0);
    assert_eq!(nomad.versions(), ["1", "2", "3", "4"]);
}

#[test]
fn keys_that_are_missing_or_unknown_are_named_before_anything_is_dispatched() {
    let nomad = Nomad::start();
    let ended = bare(&nomad)
        .args(["--versions", "1..3"])
        .run()
        .ends_with(19);
    ended.says([
        "needs data_path (--data-path), data_url (--data), gcp_bucket_path (--gcp-bucket-path)",
    ]);
    let ended = dispatch(&nomad)
        .args(["--meta", "epoch=3"])
        .run()
        .ends_with(19);
    ended.says(["does not know epoch"]);
    assert!(nomad.versions().is_empty());
}

#[test]
fn what_is_wrong_with_the_command_is_said_without_asking_nomad() {
    let nomad = Nomad::start();
    let wrong = |runner: Runner, says: &str| {
        runner.run().ends_with(2).says([says]);
    };
    wrong(dispatch(&nomad).args(["--versions", "5..1"]), "FIRST..LAST");
    wrong(
        dispatch(&nomad).args(["--per-allocation", "2"]),
        "there is none: give --spec a file with [grid]",
    );
    wrong(dispatch(&nomad).args(["--meta", "epochs"]), "KEY=VALUE");
    wrong(dispatch(&nomad).args(["--save-path", "a/b"]), "--save-path");
    wrong(
        dispatch(&nomad).args(["--address", "nomad:4646"]),
        "--address",
    );
    let long = format!("# {}\n", "x".repeat(17_000));
    wrong(
        dispatch(&nomad)
            .file("long.toml", long)
            .args(["--spec", "long.toml"]),
        "at most 16384",
    );
    dispatch(&nomad)
        .args(["--spec", "no.toml"])
        .run()
        .ends_with(3)
        .says(["cannot read the specification no.toml"]);
    assert!(nomad.state().seen.is_empty());
}

#[test]
fn a_token_that_may_not_dispatch_is_told_which_right_it_lacks() {
    let nomad = Nomad::start();
    nomad.state().token = Some("secret".to_owned());
    let ended = dispatch(&nomad)
        .env("NOMAD_TOKEN", "other")
        .run()
        .ends_with(19);
    let ended = ended.says(["NOMAD_TOKEN", "read-job", "namespace default"]);
    assert!(!ended.stderr().contains("other"), "the token was shown");
    dispatch(&nomad)
        .env("NOMAD_TOKEN", "secret")
        .run()
        .ends_with(0);
    assert_eq!(nomad.versions(), ["1"]);
}

#[test]
fn a_snapshot_is_taken_once_and_its_digest_is_dispatched() {
    let nomad = Nomad::start();
    let store = tempfile::TempDir::new().unwrap();
    let snapshot = |versions: &str| {
        bare(&nomad)
            .file("history.csv", "a,b\n1,2\n")
            .args(["--data", "history.csv", "--snapshot", "--json"])
            .args(["--gcp-bucket-path", "models", "--versions", versions])
            .arg("--store")
            .arg(store.path())
    };
    let planned = snapshot("1..2").arg("--plan").run().ends_with(0).json();
    let url = planned["dispatches"][0]["meta"]["data_url"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        url.starts_with(&format!("file://{}/_data/", store.path().display())),
        "{url}"
    );
    assert_eq!(
        std::fs::read_dir(store.path()).unwrap().count(),
        0,
        "a plan stored something"
    );

    snapshot("1..2").run().ends_with(0);
    let again = snapshot("1..3").run().ends_with(0).json();
    assert_eq!(nomad.versions(), ["1", "2", "3"]);
    assert_eq!(again["dispatched"][1]["already"], true);
    for child in &nomad.state().children {
        assert_eq!(child.meta["data_url"], url);
        assert_eq!(child.meta["data_path"], "history.csv");
    }
    let kept = std::fs::read(url.trim_start_matches("file://")).unwrap();
    assert_eq!(kept, b"a,b\n1,2\n");
    let count = std::fs::read_dir(store.path().join("_data"))
        .unwrap()
        .count();
    assert_eq!(count, 1);

    // The source changed: the command says how to go on with what was dispatched.
    let going_on = format!("--data {url} --data-path history.csv goes on");
    snapshot("1..1").run().says([going_on.as_str()]);
    let went_on = bare(&nomad)
        .args(["--data", &url, "--data-path", "history.csv", "--json"])
        .args(["--gcp-bucket-path", "models", "--versions", "1..3"])
        .arg("--store")
        .arg(store.path());
    let went_on = went_on.run().ends_with(0).json();
    let of_these = went_on["dispatched"].as_array().unwrap();
    assert!(
        of_these.iter().all(|each| each["already"] == true),
        "{went_on:#}"
    );

    // Data that can't be had is noticed before anything is dispatched.
    let versions = nomad.versions();
    bare(&nomad)
        .args(["--data", "no-such-file", "--snapshot", "--gcp-bucket-path"])
        .args(["models", "--versions", "4..5"])
        .arg("--store")
        .arg(store.path())
        .run()
        .ends_with(10);
    assert_eq!(nomad.versions(), versions);
}

#[test]
fn flags_that_say_how_to_fetch_are_for_a_snapshot_alone() {
    let nomad = Nomad::start();
    let ended = dispatch(&nomad)
        .args(["--data-token-file", "token.txt"])
        .run();
    ended.ends_with(2).says(["--data-token-file", "--snapshot"]);
    // Not dispatched without one, as if it had been taken.
    let ended = dispatch(&nomad).arg("--snapshot").run();
    ended
        .ends_with(2)
        .says(["--snapshot", "name it with --store"]);
    assert!(nomad.state().seen.is_empty());
}
