//! `runner push` to Google Cloud Storage, on good days and bad ones.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/gcs/mod.rs"]
mod gcs;
#[path = "support/model.rs"]
mod model;

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use contract::{Gate, NomadOrigin};
use gcs::{Fault, Gcs};
use model::Model;
use rustix::process::{Pid, Signal, kill_process};

/// `runner push`, with no environment but the emulator's address.
fn push(gcs: &Gcs, folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runner"));
    command
        .env_clear()
        .env("STORAGE_EMULATOR_HOST", &gcs.address)
        .args(["push", "--store", "gs://models/sales"])
        .arg(folder);
    command
}

fn ends(command: &mut Command, code: i32) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let said = String::from_utf8(stderr).unwrap() + &String::from_utf8(stdout).unwrap();
    assert_eq!(status.code(), Some(code), "{said}");
    said
}

fn is_whole(gcs: &Gcs, model: &Model) {
    let state = gcs.state();
    let name = &model.manifest().name;
    for file in [
        "manifest.json",
        "metrics.json",
        "model.json",
        "predictions.txt",
    ] {
        let object = &state.bucket.objects[&format!("sales/{name}/{file}")];
        let local = std::fs::read(model.folder().join(file)).unwrap();
        assert_eq!(object.bytes, local, "{file}");
    }
}

#[test]
fn a_model_is_published_and_pushed_again_without_a_change() {
    let gcs = Gcs::start();
    let model = Model::new("m", "1", "a").write();
    let said = ends(&mut push(&gcs, model.folder()), 0);
    assert!(said.contains("gs://models/sales/m_v1_a"), "{said}");
    is_whole(&gcs, &model);
    // One request a file, and nothing is asked first; afterwards whether the module is there.
    let methods: Vec<String> = gcs
        .state()
        .seen
        .iter()
        .map(|seen| seen.method.clone())
        .collect();
    assert_eq!(methods, ["POST", "POST", "POST", "POST", "GET"]);
    let generations = |gcs: &Gcs| {
        let state = gcs.state();
        let objects = state.bucket.objects.values();
        objects.map(|object| object.generation).collect::<Vec<_>>()
    };
    let before = generations(&gcs);
    let said = ends(&mut push(&gcs, model.folder()), 0);
    assert!(said.contains("was there already"), "{said}");
    assert_eq!(generations(&gcs), before);
}

/// Each of these may hit any request: the model is whole in the end, and there is one.
#[test]
fn a_push_survives_what_is_worth_another_attempt() {
    let faults = [
        Fault::Status(503),
        Fault::Status(500),
        Fault::Status(429),
        Fault::Status(408),
        Fault::RetryAfter(503, 1),
        Fault::ResetAfter(0),
        Fault::ResetAfter(25),
        Fault::LostResponse,
    ];
    for fault in faults {
        for (method, part) in [
            ("POST", "uploadType=multipart"),
            ("POST", "manifest.json"),
            ("POST", "uploadType=resumable"),
            ("PUT", "upload_id"),
        ] {
            let gcs = Gcs::start();
            let model = Model::new("m", "1", "a");
            let model = if part == "uploadType=resumable" || method == "PUT" {
                model.file("model.json", &large()).write()
            } else {
                model.write()
            };
            gcs.fault(2, method, part, fault.clone());
            ends(&mut push(&gcs, model.folder()), 0);
            is_whole(&gcs, &model);
            // A lost answer looks as if an earlier try had left a file: then there is a mark, too (docs/store.md).
            let mut names = gcs.names();
            names.retain(|name| !name.starts_with("sales/_uses/"));
            assert_eq!(names.len(), 4, "{fault:?} at {method} {part}");
            assert!(gcs.count(method, part) > 2, "{fault:?} at {method} {part}");
        }
    }
}

