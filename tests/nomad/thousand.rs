//! A thousand versions, twenty in an allocation, while clients are drained, a job is stopped and the agent is killed.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use serde_json::Value;

use crate::cluster::{Cluster, said};
use crate::drains::{dispatching, drain, ended, running};
use crate::gcs::Gcs;
use crate::{in_folder, manifests, specification};

const PER_ALLOCATION: usize = 20;
/// With fewer, all could have ended before they are hit.
const FEWEST: usize = 10 * PER_ALLOCATION;

/// How many versions: VERSIONS, else a thousand.
fn count() -> usize {
    let asked = std::env::var("VERSIONS").ok();
    let count = asked.map_or(1000, |text| text.parse().unwrap());
    assert!(count >= FEWEST, "VERSIONS={count} is less than {FEWEST}");
    count
}

/// How many verdicts there are of each version.
fn verdicts(cluster: &Cluster) -> BTreeMap<String, usize> {
    let mut verdicts = BTreeMap::new();
    let records = std::fs::read_dir(cluster.path("store/_rejected"));
    for entry in records.into_iter().flatten().flatten() {
        let record: Value = serde_json::from_slice(&std::fs::read(entry.path()).unwrap()).unwrap();
        if record["save_path"] == "thousand" {
            let version = record["model_version"].as_str().unwrap().to_owned();
            *verdicts.entry(version).or_default() += 1;
        }
    }
    verdicts
}

/// The job that began to train last, of those that do.
fn training(cluster: &Cluster) -> Option<String> {
    let trains = |job: &String| {
        let allocations = cluster.allocations(job);
        let mut states = allocations.iter().map(|each| &each["TaskStates"]["train"]);
        states.any(|state| state["State"] == "running")
    };
    running(cluster).into_iter().rev().find(trains)
}

fn versions(json: &Value, of: &str) -> BTreeSet<String> {
    let all = json["versions"].as_array().unwrap();
    let of_status = all.iter().filter(|each| each["status"] == of);
    of_status
        .map(|each| each["model_version"].as_str().unwrap().to_owned())
        .collect()
}

pub fn survives(cluster: &mut Cluster, _: &Gcs) {
    let count = count();
    cluster.register(&in_folder(cluster));
    let seeds: Vec<String> = (1..=count).map(|seed| seed.to_string()).collect();
    // Some versions miss this gate, and most meet it.
    let grid = format!(
        "\n[grid]\nseed = [{}]\n\"split.validation\" = [0.2]\n",
        seeds.join(",")
    );
    let spec = specification(cluster, 20, 0.75, &grid);
    let store = cluster.store();
    let per_allocation = PER_ALLOCATION.to_string();
    // Of few allocations few at a time, so that there are some at each hit.
    let window = (count / PER_ALLOCATION / 5).min(6).to_string();
    let all = [
        "--per-allocation",
        &per_allocation,
        "--window",
        &window,
        "--store",
        &store,
    ];
    let started = Instant::now();
    let child = RefCell::new(dispatching(cluster, "thousand", &spec, &all));

    // At a sixth, two, three and four sixths of the way, whatever runs then is hit.
    let hit = |cluster: &Cluster, sixths: usize| -> String {
        let (done, job) = cluster.wait_as_long("versions to be stored", |cluster| {
            let ended = child.borrow_mut().try_wait().unwrap();
            assert!(
                ended.is_none(),
                "all have ended, and nothing is left to hit"
            );
            let done = manifests(cluster, "thousand").len() + verdicts(cluster).len();
            let job = training(cluster).filter(|_| done >= count * sixths / 6)?;
            Some((done, job))
        });
        let seconds = started.elapsed().as_secs_f64();
        println!("{done} of {count} after {seconds:.0} s");
        job
    };
    hit(cluster, 1);
    drain(cluster);
    let stopped = hit(cluster, 2);
    let output = cluster.nomad(["job", "stop", "-detach", &stopped]);
    assert!(output.status.success(), "{}", said(&output));
    hit(cluster, 3);
    cluster.kill_agent();
    std::thread::sleep(std::time::Duration::from_secs(3));
    cluster.start_agent();
    hit(cluster, 4);
    drain(cluster);

    let (status, json, stderr) = ended(child.into_inner());
    println!(
        "status {status} after {:.0} s: {}",
        started.elapsed().as_secs_f64(),
        json["counts"]
    );
    for line in stderr.lines().filter(|line| line.starts_with("warning")) {
        println!("{line}");
    }
    assert_eq!(status, 21, "{stderr}");
    assert!(stderr.contains("stopped by a node drain"), "{stderr}");
    let all_versions: BTreeSet<String> = (1..=count).map(|point| format!("1.{point}")).collect();
    let of = |status: &str| versions(&json, status);
    let ends = ["stored", "gate_not_met", "stopped", "failed"];
    let told: BTreeSet<String> = ends.into_iter().flat_map(of).collect();
    assert_eq!(told, all_versions, "{}", json["counts"]);
    let mut reasons = BTreeSet::new();
    for each in json["versions"].as_array().unwrap() {
        match each["status"].as_str().unwrap() {
            "stopped" => assert_eq!(
                (&each["by"], &each["job"]),
                (&"operator".into(), &Value::from(stopped.as_str()))
            ),
            // Nomad cannot start what its agent was killed over.
            "failed" => {
                assert!(each["exit_code"].is_null(), "a task failed: {each}");
                reasons.insert(each["reason"].as_str().unwrap());
            }
            _ => {}
        }
    }
    for reason in reasons {
        println!("failed: {reason}");
    }
    assert!(!of("stopped").is_empty() && of("stopped").len() <= PER_ALLOCATION);

    let retry: Vec<&str> = all.iter().copied().chain(["--retry-failed"]).collect();
    let (status, json, stderr) = ended(dispatching(cluster, "thousand", &spec, &retry));
    println!(
        "--retry-failed: {status} after {:.0} s: {}",
        started.elapsed().as_secs_f64(),
        json["counts"]
    );
    assert!(matches!(status, 0 | 5), "{}\n{stderr}", json["counts"]);
    // Each version came to one end, once, and what the command tells is what is there.
    let mut there = verdicts(cluster);
    let rejected: BTreeSet<String> = there.keys().cloned().collect();
    assert_eq!(rejected, versions(&json, "gate_not_met"));
    for manifest in manifests(cluster, "thousand") {
        let version = manifest["model_version"].as_str().unwrap().to_owned();
        *there.entry(version).or_default() += 1;
    }
    assert_eq!(there.keys().cloned().collect::<BTreeSet<_>>(), all_versions);
    let doubled: Vec<_> = there.iter().filter(|(_, count)| **count != 1).collect();
    assert!(doubled.is_empty(), "{doubled:?}");
}
