//! The job on a real Nomad agent: `NOMAD_BIN`, or `nomad` on the PATH. It needs root, as the exec driver does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/cluster.rs"]
mod cluster;
#[path = "nomad/drains.rs"]
mod drains;
#[path = "support/gcs/mod.rs"]
mod gcs;
#[path = "support/http.rs"]
mod http;
#[path = "nomad/nodes.rs"]
mod nodes;
#[path = "nomad/rights.rs"]
mod rights;
#[path = "nomad/thousand.rs"]
mod thousand;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use cluster::{Cluster, JOB, said};
use gcs::{Fault, Gcs};
use libtest_mimic::{Arguments, Failed, Trial};
use rustix::process::{Signal, kill_process};
use serde_json::Value;

/// What the tests share: one agent, used by one test at a time.
struct Shared {
    cluster: Mutex<Cluster>,
    gcs: Gcs,
}

type Test = fn(&mut Cluster, &Gcs);

const TESTS: &[(&str, Test)] = &[
    (
        "a_version_is_trained_and_stored_by_the_dispatch_script",
        by_the_script,
    ),
    (
        "two_allocations_give_two_models_tested_on_the_same_rows",
        two_allocations,
    ),
    ("points_of_a_grid_are_dealt_out_to_allocations", grid),
    (
        "a_missed_gate_is_recorded_and_no_model_is_stored",
        missed_gate,
    ),
    ("keys_that_the_job_does_not_know_are_refused", unknown_key),
    ("a_dispatch_cannot_name_the_tasks_secrets", secrets),
    (
        "a_task_killed_while_training_leaves_nothing",
        killed_training,
    ),
    (
        "a_task_killed_while_pushing_leaves_nothing_to_be_seen",
        killed_pushing,
    ),
    ("a_stopped_task_ends_at_once_by_its_signal", stopped),
    ("a_client_that_is_restarted_loses_nothing", restarted),
    (
        "a_file_with_another_checksum_is_never_started",
        wrong_checksum,
    ),
    (
        "a_snapshot_is_fetched_once_and_all_versions_train_on_it",
        snapshot,
    ),
    (
        "whoever_dispatches_needs_no_more_than_the_documented_policy",
        rights::least_policy,
    ),
    (
        "a_data_source_gets_its_token_from_a_nomad_variable",
        rights::data_token,
    ),
    (
        "credentials_in_a_nomad_variable_lead_to_a_stored_model",
        rights::key_in_a_variable,
    ),
    (
        "a_workload_identity_leads_to_a_stored_model",
        rights::workload_identity,
    ),
    (
        "packaged_code_or_a_shared_cache_lets_allocations_start_warm",
        nodes::warm,
    ),
    (
        "models_are_shared_by_a_host_volume_where_there_is_one",
        nodes::models_volume,
    ),
    ("doctor_as_a_task_says_what_a_node_lacks", nodes::doctor),
    (
        "a_drained_version_is_reported_and_with_a_store_dispatched_again",
        drains::drained,
    ),
    (
        "a_stopped_version_is_reported_and_made_by_a_retry",
        drains::stopped,
    ),
    ("why_no_client_has_a_place_is_said", drains::without_a_place),
    (
        "a_task_that_needs_too_much_memory_says_so",
        drains::out_of_memory,
    ),
    ("the_job_works_in_another_namespace", drains::namespace),
    (
        "garbage_collection_and_an_agent_that_is_away_lose_nothing",
        drains::forgotten,
    ),
    (
        "another_version_of_the_job_is_named",
        drains::another_version_of_the_job,
    ),
    (
        "a_version_that_is_stopped_while_its_client_is_away_ends_the_wait",
        nodes::away,
    ),
    (
        "work_of_a_lost_client_is_done_elsewhere_and_stays_one_model",
        nodes::lost,
    ),
];