#[test]
fn nothing_else_is_tried_again() {
    for (status, code) in [(400, 16), (401, 16), (403, 16), (413, 16)] {
        let gcs = Gcs::start();
        gcs.fault(99, "POST", "uploadType=multipart", Fault::Status(status));
        let model = Model::new("m", "1", "a").write();
        let said = ends(&mut push(&gcs, model.folder()), code);
        assert!(said.contains(&status.to_string()), "{said}");
        assert_eq!(gcs.count("POST", "uploadType"), 1, "after {status}");
    }
}

#[test]
fn a_store_that_keeps_failing_is_given_up_at_the_deadline() {
    let model = Model::new("m", "1", "a").write();
    for fault in [
        Fault::Status(503),
        Fault::ResetAfter(0),
        Fault::Stall(Duration::from_secs(30)),
    ] {
        let gcs = Gcs::start();
        gcs.fault(999, "POST", "", fault);
        let said = ends(
            push(&gcs, model.folder()).args(["--store-timeout", "1s"]),
            17,
        );
        assert!(said.contains("--store-timeout"), "{said}");
    }
}

#[test]
fn a_signal_stops_a_push_and_the_model_stays_to_push_again() {
    for (signal, status) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let gcs = Gcs::start();
        gcs.fault(
            1,
            "POST",
            "uploadType=multipart",
            Fault::Stall(Duration::from_secs(60)),
        );
        let model = Model::new("m", "1", "a").write();
        let child = push(&gcs, model.folder())
            .args(["--store-timeout", "1h"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        while gcs.count("POST", "uploadType=multipart") == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        kill_process(Pid::from_child(&child), signal).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(status), "{said}");
        assert!(said.contains("stopped by SIG"), "{said}");
        let visible = gcs.names();
        assert!(!visible.iter().any(|name| name.ends_with("manifest.json")));

        ends(&mut push(&gcs, model.folder()), 0);
        is_whole(&gcs, &model);
    }
}

#[test]
fn a_store_that_is_not_there_is_said_to_be_so_soon() {
    let model = Model::new("m", "1", "a").write();
    let gcs = Gcs::start();
    let mut command = push(&gcs, model.folder());
    command.args(["--store-timeout", "1s"]);
    command.env("STORAGE_EMULATOR_HOST", "127.0.0.1:9");
    let said = ends(&mut command, 17);
    assert!(said.contains("cannot connect"), "{said}");
    command.env("STORAGE_EMULATOR_HOST", "nowhere.invalid");
    let said = ends(&mut command, 17);
    assert!(said.contains("cannot connect"), "{said}");
}

#[test]
fn what_arrives_damaged_is_taken_back_and_sent_again() {
    let gcs = Gcs::start();
    let model = Model::new("m", "1", "a").write();
    // The server keeps nothing that has another MD5: no right to delete is needed.
    gcs.state().bucket.may_delete = false;
    gcs.fault(2, "POST", "uploadType=multipart", Fault::Corrupt);
    ends(&mut push(&gcs, model.folder()), 0);
    is_whole(&gcs, &model);

    let gcs = Gcs::start();
    let model = Model::new("m", "1", "a")
        .file("model.json", &large())
        .write();
    gcs.fault(3, "PUT", "upload_id", Fault::Corrupt);
    ends(&mut push(&gcs, model.folder()), 0);
    is_whole(&gcs, &model);

    // One that does not compare says at least what it stored: that is taken back.
    let gcs = Gcs::start();
    gcs.state().bucket.checks_md5 = false;
    let model = Model::new("m", "1", "a").write();
    gcs.fault(2, "POST", "uploadType=multipart", Fault::Corrupt);
    ends(&mut push(&gcs, model.folder()), 0);
    is_whole(&gcs, &model);

    // Without the right to delete it stays invisible, and the push says so.
    let gcs = Gcs::start();
    gcs.state().bucket.checks_md5 = false;
    gcs.state().bucket.may_delete = false;
    gcs.fault(1, "POST", "uploadType=multipart", Fault::Corrupt);
    let said = ends(&mut push(&gcs, model.folder()), 22);
    assert!(said.contains("another MD5"), "{said}");
    assert!(
        !gcs.names()
            .iter()
            .any(|name| name.ends_with("manifest.json"))
    );
}

