//! What a line or a server may do to requests: each command comes to an end, and what arrives damaged is sent or fetched again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/gcs/mod.rs"]
mod gcs;
#[path = "support/model.rs"]
mod model;
#[cfg(feature = "s3")]
#[path = "support/s3.rs"]
mod s3;

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use gcs::http::serve;
use gcs::{Fault, Gcs, Response};
use model::Model;
use serde_json::{Value, json};

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[track_caller]
fn ends(command: &mut Command, code: i32) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{}", said(&output));
    said(&output)
}

/// `runner` with Google's emulator at `address`.
fn runner(address: &str, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runner"));
    command.env_clear().env("STORAGE_EMULATOR_HOST", address);
    command.args(args).args(["--store", "gs://models/sales"]);
    command
}

/// A list with one folder, which is nothing of ours, and `token` for the next page.
fn page(token: &str) -> Response {
    Response::json(&json!({"prefixes": ["sales/others/"], "nextPageToken": token}))
}

#[test]
fn a_list_that_begins_again_has_an_end() {
    for tokens in [&["a"][..], &["a", "b", "c"]] {
        let asked = std::sync::atomic::AtomicUsize::new(0);
        let (address, seen) = serve(move |_| {
            let number = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            page(tokens[number % tokens.len()])
        });
        let text = ends(&mut runner(&address, &["list"]), 22);
        assert!(text.contains("begins again"), "{text}");
        assert_eq!(seen.lock().unwrap().len(), tokens.len() + 1);
    }
}

#[test]
fn a_list_of_pages_without_anything_new_has_an_end() {
    let asked = std::sync::atomic::AtomicUsize::new(0);
    let (address, _) = serve(move |_| {
        let number = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        page(&number.to_string())
    });
    let text = ends(&mut runner(&address, &["list"]), 22);
    assert!(text.contains("brought nothing new"), "{text}");
}

#[test]
fn an_answer_that_drips_is_given_up_on() {
    let gcs = Gcs::start();
    let model = Model::new("m", "1", "a").file("model.json", &"x".repeat(1 << 20));
    let model = model.write();
    let folder = model.folder().to_str().unwrap();
    ends(&mut runner(&gcs.address, &["push", folder]), 0);
    let home = tempfile::tempdir().unwrap();
    let drip = Fault::Drip(Duration::from_millis(20));
    for (part, args, why) in [
        // A page of a list, and an object.
        ("prefix=", &["list"][..], "no whole answer in time"),
        ("m_v1_a/model.json", &["pull", "m_v1_a"], "bytes a second"),
    ] {
        gcs.fault(99, "GET", part, drip.clone());
        let mut command = runner(&gcs.address, args);
        command
            .current_dir(home.path())
            .args(["--store-timeout", "1s"]);
        let text = ends(&mut command, 17);
        assert!(text.contains(why), "{text}");
        gcs.heal();
    }
}

/// Each request alone would be answered soon enough.
#[test]
fn what_a_command_waits_for_its_store_is_bounded_as_a_whole() {
    let gcs = Gcs::start();
    let mut model = Model::new("m", "1", "a");
    for number in 0..20 {
        model = model.file(&format!("part-{number:02}.json"), "{}");
    }
    let model = model.write();
    for number in 0..20 {
        let part = format!("part-{number:02}");
        gcs.fault(1, "POST", &part, Fault::RetryAfter(503, 1));
    }
    let folder = model.folder().to_str().unwrap();
    let mut push = runner(&gcs.address, &["push", folder, "--store-timeout", "3s"]);
    let text = ends(&mut push, 17);
    assert!(text.contains("503"), "{text}");
    // It got somewhere meanwhile, and goes on from there.
    assert!(gcs.names().len() > 1, "{:?}", gcs.names());
    assert!(gcs.names().len() < 20, "{:?}", gcs.names());
    gcs.heal();
    ends(&mut push, 0);
}

