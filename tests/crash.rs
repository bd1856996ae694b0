//! Killed at any moment and run again, publishing loses nothing and leaves nothing twice.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/gcs/mod.rs"]
mod gcs;
#[path = "support/model.rs"]
mod model;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use contract::{Manifest, NomadOrigin};
use gcs::Gcs;
use model::{Model, Sketch};
use sha2::{Digest, Sha256};

/// Kills of each kind of store.
const KILLS: usize = 100;

/// Piece of work number `work`, as done by the allocation of try number `attempt`: each has its own id, and the
/// data has moved on in between, so that no two tries give equal bytes.
fn tried(work: usize, attempt: usize) -> Sketch {
    let id = format!("alloc-{work}-{attempt}");
    Model::new("m", "1", &id)
        .file(
            "model.json",
            &format!("try {attempt} of work {work}").repeat(2000),
        )
        .nomad(NomadOrigin {
            job_id: format!("sales/dispatch-{work}"),
            alloc_id: id.clone(),
            ..NomadOrigin::default()
        })
}

fn push(gcs: &Gcs, store: &str, folder: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_runner"))
        .env_clear()
        .env("STORAGE_EMULATOR_HOST", &gcs.address)
        .args(["push", "--quiet", "--store", store])
        .arg(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// A spread of moments without a random number generator: steps of the golden ratio.
fn moment(round: usize, longest: Duration) -> Duration {
    longest.mul_f64((round as f64 * 0.618_033_988_75).fract())
}

/// Every object of the store by key.
type Objects = BTreeMap<String, Vec<u8>>;

fn killed_at_any_moment(gcs: &Gcs, store: &str, objects: impl Fn() -> Objects) {
    // How long a push takes here and now, so that kills hit all of it: taken anew each time, as the first is slow.
    let first = tried(0, 0).write();
    let begin = Instant::now();
    let done = push(gcs, store, first.folder()).wait_with_output().unwrap();
    assert!(done.status.success());
    let mut longest = begin.elapsed();

    let mut interrupted = 0;
    for work in 1..=KILLS {
        // Killed, then replaced under a new id; every third time the same allocation is started again as well.
        let model = tried(work, 0).write();
        let mut child = push(gcs, store, model.folder());
        std::thread::sleep(moment(work, longest));
        child.kill().unwrap();
        interrupted += usize::from(!child.wait().unwrap().success());
        if work % 3 == 0 {
            let again = push(gcs, store, model.folder()).wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&again.stderr).into_owned();
            assert!(again.status.success(), "{said}");
        }
        let replacement = tried(work, 1).write();
        let begin = Instant::now();
        let again = push(gcs, store, replacement.folder())
            .wait_with_output()
            .unwrap();
        longest = begin.elapsed();
        let said = String::from_utf8_lossy(&again.stderr).into_owned();
        assert!(again.status.success(), "{said}");
    }
    assert!(
        interrupted > KILLS / 10,
        "only {interrupted} were killed in time"
    );
    every_visible_model_is_whole_and_no_work_has_two(&objects());
}

fn every_visible_model_is_whole_and_no_work_has_two(objects: &Objects) {
    let mut works = BTreeSet::new();
    for (key, bytes) in objects {
        let Some(name) = key.strip_suffix("/manifest.json") else {
            continue;
        };
        let manifest: Manifest = serde_json::from_slice(bytes).unwrap();
        assert_eq!(manifest.name, name);
        for file in &manifest.files {
            let stored = &objects[&format!("{name}/{}", file.path)];
            assert_eq!(stored.len() as u64, file.bytes, "{name}/{}", file.path);
            assert_eq!(runner::hex(&Sha256::digest(stored)), file.sha256);
        }
        let work = manifest.nomad.unwrap().job_id;
        assert!(works.insert(work.clone()), "{work} has two models");
    }
    assert_eq!(works.len(), KILLS + 1);
}

#[test]
fn google_cloud_storage_after_a_hundred_kills() {
    let gcs = Gcs::start();
    gcs.state().quiet = true;
    let server = gcs.clone();
    killed_at_any_moment(&gcs, "gs://models/sales", move || {
        let state = server.state();
        let objects = state.bucket.objects.iter();
        objects
            .map(|(key, object)| (key["sales/".len()..].to_owned(), object.bytes.clone()))
            .collect()
    });
}

#[test]
fn a_folder_after_a_hundred_kills() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_owned();
    let store = folder.path().to_str().unwrap().to_owned();
    killed_at_any_moment(&Gcs::start(), &store, move || {
        let mut objects = Objects::new();
        let mut folders = vec![root.clone()];
        while let Some(next) = folders.pop() {
            for entry in std::fs::read_dir(next).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let key = path.strip_prefix(&root).unwrap().to_str().unwrap();
                    objects.insert(key.to_owned(), std::fs::read(&path).unwrap());
                }
            }
        }
        objects.retain(|key, _| !key.starts_with("_tmp/"));
        objects
    });
}