/// More than one part of an upload: 20 MB.
fn large() -> String {
    "0123456789abcdef".repeat(1_300_000)
}

#[test]
fn a_large_file_goes_in_parts_and_survives_a_reset_in_the_middle() {
    let gcs = Gcs::start();
    let model = Model::new("m", "1", "a")
        .file("model.json", &large())
        .write();
    // A server may keep less of a part than was sent.
    gcs.fault(1, "PUT", "upload_id", Fault::KeepOf(1 << 20));
    gcs.fault(1, "PUT", "upload_id", Fault::KeepOf(0));
    gcs.fault(1, "PUT", "upload_id", Fault::LostResponse);
    gcs.fault(1, "PUT", "upload_id", Fault::Status(503));
    ends(&mut push(&gcs, model.folder()), 0);
    is_whole(&gcs, &model);
}

#[test]
fn bad_addresses_and_missing_buckets_are_named() {
    let gcs = Gcs::start();
    let model = Model::new("m", "1", "a").write();
    let to = |store: &str, code| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_runner"));
        command
            .env_clear()
            .env("STORAGE_EMULATOR_HOST", &gcs.address);
        ends(
            command.args(["push", "--store", store]).arg(model.folder()),
            code,
        )
    };
    for (store, code, said) in [
        ("gs://no-such-bucket", 16, "there is no such bucket"),
        ("gs://NOT_A_BUCKET", 2, "can't be the name of a bucket"),
        ("gs://models/../others", 2, "holds .."),
        ("ftp://models", 2, "use file://"),
    ] {
        let text = to(store, code);
        assert!(text.contains(said), "{store}: {text}");
        assert!(text.contains(store), "{store}: {text}");
    }
}

#[test]
fn a_folder_may_hold_many_models_and_one_bad_one_keeps_none_of_the_others() {
    let gcs = Gcs::start();
    let folder = tempfile::tempdir().unwrap();
    let missed = Gate {
        metric: "roc_auc".to_owned(),
        threshold: 0.9,
        higher_is_better: true,
        value: 0.75,
        met: false,
    };
    let models = [
        Model::new("m", "1", "a").write(),
        Model::new("m", "2", "a").write(),
        Model::new("m", "3", "a")
            .with(|manifest| manifest.metrics.gates.push(missed))
            .write(),
    ];
    for model in &models {
        std::fs::rename(model.folder(), folder.path().join(&model.manifest().name)).unwrap();
    }
    let said = ends(push(&gcs, folder.path()).arg("--json"), 5);
    let json: serde_json::Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    let statuses: Vec<&str> = json["models"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| model["status"].as_str().unwrap())
        .collect();
    assert_eq!(statuses, ["published", "published", "gate_not_met"]);
    let names = gcs.names();
    assert!(names.contains(&"sales/_rejected/m_v3_a.json".to_owned()));
    assert!(!names.iter().any(|name| name.starts_with("sales/m_v3_a/")));

    // The name of the first now stands for something else; the new one goes through all the same.
    let changed = Model::new("m", "1", "a")
        .file("model.json", "other")
        .write();
    let new = Model::new("m", "4", "a").write();
    let folder = tempfile::tempdir().unwrap();
    for model in [&changed, &new] {
        std::fs::rename(model.folder(), folder.path().join(&model.manifest().name)).unwrap();
    }
    let said = ends(&mut push(&gcs, folder.path()), 16);
    assert!(said.contains("m_v1_a/model.json exists already"), "{said}");
    assert!(
        gcs.names()
            .contains(&"sales/m_v4_a/manifest.json".to_owned())
    );
}

