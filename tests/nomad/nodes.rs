//! What a client gives to the tasks: host volumes, compiled code, and what it lacks.

use std::path::PathBuf;

use rustix::process::{Signal, kill_process};
use serde_json::Value;

use crate::cluster::{Cluster, said};
use crate::drains::{dispatching, ended, training};
use crate::gcs::{Fault, Gcs};
use crate::{
    IN_BUCKET, VERY_MANY, exit_code, in_folder, long_training, manifests, repository,
    specification, waited,
};

pub fn warm(cluster: &mut Cluster, _: &Gcs) {
    let cached = |cluster: &Cluster| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(cluster.path("cache")).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    let spec = specification(cluster, 4, 0.5, "");
    let versions = ["--versions", "1..2"];

    // What is compiled is kept in the cache: nothing is.
    let both = format!("{}\ncache_volume = \"cache\"", in_folder(cluster));
    cluster.register(&both);
    let (status, json) = waited(cluster, "packaged", &spec, &versions);
    assert_eq!(status, 0, "{json:#}");
    assert!(cached(cluster).is_empty(), "packaged code was not used");

    cluster.register(&format!("{both}\ncompiled = false"));
    let (status, json) = waited(cluster, "cached", &spec, &["--versions", "1..1"]);
    assert_eq!(status, 0, "{json:#}");
    let entry = cached(cluster);
    assert_eq!(entry.len(), 1);
    let made = std::fs::metadata(&entry[0]).unwrap().modified().unwrap();
    let (status, json) = waited(cluster, "cached", &spec, &versions);
    assert_eq!(status, 0, "{json:#}");
    assert_eq!(cached(cluster), entry);
    let now = std::fs::metadata(&entry[0]).unwrap().modified().unwrap();
    assert_eq!(made, now, "it was compiled again");

    let found = [manifests(cluster, "packaged"), manifests(cluster, "cached")].concat();
    assert_eq!(found.len(), 4);
    assert!(
        found
            .iter()
            .all(|manifest| manifest["module"] == found[0]["module"]),
        "the manifest tells how the code came to be: {found:#?}"
    );
}

pub fn models_volume(cluster: &mut Cluster, _: &Gcs) {
    cluster.register(&format!(
        "{}\nmodels_volume = \"models\"",
        in_folder(cluster)
    ));
    let spec = specification(cluster, 4, 0.5, "");
    let (status, json) = waited(cluster, "volume", &spec, &[]);
    assert_eq!(status, 0, "{json:#}");
    let stored = manifests(cluster, "volume");
    assert_eq!(stored.len(), 1);
    let kept = cluster
        .path("models")
        .join(stored[0]["id"].as_str().unwrap())
        .join(stored[0]["name"].as_str().unwrap());
    assert!(kept.join("model.json").exists(), "{}", kept.display());
}

pub fn doctor(cluster: &mut Cluster, _: &Gcs) {
    let job = repository().join("jobs/doctor.nomad.hcl");
    cluster.register(&in_folder(cluster));
    let doctor = |more: &[&str]| -> (i64, String) {
        let mut run = cluster.command(crate::cluster::binary().unwrap());
        let output = run
            .args([
                "job",
                "run",
                "-detach",
                "-hcl2-strict=false",
                "-var-file=vars.hcl",
            ])
            .args(more)
            .arg(&job)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", said(&output));
        let allocation = cluster.ended("doctor").remove(0);
        let id = allocation["ID"].as_str().unwrap();
        let output = cluster.nomad(["alloc", "logs", "-task", "runner", id]);
        assert!(output.status.success(), "{}", said(&output));
        let purged = cluster.nomad(["job", "stop", "-purge", "doctor"]);
        assert!(purged.status.success(), "{}", said(&purged));
        // Forgotten at once, so that the next one is not taken for it.
        cluster.nomad(["system", "gc"]);
        cluster.wait("the allocation to be forgotten", |cluster| {
            let left: Vec<Value> = cluster.allocations("doctor");
            left.is_empty().then_some(())
        });
        (exit_code(&allocation, "runner"), said(&output))
    };
    let (status, text) = doctor(&["-var=cache_volume=cache"]);
    assert_eq!(status, 0, "{text}");
    assert!(!text.contains("TROUBLE"), "{text}");

    // A volume of another user's, and a server that is not there.
    let folder = cluster.path("cache");
    let chown = |owner: &str| {
        let mut chown = std::process::Command::new("chown");
        assert!(chown.arg(owner).arg(&folder).status().unwrap().success());
    };
    chown("root");
    let (status, text) = doctor(&["-var=cache_volume=cache", "-var=data=http://127.0.0.1:1/"]);
    chown("nobody");
    assert_eq!(status, 1, "{text}");
    let troubles: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("TROUBLE"))
        .collect();
    assert_eq!(troubles.len(), 2, "{text}");
    assert!(
        troubles
            .iter()
            .any(|line| line
                .contains("cache: /cache is not used (the folder belongs to another user)")),
        "{text}"
    );
    assert!(
        troubles
            .iter()
            .any(|line| line.contains("127.0.0.1:1 cannot be reached")),
        "{text}"
    );
}

