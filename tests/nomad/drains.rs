//! What Nomad, its operators and its scheduler do to a dispatch that is waited for.

use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::cluster::{Cluster, JOB, said};
use crate::gcs::Gcs;
use crate::{in_folder, manifests, specification, waited};

/// Trees that take long enough to be stopped among them, and not long.
const MANY: u32 = 600;

/// `runner dispatch --wait --json` with what the job requires and these arguments, in the background.
pub fn dispatching(cluster: &Cluster, save_path: &str, spec: &str, more: &[&str]) -> Child {
    command(cluster, save_path, spec, more).spawn().unwrap()
}

fn command(cluster: &Cluster, save_path: &str, spec: &str, more: &[&str]) -> Command {
    let mut command = cluster.command(env!("CARGO_BIN_EXE_runner"));
    command
        .args([
            "dispatch",
            "--json",
            "--wait",
            "--gcp-bucket-path",
            "unused",
        ])
        .args(["--save-path", save_path, "--spec", spec, "--data"])
        .arg(format!("{}/opportunityHistory.json", cluster.files_address))
        .args(more)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Its status, what it printed, and what it said on stderr.
pub fn ended(child: Child) -> (i32, Value, String) {
    let output = child.wait_with_output().unwrap();
    let json = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}: {}", output.status, said(&output)));
    let stderr = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), json, stderr)
}

/// The dispatched jobs of the job that have not ended.
pub fn running(cluster: &Cluster) -> Vec<String> {
    let path = format!("/v1/jobs?prefix={JOB}/dispatch-");
    let jobs = cluster.api(&path).unwrap_or_default();
    let jobs = jobs.as_array().into_iter().flatten();
    jobs.filter(|job| job["Status"] == "running")
        .map(|job| job["ID"].as_str().unwrap().to_owned())
        .collect()
}

/// The job whose task `train` runs.
pub fn training(cluster: &Cluster) -> String {
    let (job, allocation) = cluster.wait("an allocation", |cluster| {
        let job = running(cluster).pop()?;
        let allocation = cluster.allocations(&job).pop()?;
        Some((job, allocation["ID"].as_str()?.to_owned()))
    });
    cluster.process(&allocation, "train");
    job
}

/// Stops all that runs on the client, and makes it eligible again.
pub fn drain(cluster: &Cluster) {
    let node = cluster.node("first");
    let drained = cluster.nomad(["node", "drain", "-enable", "-force", "-yes", &node]);
    assert!(drained.status.success(), "{}", said(&drained));
    let eligible = cluster.nomad(["node", "drain", "-disable", "-yes", &node]);
    assert!(eligible.status.success(), "{}", said(&eligible));
    let eligible = cluster.nomad(["node", "eligibility", "-enable", &node]);
    assert!(eligible.status.success(), "{}", said(&eligible));
}

pub fn drained(cluster: &mut Cluster, _: &Gcs) {
    cluster.register(&in_folder(cluster));
    let spec = specification(cluster, MANY, 0.5, "");
    let reported = dispatching(cluster, "drained", &spec, &["--model-version", "1"]);
    training(cluster);
    drain(cluster);
    let (status, json, stderr) = ended(reported);
    assert_eq!(status, 21, "{json:#}\n{stderr}");
    assert_eq!(json["versions"][0]["by"], "node_drain", "{json:#}");
    assert!(manifests(cluster, "drained").is_empty());

    let store = cluster.store();
    let again = ["--model-version", "2", "--store", &store];
    let again = dispatching(cluster, "drained", &spec, &again);
    let first = training(cluster);
    drain(cluster);
    let (status, json, stderr) = ended(again);
    assert_eq!(status, 0, "{json:#}\n{stderr}");
    assert!(stderr.contains("stopped by a node drain"), "{stderr}");
    let found = manifests(cluster, "drained");
    assert_eq!(found.len(), 1);
    assert_ne!(found[0]["nomad"]["job_id"], first.as_str());
}

pub fn stopped(cluster: &mut Cluster, _: &Gcs) {
    cluster.register(&in_folder(cluster));
    let spec = specification(cluster, MANY, 0.5, "");
    let store = cluster.store();
    let child = dispatching(cluster, "operator", &spec, &["--store", &store]);
    let job = training(cluster);
    let output = cluster.nomad(["job", "stop", "-detach", &job]);
    assert!(output.status.success(), "{}", said(&output));
    let (status, json, _) = ended(child);
    assert_eq!(status, 21, "{json:#}");
    assert_eq!(json["versions"][0]["by"], "operator", "{json:#}");
    let (status, json) = waited(cluster, "operator", &spec, &["--store", &store]);
    assert_eq!(status, 21, "Nomad knows the token: {json:#}");
    let retry = ["--store", &store, "--retry-failed"];
    for _ in 0..2 {
        let (status, json) = waited(cluster, "operator", &spec, &retry);
        assert_eq!(status, 0, "{json:#}");
        assert_eq!(manifests(cluster, "operator").len(), 1);
    }
}