/// `just nomad-drains`.
const THOUSAND: &str = "a_thousand_versions_survive_drains_a_stop_and_a_killed_agent";

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let missing = what_is_missing();
    if let Some(reason) = &missing {
        println!("SKIPPED nomad: {reason}");
    }
    let shared: Arc<Mutex<Option<Shared>>> = Arc::default();
    let mut trials = vec![trial_of_files(&missing)];
    for (name, test) in TESTS {
        let shared = Arc::clone(&shared);
        let run = move || with_cluster(&shared, *test);
        trials.push(Trial::test(*name, run).with_ignored_flag(missing.is_some()));
    }
    let long = Arc::clone(&shared);
    let run = move || with_cluster(&long, thousand::survives);
    trials.push(Trial::test(THOUSAND, run).with_ignored_flag(true));
    let conclusion = libtest_mimic::run(&arguments, trials);
    let shared = shared.lock();
    drop(
        shared
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take(),
    );
    conclusion.exit();
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_path_buf()
}

fn what_is_missing() -> Option<String> {
    if cluster::binary().is_none() {
        return Some("there is no `nomad` on the PATH, and NOMAD_BIN names none".to_owned());
    }
    if !rustix::process::geteuid().is_root() {
        return Some("the exec driver needs root".to_owned());
    }
    let workload = repository().join("dist/workload.wasm");
    assert!(
        workload.exists(),
        "{} is missing: run `just guest`",
        workload.display()
    );
    None
}

fn with_cluster(shared: &Mutex<Option<Shared>>, test: Test) -> Result<(), Failed> {
    let mut shared = shared
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let shared = shared.get_or_insert_with(|| {
        let gcs = Gcs::start();
        let environment = [("STORAGE_EMULATOR_HOST", gcs.address.as_str())];
        let cluster = Cluster::start(cluster::binary().unwrap(), &repository(), &environment);
        Shared {
            cluster: Mutex::new(cluster),
            gcs,
        }
    });
    let mut cluster = shared
        .cluster
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    test(&mut cluster, &shared.gcs);
    Ok(())
}

const IN_BUCKET: &str = "store = \"gs://models/sales\"";

/// The job's variables for a store in a folder.
fn in_folder(cluster: &Cluster) -> String {
    format!("store = \"{}\"\nstore_volume = \"store\"", cluster.store())
}

/// The sample's specification, with that many trees and that gate.
fn specification(cluster: &Cluster, trees: u32, gate: f64, more: &str) -> String {
    let sample = std::fs::read_to_string(repository().join("tests/data/pipeline.toml")).unwrap();
    let text = sample
        .replace("n_estimators = 100", &format!("n_estimators = {trees}"))
        .replace("roc_auc = 0.7", &format!("roc_auc = {gate}"));
    let path = cluster.path("spec.toml");
    std::fs::write(&path, text + more).unwrap();
    path.display().to_string()
}

/// The manifests of the models of `save_path` that can be seen.
fn manifests(cluster: &Cluster, save_path: &str) -> Vec<Value> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(cluster.path("store")).unwrap().flatten() {
        if entry
            .file_name()
            .to_string_lossy()
            .starts_with(&format!("{save_path}_v"))
            && let Ok(text) = std::fs::read(entry.path().join("manifest.json"))
        {
            let manifest: Value = serde_json::from_slice(&text).unwrap();
            for file in manifest["files"].as_array().unwrap() {
                let path = entry.path().join(file["path"].as_str().unwrap());
                assert_eq!(
                    std::fs::metadata(&path).unwrap().len(),
                    file["bytes"].as_u64().unwrap(),
                    "{}",
                    path.display()
                );
            }
            found.push(manifest);
        }
    }
    found
}

/// The one version that was dispatched, when all is over.
fn waited(cluster: &Cluster, save_path: &str, spec: &str, more: &[&str]) -> (i32, Value) {
    let mut args = vec![
        "dispatch",
        "--json",
        "--wait",
        "--gcp-bucket-path",
        "unused",
        "--save-path",
        save_path,
        "--spec",
        spec,
    ];
    let data = format!("{}/opportunityHistory.json", cluster.files_address);
    args.extend(["--data", &data]);
    args.extend(more);
    let output = cluster
        .command(env!("CARGO_BIN_EXE_runner"))
        .args(args)
        .output()
        .unwrap();
    let json =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(&output)));
    (output.status.code().unwrap(), json)
}

