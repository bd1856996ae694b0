//! What `--wait` tells of each version, and how long it waits.

use contract::{Gate, NomadOrigin};
use serde_json::json;

use crate::model::Model;
use crate::nomad::{self, Fate, JOB, Nomad};
use crate::support::Runner;
use crate::{bare, dispatch};

/// Publishes, as the task of that dispatch would have, a model or the verdict that it missed its gate.
fn publish(store: &str, dispatched: &str, version: &str, met: bool) {
    let id = nomad::allocation_id(dispatched, 0);
    let model = Model::new("model", version, &id)
        .nomad(NomadOrigin {
            job_id: dispatched.to_owned(),
            alloc_id: id.clone(),
            alloc_index: Some(0),
            namespace: Some("default".to_owned()),
            region: Some("global".to_owned()),
            ..NomadOrigin::default()
        })
        .with(move |manifest| {
            let gate = Gate {
                metric: "roc_auc".to_owned(),
                threshold: 0.9,
                higher_is_better: true,
                value: 0.8,
                met,
            };
            manifest.metrics.gates = vec![gate];
        })
        .write();
    let pushed = Runner::new("push")
        .args(["--store", store])
        .arg(model.folder())
        .run();
    pushed.ends_with(if met { 0 } else { 5 });
}

#[test]
fn waiting_tells_what_became_of_each_version_and_reads_it_from_the_store() {
    let nomad = Nomad::start();
    dispatch(&nomad)
        .args(["--versions", "1..6"])
        .run()
        .ends_with(0);
    let store = tempfile::TempDir::new().unwrap();
    let store = format!("file://{}", store.path().display());
    {
        let mut state = nomad.state();
        let jobs: Vec<String> = state
            .children
            .iter()
            .map(|child| child.id.clone())
            .collect();
        publish(&store, &jobs[0], "1", true);
        publish(&store, &jobs[1], "2", false);
        state.fails("2", "storeModel_GCP", 5, "Exit Code: 5");
        state.fails("3", "train", 10, "Exit Code: 10");
        state.fails("4", "train", 137, "OOM Killed");
        state.fails("5", "train", 0, "checksums did not match");
    }
    let waited = || dispatch(&nomad).args(["--versions", "1..6", "--wait", "--store", &store]);
    let ended = waited().run().ends_with(21).json();
    let of = |version: &str| -> serde_json::Value {
        let all = ended["versions"].as_array().unwrap();
        all.iter()
            .find(|each| each["model_version"] == version)
            .unwrap()
            .clone()
    };
    assert_eq!(of("1")["status"], "stored");
    assert!(of("1")["name"].as_str().unwrap().starts_with("model_v1_"));
    assert!(of("1")["metric"].is_string());
    assert_eq!(of("2")["status"], "gate_not_met");
    assert_eq!(of("3")["status"], "failed");
    assert_eq!(of("3")["exit_code"], 10);
    assert_eq!(of("3")["reason"], "the data could not be fetched");
    let reason = of("4")["reason"].as_str().unwrap().to_owned();
    assert!(
        reason.contains("most likely since it used more memory") && reason.contains("16 MiB"),
        "{reason}"
    );
    assert_eq!(of("5")["reason"], "checksums did not match");
    assert_eq!(of("6")["status"], "unknown");
    assert!(
        of("6")["reason"]
            .as_str()
            .unwrap()
            .contains("is that the store")
    );
    assert_eq!(ended["counts"]["stored"], 1);
}

#[test]
fn without_a_store_nomad_is_believed_and_logs_are_read_where_they_may_be() {
    let nomad = Nomad::start();
    {
        let mut state = nomad.state();
        state.fails("2", "train", 10, "Exit Code: 10");
        state.fails("3", "storeModel_GCP", 5, "Exit Code: 5");
        state.logs = Some("fetching\nerror: https://data.example.com answered 404\n".to_owned());
    }
    let run = bare(&nomad)
        .args([
            "--data",
            "https://data.example.com/h.json",
            "--gcp-bucket-path",
            "m",
            "--versions",
            "1..3",
            "--wait",
        ])
        .run()
        .ends_with(21);
    let shown = run.stdout();
    assert!(
        shown.contains("train failed (10): https://data.example.com answered 404"),
        "{shown}"
    );
    assert!(shown.contains("missed a gate"), "{shown}");
    assert!(
        shown.contains("1 stored, 1 missed a gate, 1 failed"),
        "{shown}"
    );
    assert!(
        nomad
            .state()
            .children
            .iter()
            .all(|child| child.id.starts_with(JOB))
    );
}

#[test]
fn every_allocation_of_a_dispatch_is_told_of() {
    let nomad = Nomad::start();
    nomad.state().count = 2;
    let ended = dispatch(&nomad)
        .args(["--model-version", "9", "--wait"])
        .run()
        .ends_with(0)
        .json();
    let indices: Vec<u64> = ended["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|each| each["index"].as_u64().unwrap())
        .collect();
    assert_eq!(indices, [0, 1]);
}

fn exhausted() -> Fate {
    Fate::Unplaced(json!({
        "NodesEvaluated": 2, "NodesFiltered": 1, "NodePool": "training", "NodesAvailable": {"dc1": 2},
        "ConstraintFiltered": {"${attr.cpu.arch} regexp ^(arm64)$": 1},
        "NodesExhausted": 1, "DimensionExhausted": {"memory": 1},
    }))
}

#[test]
fn why_there_is_no_place_on_a_client_is_said_and_the_wait_ends() {
    let nomad = Nomad::start();
    nomad.state().fates.insert("2".to_owned(), exhausted());
    let waited = dispatch(&nomad).args(["--versions", "1..3", "--window", "1"]);
    let started = std::time::Instant::now();
    let waited = waited.args(["--wait", "--place-within", "2s"]).run();
    let ended = waited.ends_with(21).json();
    assert!(started.elapsed() < std::time::Duration::from_secs(30));
    let reasons: Vec<&str> = ended["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|each| each["reason"].as_str().unwrap_or_default())
        .collect();
    assert_eq!(ended["counts"]["stored"], 1);
    assert_eq!(ended["counts"]["not_placed"], 2);
    let why = "no client has a place for it: clients have too little left of memory (1 of 2); clients do not meet \
               ${attr.cpu.arch} regexp ^(arm64)$ (1 of 2) in node pool training";
    assert_eq!(reasons[1], why);
    assert!(reasons[2].contains("was not dispatched"), "{reasons:?}");
}

#[test]
fn without_a_place_for_ten_seconds_the_reason_is_said_while_it_waits() {
    let nomad = Nomad::start();
    let nowhere =
        Fate::Unplaced(json!({"NodesEvaluated": 0, "NodePool": "training", "NodesAvailable": {}}));
    nomad
        .state()
        .next
        .insert("1".to_owned(), [nowhere, Fate::Complete].into());
    let placed = nomad.clone();
    let freed = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_secs(13));
        placed.state().children[0].place();
    });
    let ended = dispatch(&nomad)
        .args(["--versions", "1..1", "--wait"])
        .run();
    freed.join().unwrap();
    let says = [
        "no client in node pool training is ready and eligible",
        "nomad node status",
    ];
    ended.ends_with(0).says(says);
}