#[test]
fn one_flipped_bit_ends_no_list() {
    let gcs = Gcs::start();
    for version in 0..50 {
        let model = Model::new("m", &version.to_string(), "a").write();
        let name = &model.manifest().name;
        let manifest = std::fs::read(model.folder().join("manifest.json")).unwrap();
        gcs.put(&format!("sales/{name}/manifest.json"), manifest, version);
    }
    for version in [1, 20, 49] {
        gcs.fault(1, "GET", &format!("m_v{version}_a/"), Fault::Corrupt);
    }
    let listed = ends(&mut runner(&gcs.address, &["list", "--json"]), 0);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["models"].as_array().unwrap().len(), 50);
    assert_eq!(gcs.count("GET", "manifest.json"), 53);
}

#[test]
fn an_object_that_is_damaged_each_time_is_said_to_be() {
    let gcs = Gcs::start();
    gcs.put("sales/m_v1_a/manifest.json", "{}", 1);
    gcs.fault(99, "GET", "manifest.json", Fault::Corrupt);
    let text = ends(&mut runner(&gcs.address, &["show", "m_v1_a"]), 17);
    assert!(text.contains("arrived damaged each time"), "{text}");
    assert_eq!(gcs.count("GET", "manifest.json"), 3);
}

#[test]
fn what_arrives_in_two_requests_is_compared_as_a_whole() {
    let gcs = Gcs::start();
    let large = "0123456789abcdef".repeat(200_000);
    gcs.put("sales/rows.csv", large, 1);
    gcs.fault(1, "GET", "rows.csv", Fault::ResetAfter(1 << 20));
    // The rest of it.
    gcs.fault(1, "GET", "rows.csv", Fault::Corrupt);
    let args = ["snapshot", "gs://models/sales/rows.csv"];
    ends(&mut runner(&gcs.address, &args), 0);
    assert_eq!(gcs.count("GET", "rows.csv"), 3);
}

/// Google unpacks it for who does not ask for gzip, and sends the checksum of what is stored.
#[test]
fn an_object_that_is_stored_as_gzip_arrives_as_it_is_stored() {
    let gcs = Gcs::start();
    gcs.put_gzip("sales/rows.csv", b"a,b\n1,2\n", 1);
    let args = ["snapshot", "gs://models/sales/rows.csv"];
    ends(&mut runner(&gcs.address, &args), 0);
    let state = gcs.state();
    let stored = &state.bucket.objects["sales/rows.csv"].bytes;
    let kept = state.bucket.objects.iter();
    let mut kept = kept.filter(|(name, _)| name.contains("_data/"));
    assert_eq!(&kept.next().unwrap().1.bytes, stored);
}

/// Silence counts from the last byte that went out: each part takes longer than the server may be silent.
#[test]
fn a_line_that_is_slow_and_does_move_gets_an_upload_through() {
    let gcs = Gcs::start();
    gcs.state().uplink = Duration::from_millis(12);
    let large = "0123456789abcdef".repeat(600_000);
    let model = Model::new("m", "1", "a").file("model.json", &large).write();
    let folder = model.folder().to_str().unwrap();
    let begin = Instant::now();
    let mut push = runner(&gcs.address, &["push", folder, "--store-timeout", "1s"]);
    ends(&mut push, 0);
    assert!(begin.elapsed() > Duration::from_secs(1));
}

#[test]
fn what_a_session_holds_is_not_sent_again() {
    let gcs = Gcs::start();
    let large = "0123456789abcdef".repeat(1_500_000);
    let model = Model::new("m", "1", "a").file("model.json", &large).write();
    let folder = model.folder().to_str().unwrap();
    // Two parts whose answers get lost, and one of which half arrives.
    gcs.fault(2, "PUT", "upload_id", Fault::LostResponse);
    ends(&mut runner(&gcs.address, &["push", folder]), 0);
    let state = gcs.state();
    let parts = state.seen.iter().filter(|seen| seen.method == "PUT");
    let bytes: usize = parts
        .filter_map(|seen| seen.headers.get("content-length"))
        .map(|length| length.parse::<usize>().unwrap())
        .sum();
    assert_eq!(bytes, large.len());
}