#[test]
fn a_manifest_that_is_damaged_keeps_no_other_model_from_the_store() {
    let gcs = Gcs::start();
    let folder = tempfile::tempdir().unwrap();
    for version in ["1", "2"] {
        let model = Model::new("m", version, "a").write();
        std::fs::rename(model.folder(), folder.path().join(&model.manifest().name)).unwrap();
    }
    std::fs::write(folder.path().join("m_v1_a/manifest.json"), "{").unwrap();
    let said = ends(&mut push(&gcs, folder.path()), 1);
    assert!(said.contains("m_v1_a is no model"), "{said}");
    let names = gcs.names();
    assert!(names.contains(&"sales/m_v2_a/manifest.json".to_owned()));
    assert!(!names.iter().any(|name| name.starts_with("sales/m_v1_a")));
}

#[test]
fn a_large_upload_that_breaks_off_late_is_begun_again() {
    let gcs = Gcs::start();
    let model = Model::new("m", "1", "a")
        .file("model.json", &large())
        .write();
    // Two parts take two seconds each; then the session is lost.
    for fault in [
        Fault::RetryAfter(503, 2),
        Fault::KeepOf(8 << 20),
        Fault::RetryAfter(503, 2),
        Fault::KeepOf(8 << 20),
        Fault::Status(410),
    ] {
        gcs.fault(1, "PUT", "upload_id", fault);
    }
    let mut push = push(&gcs, model.folder());
    ends(push.args(["--store-timeout", "20s"]), 0);
    is_whole(&gcs, &model);
    assert_eq!(gcs.count("POST", "uploadType=resumable"), 2);
}

#[test]
fn an_upload_that_gets_lost_each_time_is_given_up() {
    let gcs = Gcs::start();
    let model = Model::new("m", "1", "a")
        .file("model.json", &large())
        .write();
    gcs.fault(99, "PUT", "upload_id", Fault::Status(410));
    let mut push = push(&gcs, model.folder());
    let said = ends(push.args(["--store-timeout", "1s"]), 17);
    assert!(said.contains("the upload broke off (410"), "{said}");
}