pub fn without_a_place(cluster: &mut Cluster, _: &Gcs) {
    let spec = specification(cluster, 4, 0.5, "");
    let place = |variables: &str, version: &str| {
        cluster.register(&format!("{}\n{variables}", in_folder(cluster)));
        let more = ["--model-version", version, "--place-within", "12s"];
        let (status, json, stderr) = ended(dispatching(cluster, "place", &spec, &more));
        assert_eq!(status, 21, "{json:#}\n{stderr}");
        assert_eq!(json["versions"][0]["status"], "not_placed", "{json:#}");
        assert!(stderr.contains("without a place on a client"), "{stderr}");
        let job = json["versions"][0]["job"].as_str().unwrap();
        let stopped = cluster.nomad(["job", "stop", "-detach", job]);
        assert!(stopped.status.success(), "{}", said(&stopped));
        json["versions"][0]["reason"].as_str().unwrap().to_owned()
    };
    let reason = place("cpu = 900000", "1");
    assert!(
        reason.contains("too little left of cpu (1 of 1)"),
        "{reason}"
    );
    let reason = place("memory = 9000000", "2");
    assert!(
        reason.contains("too little left of memory (1 of 1)"),
        "{reason}"
    );
    let reason = place("datacenters = [\"elsewhere\"]", "3");
    assert!(reason.contains("no client"), "{reason}");
}

pub fn out_of_memory(cluster: &mut Cluster, _: &Gcs) {
    cluster.register(&format!("{}\nmemory = 16", in_folder(cluster)));
    let spec = specification(cluster, 4, 0.5, "");
    let (status, json) = waited(cluster, "memory", &spec, &[]);
    assert_eq!(status, 21, "{json:#}");
    assert_eq!(json["versions"][0]["exit_code"], 137, "{json:#}");
    let reason = json["versions"][0]["reason"].as_str().unwrap();
    let says = [
        "killed",
        "its limit is 16 MiB",
        "the job's variable `memory`",
    ];
    assert!(says.iter().all(|each| reason.contains(each)), "{reason}");
}

pub fn namespace(cluster: &mut Cluster, _: &Gcs) {
    cluster.register(&in_folder(cluster));
    let nomad = |args: &[&str]| {
        let mut command = cluster.command(crate::cluster::binary().unwrap());
        let output = command
            .env("NOMAD_NAMESPACE", "training")
            .args(args)
            .output();
        let output = output.unwrap();
        assert!(output.status.success(), "{}", said(&output));
    };
    nomad(&["namespace", "apply", "training"]);
    let job = crate::repository().join(format!("jobs/{JOB}.nomad.hcl"));
    let job = job.to_str().unwrap();
    nomad(&["job", "run", "-var-file=vars.hcl", job]);
    let spec = specification(cluster, 4, 0.5, "");
    let store = cluster.store();
    let more = ["--namespace", "training", "--store", &store];
    let (status, json, stderr) = ended(dispatching(cluster, "namespace", &spec, &more));
    assert_eq!(status, 0, "{json:#}\n{stderr}");
    assert_eq!(
        manifests(cluster, "namespace")[0]["nomad"]["namespace"],
        "training"
    );
    let mut script = cluster.command(crate::repository().join("jobs/dispatch.sh"));
    let url = format!("{}/opportunityHistory.json", cluster.files_address);
    let script = script
        .env("NOMAD_NAMESPACE", "training")
        .env("DATA_URL", url);
    let script = script.env("GCP_BUCKET_PATH", "unused").args(["2", &spec]);
    let output = script.env("SAVE_PATH", "namespace").output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    cluster.wait("the script's model", |cluster| {
        (manifests(cluster, "namespace").len() == 2).then_some(())
    });
    nomad(&["job", "stop", "-purge", "-detach", JOB]);
}

/// Nomad forgets what has ended, over and over, and its agent is away for a while.
pub fn forgotten(cluster: &mut Cluster, _: &Gcs) {
    cluster.register(&in_folder(cluster));
    let spec = specification(cluster, 60, 0.5, "");
    let store = cluster.store();
    let more = [
        "--versions",
        "1..6",
        "--window",
        "2",
        "--priority",
        "70",
        "--store",
        &store,
    ];
    let mut child = dispatching(cluster, "forgotten", &spec, &more);
    let job = training(cluster);
    let path = format!("/v1/job/{}", job.replace('/', "%2F"));
    assert_eq!(cluster.api(&path).unwrap()["Priority"], 70);
    cluster.kill_agent();
    std::thread::sleep(std::time::Duration::from_secs(2));
    cluster.start_agent();
    while child.try_wait().unwrap().is_none() {
        cluster.nomad(["system", "gc"]);
        std::thread::sleep(std::time::Duration::from_millis(500));
    }
    let (status, json, stderr) = ended(child);
    assert_eq!(status, 0, "{json:#}\n{stderr}");
    assert!(stderr.contains("and answers again"), "{stderr}");
    assert_eq!(json["counts"]["stored"], 6);
    assert_eq!(manifests(cluster, "forgotten").len(), 6);
}

pub fn another_version_of_the_job(cluster: &mut Cluster, _: &Gcs) {
    cluster.register(&in_folder(cluster));
    let output = cluster.dispatch("version", ["--job-version", "999"]);
    assert_eq!(output.status.code(), Some(19), "{}", said(&output));
    let words = said(&output);
    assert!(
        words.contains("not 999") && !words.contains("registered again in"),
        "{words}"
    );
}