#[test]
fn parts_that_do_not_get_through_become_smaller() {
    let gcs = Gcs::start();
    let large = "0123456789abcdef".repeat(600_000);
    let model = Model::new("m", "1", "a").file("model.json", &large).write();
    let folder = model.folder().to_str().unwrap();
    // Nothing of it is kept.
    gcs.fault(2, "PUT", "upload_id", Fault::Status(503));
    ends(&mut runner(&gcs.address, &["push", folder]), 0);
    let state = gcs.state();
    let parts = state.seen.iter().filter(|seen| seen.method == "PUT");
    let lengths: Vec<usize> = parts
        .filter_map(|seen| seen.headers.get("content-length"))
        .map(|length| length.parse().unwrap())
        .collect();
    assert_eq!(lengths[..2], [8 << 20, 4 << 20], "{lengths:?}");
}

#[cfg(feature = "s3")]
mod on_s3 {
    use super::*;
    use crate::s3::{S3, Trick};

    fn push(s3: &S3, model: &Model) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_runner"));
        command
            .env_clear()
            .env("AWS_ACCESS_KEY_ID", "a")
            .env("AWS_SECRET_ACCESS_KEY", "b")
            .env("AWS_REGION", "eu-north-1")
            .env("AWS_ENDPOINT_URL", &s3.address)
            .arg("push")
            .arg(model.folder())
            .args(["--store", "s3://models/sales", "--store-timeout", "20s"]);
        command
    }

    fn is_whole(s3: &S3, model: &Model) {
        for file in &model.manifest().files {
            let local = std::fs::read(model.folder().join(&file.path)).unwrap();
            let key = format!("sales/{}/{}", model.manifest().name, file.path);
            assert!(s3.object(&key) == Some(local), "{key}");
        }
    }

    #[test]
    fn errors_that_pass_are_asked_again_whatever_their_status_is() {
        for (method, part, trick) in [
            ("PUT", "metrics.json", Trick::Error(400, "BadDigest")),
            ("PUT", "metrics.json", Trick::Error(400, "RequestTimeout")),
            ("PUT", "metrics.json", Trick::Error(503, "SlowDown")),
            // It has begun to answer when it finds out.
            ("POST", "uploadId", Trick::Error(200, "InternalError")),
        ] {
            let s3 = S3::start();
            let large = "0123456789abcdef".repeat(600_000);
            let model = Model::new("m", "1", "a").file("a.bin", &large).write();
            s3.trick(method, part, trick);
            ends(&mut push(&s3, &model), 0);
            is_whole(&s3, &model);
            assert!(s3.tricks_are_over());
        }
    }

    #[test]
    fn a_server_that_ignores_checksums_is_found_out_by_its_etag() {
        for (method, part) in [("PUT", "metrics.json"), ("PUT", "partNumber=1")] {
            let s3 = S3::start();
            let large = "0123456789abcdef".repeat(600_000);
            let model = Model::new("m", "1", "a").file("a.bin", &large).write();
            s3.trick(method, part, Trick::Flip);
            ends(&mut push(&s3, &model), 0);
            is_whole(&s3, &model);
            assert!(s3.tricks_are_over());
        }
    }

    /// As where a bucket encrypts with keys of its own.
    #[test]
    fn etags_that_are_no_digests_are_looked_behind_once() {
        let s3 = S3::start();
        s3.odd_etags();
        let model = Model::new("m", "1", "a").write();
        ends(&mut push(&s3, &model), 0);
        is_whole(&s3, &model);
        assert_eq!(s3.count("GET"), 1);
    }
}