#[test]
fn under_nomad_folder_and_bucket_have_defaults() {
    let gcs = Gcs::start();
    let alloc = tempfile::tempdir().unwrap();
    let model = Model::new("m", "1", "alloc-1")
        .nomad(NomadOrigin {
            job_id: "sales/dispatch-1-a".to_owned(),
            alloc_id: "alloc-1".to_owned(),
            ..NomadOrigin::default()
        })
        .write();
    std::fs::create_dir(alloc.path().join("models")).unwrap();
    std::fs::rename(model.folder(), alloc.path().join("models/m_v1_alloc-1")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_runner"));
    command
        .env_clear()
        .env("STORAGE_EMULATOR_HOST", &gcs.address)
        .env("NOMAD_ALLOC_DIR", alloc.path())
        .env("NOMAD_META_gcp_bucket_path", "models/close")
        .env("NOMAD_META_gcp_creds", "")
        .arg("push");
    ends(&mut command, 0);
    let claim = "close/_claims/global/default/sales~2Fdispatch-1-a/0/1.json";
    let names = gcs.names();
    assert!(names.contains(&claim.to_owned()), "{names:?}");
    assert!(names.contains(&"close/m_v1_alloc-1/manifest.json".to_owned()));
}

#[test]
fn a_folder_without_a_model_is_no_success() {
    let gcs = Gcs::start();
    let empty = tempfile::tempdir().unwrap();
    let said = ends(&mut push(&gcs, empty.path()), 1);
    assert!(said.contains("holds a manifest.json"), "{said}");
    let said = ends(&mut push(&gcs, Path::new("/nonexistent")), 1);
    assert!(said.contains("/nonexistent"), "{said}");
}

#[test]
fn a_job_that_is_run_again_on_other_data_is_told_that_its_model_stays() {
    let work = |alloc: &str| NomadOrigin {
        job_id: "nightly".to_owned(),
        alloc_id: alloc.to_owned(),
        ..NomadOrigin::default()
    };
    let gcs = Gcs::start();
    let first = Model::new("m", "1", "a").nomad(work("a")).write();
    ends(&mut push(&gcs, first.folder()), 0);
    let same = Model::new("m", "1", "b").nomad(work("b")).write();
    let said = ends(&mut push(&gcs, same.folder()), 0);
    assert!(!said.contains("other inputs"), "{said}");
    let second = Model::new("m", "1", "c")
        .nomad(work("c"))
        .with(|manifest| manifest.data.sha256 = "0a".repeat(32))
        .write();
    let said = ends(&mut push(&gcs, second.folder()), 0);
    assert!(
        said.contains("m_v1_a is the model of this piece of Nomad's work already"),
        "{said}"
    );
    assert!(said.contains("other inputs (data)"), "{said}");
}

/// Names of models as `push --json` tells them, with their statuses.
fn pushed(output: &Output) -> Vec<(String, String)> {
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let models = told["models"].as_array().unwrap().iter();
    let text = |model: &serde_json::Value, field: &str| model[field].as_str().unwrap().to_owned();
    models
        .map(|model| (text(model, "name"), text(model, "status")))
        .collect()
}

/// A folder with five models, of which two name a module of their own that lies beside them.
fn five_models(home: &Path, module: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    let sha256 = runner::hex(&Sha256::digest(b"a module"));
    for version in ["1", "2", "3", "4", "5"] {
        let of_its_own = matches!(version, "2" | "4");
        let own = sha256.clone();
        let model = Model::new("m", version, "a").with(move |manifest| {
            if of_its_own {
                manifest.module.sha256 = own;
            }
        });
        let model = model.write();
        let to = home.join(&model.manifest().name);
        std::fs::rename(model.folder(), to).unwrap();
    }
    std::fs::create_dir(home.join("_modules")).unwrap();
    std::fs::write(home.join(format!("_modules/{sha256}.wasm")), module).unwrap();
    sha256
}

#[test]
fn a_module_that_is_damaged_keeps_no_model_of_another_one_from_the_store() {
    let gcs = Gcs::start();
    let home = tempfile::tempdir().unwrap();
    five_models(home.path(), b"something else");
    let output = push(&gcs, home.path()).arg("--json").output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let names: Vec<String> = pushed(&output).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["m_v1_a", "m_v3_a", "m_v5_a"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("its SHA-256 is"), "{said}");
    assert!(said.contains("m_v4_a"), "{said}");
}

#[test]
fn a_model_that_is_published_without_its_module_is_warned_of() {
    let gcs = Gcs::start();
    let home = tempfile::tempdir().unwrap();
    let sha256 = five_models(home.path(), b"a module");
    let output = push(&gcs, home.path()).arg("--json").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(
        gcs.names()
            .contains(&format!("sales/_modules/{sha256}.wasm"))
    );
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    for model in told["models"].as_array().unwrap() {
        let has_module = matches!(model["name"].as_str().unwrap(), "m_v2_a" | "m_v4_a");
        assert_eq!(model["warnings"].is_null(), has_module, "{model}");
        if !has_module {
            assert_eq!(model["warnings"][0]["kind"], "module_missing");
        }
    }
}

#[test]
fn a_model_whose_place_was_taken_is_found_where_run_keeps_it() {
    let gcs = Gcs::start();
    let home = tempfile::tempdir().unwrap();
    let sha256 = five_models(home.path(), b"a module");
    std::fs::create_dir(home.path().join("_unpublished")).unwrap();
    let kept = home.path().join("_unpublished/m_v2_a");
    std::fs::rename(home.path().join("m_v2_a"), &kept).unwrap();
    // By itself, and among the others; its module lies where theirs do.
    ends(&mut push(&gcs, &kept), 0);
    assert!(
        gcs.names()
            .contains(&format!("sales/_modules/{sha256}.wasm"))
    );
    let output = push(&gcs, home.path()).arg("--json").output().unwrap();
    let all = pushed(&output);
    assert_eq!(all.len(), 5, "{all:?}");
    let again = ("m_v2_a".to_owned(), "already_published".to_owned());
    assert!(all.contains(&again), "{all:?}");
}