/// Dispatches a training that takes very long, and waits until that task of it runs.
fn long_training(cluster: &Cluster, save_path: &str, trees: u32) -> (String, String) {
    let spec = specification(cluster, trees, 0.5, "");
    let output = cluster.dispatch(save_path, ["--spec", &spec]);
    let json: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(&output)));
    let job = json["dispatched"][0]["job"].as_str().unwrap().to_owned();
    let allocation = cluster.wait("an allocation", |cluster| {
        cluster
            .allocations(&job)
            .first()
            .map(|each| each["ID"].as_str().unwrap().to_owned())
    });
    (job, allocation)
}

fn exit_code(allocation: &Value, task: &str) -> i64 {
    let events = allocation["TaskStates"][task]["Events"].as_array().unwrap();
    let ended = events
        .iter()
        .rev()
        .find(|event| event["Type"] == "Terminated");
    ended.unwrap_or_else(|| panic!("{task} never ran: {allocation:#}"))["ExitCode"]
        .as_i64()
        .unwrap()
}

fn trial_of_files(missing: &Option<String>) -> Trial {
    let check = || {
        let nomad = cluster::binary().unwrap();
        let run = |args: &[&str]| {
            let output = std::process::Command::new(&nomad)
                .args(args)
                .env_clear()
                .current_dir(repository())
                .output()
                .unwrap();
            assert!(
                output.status.success(),
                "nomad {}: {}",
                args.join(" "),
                said(&output)
            );
        };
        run(&["fmt", "-check", "-list", "jobs"]);
        let folder = tempfile::TempDir::new().unwrap();
        let more = folder.path().join("more.hcl");
        std::fs::write(&more, "data_dir = \"/var/lib/nomad\"\n").unwrap();
        run(&[
            "config",
            "validate",
            "jobs/client.hcl",
            more.to_str().unwrap(),
        ]);
        run(&[
            "config",
            "validate",
            "jobs/agent.dev.hcl",
            "jobs/agent.keep.hcl",
        ]);
        Ok(())
    };
    Trial::test("job_files_are_formatted_and_valid", check).with_ignored_flag(missing.is_some())
}