/// A client that goes silent, and an operator who stops what it ran: nobody will ever hear how that ended.
pub fn away(cluster: &mut Cluster, _: &Gcs) {
    cluster.register(&format!("{}\nlost_after = \"20s\"", in_folder(cluster)));
    let first = cluster.node("first");
    let mut other = cluster.start_client("away");
    cluster.node("away");
    let eligibility = |state: &str| {
        let output = cluster.nomad(["node", "eligibility", state, &first]);
        assert!(output.status.success(), "{}", said(&output));
    };
    eligibility("-disable");
    let spec = specification(cluster, VERY_MANY, 0.5, "");
    let child = dispatching(cluster, "away", &spec, &[]);
    let job = training(cluster);
    let allocation = cluster.allocations(&job).remove(0);
    let task = cluster.process(allocation["ID"].as_str().unwrap(), "train");
    let client_says = |status: &str| {
        cluster.wait(&format!("the allocation to be {status}"), |cluster| {
            let allocations = cluster.allocations(&job);
            (allocations[0]["ClientStatus"] == status).then_some(())
        });
    };
    // What the servers do not know to run counts as lost at once.
    client_says("running");
    other.kill().unwrap();
    other.wait().unwrap();
    client_says("unknown");
    let output = cluster.nomad(["job", "stop", "-detach", &job]);
    assert!(output.status.success(), "{}", said(&output));
    let (status, json, stderr) = ended(child);
    kill_process(task, Signal::KILL).unwrap();
    eligibility("-enable");
    assert_eq!(status, 21, "{json:#}\n{stderr}");
    assert_eq!(json["versions"][0]["by"], "operator", "{json:#}");
    let reason = json["versions"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("while its client was away"), "{reason}");
}

/// A client that goes silent while it pushes, and whose task ends what it began: two allocations of one dispatch come to
/// the store with a model each.
pub fn lost(cluster: &mut Cluster, gcs: &Gcs) {
    cluster.register(&format!("{IN_BUCKET}\nlost_after = \"5s\""));
    let first = cluster.node("first");
    let mut second = cluster.start_client("second");
    cluster.node("second");
    let eligibility = |state: &str| {
        let output = cluster.nomad(["node", "eligibility", state, &first]);
        assert!(output.status.success(), "{}", said(&output));
    };
    let commits = gcs.count("POST", "manifest.json");
    // Nothing is committed until the client is lost.
    gcs.fault(1000, "POST", "manifest.json", Fault::Status(503));
    eligibility("-disable");
    let (job, lost) = long_training(cluster, "lost", 4);
    let task = cluster.process(&lost, "storeModel_GCP");
    cluster.wait("the push to be held up", |_| {
        (gcs.count("POST", "manifest.json") > commits).then_some(())
    });
    second.kill().unwrap();
    second.wait().unwrap();
    eligibility("-enable");
    let replacement = cluster.wait("a replacement", |cluster| {
        let allocations = cluster.allocations(&job);
        let other = allocations
            .iter()
            .find(|each| each["ID"] != lost.as_str())?;
        Some(other["ID"].as_str()?.to_owned())
    });
    cluster.process(&replacement, "train");
    gcs.heal();
    cluster.wait("the replacement to end", |cluster| {
        let allocations = cluster.allocations(&job);
        let other = allocations
            .iter()
            .find(|each| each["ID"] == replacement.as_str())?;
        (other["ClientStatus"] == "complete").then_some(())
    });
    // The orphan ends, too.
    cluster.wait("the first task to end", |_| {
        rustix::process::test_kill_process(task)
            .is_err()
            .then_some(())
    });
    let names = gcs.names();
    let committed: Vec<&String> = names
        .iter()
        .filter(|name| name.contains("/lost_v1_") && name.ends_with("/manifest.json"))
        .collect();
    assert_eq!(committed.len(), 1, "{names:?}");
    // Its allocation was the first to claim the work.
    assert!(committed[0].contains(&lost), "{committed:?}");
    assert!(
        names.iter().any(|name| name.contains(&replacement)),
        "the replacement did not push: {names:?}"
    );
}