fn by_the_script(cluster: &mut Cluster, _: &Gcs) {
    cluster.register(&in_folder(cluster));
    for name in [JOB, "doctor"] {
        let job = repository().join(format!("jobs/{name}.nomad.hcl"));
        let validated = cluster.nomad([
            "job",
            "validate",
            "-hcl2-strict=false",
            "-var-file=vars.hcl",
            job.to_str().unwrap(),
        ]);
        assert!(validated.status.success(), "{}", said(&validated));
        assert!(
            !said(&validated).contains("Warning"),
            "{}",
            said(&validated)
        );
    }
    let spec = specification(cluster, 10, 0.5, "");
    let output = cluster
        .command(repository().join("jobs/dispatch.sh"))
        .args(["7", &spec])
        .env(
            "DATA_URL",
            format!("{}/opportunityHistory.json", cluster.files_address),
        )
        .env("GCP_BUCKET_PATH", "unused")
        .env("SAVE_PATH", "script")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let job = said(&output)
        .split_whitespace()
        .find(|word| word.starts_with(&format!("{JOB}/dispatch-")))
        .unwrap()
        .to_owned();
    let allocations = cluster.ended(&job);
    let found = manifests(cluster, "script");
    assert_eq!(found.len(), 1, "{allocations:#?}");
    assert_eq!(found[0]["model_version"], "7");
    assert_eq!(found[0]["id"], allocations[0]["ID"]);
    assert_eq!(found[0]["nomad"]["job_id"], job.as_str());
    assert_eq!(
        found[0]["specification"]["bytes"],
        std::fs::metadata(&spec).unwrap().len()
    );
    let files: Vec<&str> = found[0]["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["path"].as_str().unwrap())
        .collect();
    assert!(files.contains(&"predictions.txt"), "{files:?}");
}

fn two_allocations(cluster: &mut Cluster, _: &Gcs) {
    cluster.register(&format!("{}\ncount = 2", in_folder(cluster)));
    let spec = specification(cluster, 10, 0.5, "");
    let store = cluster.store();
    let (status, json) = waited(cluster, "two", &spec, &["--store", &store]);
    assert_eq!(status, 0, "{json:#}");
    let found = manifests(cluster, "two");
    assert_eq!(found.len(), 2);
    assert_ne!(found[0]["seed"], found[1]["seed"]);
    assert_eq!(found[0]["metrics"]["rows"], found[1]["metrics"]["rows"]);
    let rows = |manifest: &Value| -> Vec<String> {
        let folder = cluster
            .path("store")
            .join(manifest["name"].as_str().unwrap());
        let text = std::fs::read_to_string(folder.join("predictions.csv")).unwrap();
        text.lines()
            .map(|line| line.split(',').take(2).collect::<Vec<_>>().join(","))
            .collect()
    };
    assert_eq!(
        rows(&found[0]),
        rows(&found[1]),
        "not tested on the same rows"
    );
}

fn grid(cluster: &mut Cluster, _: &Gcs) {
    cluster.register(&in_folder(cluster));
    let spec = specification(
        cluster,
        10,
        0.5,
        "\n[grid]\n\"params.n_estimators\" = [4, 8, 12]\n\"split.validation\" = [0.2]\n",
    );
    let store = cluster.store();
    let (status, json) = waited(
        cluster,
        "grid",
        &spec,
        &["--store", &store, "--per-allocation", "2"],
    );
    assert_eq!(status, 0, "{json:#}");
    let mut found = manifests(cluster, "grid");
    found.sort_by_key(|manifest| manifest["model_version"].as_str().unwrap().to_owned());
    let points: Vec<&Value> = found
        .iter()
        .map(|manifest| &manifest["grid"]["values"]["params.n_estimators"])
        .collect();
    assert_eq!(points, [4, 8, 12]);
}

fn missed_gate(cluster: &mut Cluster, _: &Gcs) {
    cluster.register(&in_folder(cluster));
    let spec = specification(cluster, 4, 0.999, "");
    let store = cluster.store();
    let (status, json) = waited(cluster, "gate", &spec, &["--store", &store]);
    assert_eq!(status, 5, "{json:#}");
    assert_eq!(json["versions"][0]["status"], "gate_not_met");
    assert!(json["versions"][0]["held_out"].is_number());
    assert!(manifests(cluster, "gate").is_empty());
    let allocations = cluster.ended(json["versions"][0]["job"].as_str().unwrap());
    assert_eq!(exit_code(&allocations[0], "storeModel_GCP"), 5);
}

fn unknown_key(cluster: &mut Cluster, _: &Gcs) {
    cluster.register(&in_folder(cluster));
    let required = [
        "save_path=x",
        "data_path=x",
        "prediction_path=x",
        "data_url=x",
        "gcp_bucket_path=x",
        "model_version=1",
    ];
    let mut command = cluster.command(cluster::binary().unwrap());
    command.args(["job", "dispatch", "-detach"]);
    for pair in required {
        command.args(["-meta", pair]);
    }
    let output = command
        .args(["-meta", "store=gs://elsewhere", JOB])
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(
        said(&output).contains("unpermitted metadata keys"),
        "{}",
        said(&output)
    );
}

fn secrets(cluster: &mut Cluster, _: &Gcs) {
    cluster.register(&in_folder(cluster));
    let spec = specification(cluster, 4, 0.5, "");
    let (status, json) = waited(
        cluster,
        "secret",
        &spec,
        &["--data-path", "/secrets/api.sock"],
    );
    assert_eq!(status, 21, "{json:#}");
    assert_eq!(json["versions"][0]["exit_code"], 2, "{json:#}");
    let (status, json) = waited(
        cluster,
        "secret",
        &spec,
        &[
            "--meta",
            "data_url=file:///secrets/api.sock",
            "--model-version",
            "2",
        ],
    );
    assert_eq!(status, 21, "{json:#}");
    assert_eq!(json["versions"][0]["exit_code"], 18, "{json:#}");
    assert!(manifests(cluster, "secret").is_empty());
}

const VERY_MANY: u32 = 100_000;

fn killed_training(cluster: &mut Cluster, _: &Gcs) {
    cluster.register(&in_folder(cluster));
    let (job, allocation) = long_training(cluster, "killed", VERY_MANY);
    let process = cluster.process(&allocation, "train");
    kill_process(process, Signal::KILL).unwrap();
    let allocations = cluster.ended(&job);
    assert_eq!(allocations.len(), 1, "Nomad started it again");
    assert_eq!(allocations[0]["ClientStatus"], "failed");
    assert!(manifests(cluster, "killed").is_empty());
}

fn killed_pushing(cluster: &mut Cluster, gcs: &Gcs) {
    cluster.register(IN_BUCKET);
    // The first object is put there; the second never is.
    gcs.fault(
        1000,
        "POST",
        "manifest.json",
        Fault::Stall(std::time::Duration::from_secs(600)),
    );
    let (job, allocation) = long_training(cluster, "pushed", 4);
    let process = cluster.process(&allocation, "storeModel_GCP");
    cluster.wait("the push to stall", |_| {
        (gcs.count("POST", "manifest.json") > 0).then_some(())
    });
    kill_process(process, Signal::KILL).unwrap();
    assert_eq!(cluster.ended(&job)[0]["ClientStatus"], "failed");
    gcs.heal();
    let names = gcs.names();
    assert!(
        names.iter().any(|name| name.starts_with("sales/pushed_v")),
        "nothing was uploaded: {names:?}"
    );
    assert!(
        !names
            .iter()
            .any(|name| name.contains("pushed_v") && name.ends_with("manifest.json")),
        "half a model can be seen: {names:?}"
    );
}

fn stopped(cluster: &mut Cluster, _: &Gcs) {
    cluster.register(&in_folder(cluster));
    let (job, allocation) = long_training(cluster, "stopped", VERY_MANY);
    cluster.process(&allocation, "train");
    let output = cluster.nomad(["job", "stop", "-detach", &job]);
    assert!(output.status.success(), "{}", said(&output));
    let allocations = cluster.ended(&job);
    // Not 137: it was not Nomad that had to kill it.
    assert_eq!(exit_code(&allocations[0], "train"), 130);
    assert!(manifests(cluster, "stopped").is_empty());
}

fn restarted(cluster: &mut Cluster, _: &Gcs) {
    cluster.register(&in_folder(cluster));
    let (job, allocation) = long_training(cluster, "restarted", 600);
    cluster.process(&allocation, "train");
    cluster.kill_agent();
    cluster.start_agent();
    let allocations = cluster.ended(&job);
    assert_eq!(allocations.len(), 1, "{allocations:#?}");
    let found = manifests(cluster, "restarted");
    assert_eq!(found.len(), 1, "{allocations:#?}");
    assert_eq!(found[0]["id"], allocation.as_str());
}

fn snapshot(cluster: &mut Cluster, _: &Gcs) {
    cluster.register(&format!(
        "{}\nsnapshots_volume = \"snapshots\"",
        in_folder(cluster)
    ));
    let spec = specification(cluster, 4, 0.5, "");
    let data = repository().join("tests/data/opportunityHistory.json");
    let mut command = cluster.command(env!("CARGO_BIN_EXE_runner"));
    let output = command
        .args([
            "dispatch",
            "--snapshot",
            "--versions",
            "1..2",
            "--save-path",
            "snapshot",
        ])
        .args(["--wait", "--json", "--gcp-bucket-path", "unused"])
        .args(["--spec", &spec, "--store", &cluster.store(), "--data"])
        .arg(&data)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let found = manifests(cluster, "snapshot");
    assert_eq!(found.len(), 2, "{}", said(&output));
    for manifest in &found {
        let digest = manifest["data"]["sha256"].as_str().unwrap();
        let address = format!("{}/_data/{digest}", cluster.store());
        assert_eq!(
            manifest["data"]["source"],
            address.trim_start_matches("file://")
        );
        assert!(cluster.path("store/_data").join(digest).exists());
    }
}

fn wrong_checksum(cluster: &mut Cluster, _: &Gcs) {
    cluster.register(&in_folder(cluster));
    let served = cluster.path("served/workload.wasm");
    let good = std::fs::read(&served).unwrap();
    std::fs::write(&served, b"another module").unwrap();
    let spec = specification(cluster, 4, 0.5, "");
    let (status, json) = waited(cluster, "checksum", &spec, &[]);
    std::fs::write(&served, good).unwrap();
    assert_eq!(status, 21, "{json:#}");
    let reason = json["versions"][0]["reason"].as_str().unwrap();
    assert!(
        reason.to_lowercase().contains("checksums did not match"),
        "{reason}"
    );
    assert!(
        json["versions"][0].get("exit_code").is_none(),
        "the task was started"
    );
}
