//! What a machine or a bucket may lack: room, a right clock, a right name, rights. Each is said, and nothing is lost.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/gcs/mod.rs"]
mod gcs;
#[path = "support/model.rs"]
mod model;
#[path = "support/server.rs"]
mod server;

use std::path::Path;
use std::process::{Command, Output};
#[cfg(any(feature = "azblob", feature = "s3"))]
use std::sync::{Arc, Mutex};

use gcs::{Fault, Gcs};
use model::Model;
use serde_json::{Value, json};

const RUNNER: &str = env!("CARGO_BIN_EXE_runner");

/// Made for these tests, and good for nothing else.
const KEY: &str = include_str!("support/gcs/test-key.pem");

fn says(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[track_caller]
fn ends(command: &mut Command, code: i32) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{}", says(&output));
    says(&output)
}

fn large_model() -> Model {
    let large = "0123456789abcdef".repeat(20_000);
    Model::new("m", "1", "a").file("model.json", &large).write()
}

/// Runs a shell script that may mount file systems, which nobody else sees. `None` where that is not allowed.
fn in_own_mounts(script: &str, env: &[(&str, &Path)]) -> Option<Output> {
    let unshare = |options: &[&str], script: &str| {
        let mut command = Command::new("unshare");
        command.args(options).args(["sh", "-uc", script]);
        command.envs(env.iter().copied()).output().ok()
    };
    [&["--mount"][..], &["--map-root-user", "--mount"]]
        .into_iter()
        .find(|options| {
            let tried = unshare(options, "mount -t tmpfs -o size=64k tmpfs \"$ROOM\"");
            tried.is_some_and(|tried| tried.status.success())
        })
        .and_then(|options| unshare(options, script))
}

#[test]
fn a_full_disk_is_named_and_the_same_command_goes_on_once_there_is_room() {
    let home = tempfile::tempdir().unwrap();
    let (room, store) = (home.path().join("room"), home.path().join("store"));
    std::fs::create_dir(&room).unwrap();
    let model = large_model();
    let push_there = [Path::new("push"), model.folder(), Path::new("--store")];
    ends(Command::new(RUNNER).args(push_there).arg(&store), 0);
    let script = r#"
        mount -t tmpfs -o size=128k tmpfs "$ROOM"
        "$RUNNER" push "$MODEL" --store "$ROOM/store" 2>&1; echo "push: $?"
        "$RUNNER" list --json --store "$ROOM/store"
        "$RUNNER" pull m@1 --out "$ROOM/pulled" --store "$STORE" 2>&1; echo "pull: $?"
        test -e "$ROOM/pulled" && echo "half a model"
        mount -o remount,size=8m "$ROOM"
        "$RUNNER" push "$MODEL" --store "$ROOM/store" 2>&1; echo "push again: $?"
        "$RUNNER" pull m@1 --out "$ROOM/pulled" --store "$STORE" 2>&1; echo "pull again: $?"
        cmp "$MODEL/model.json" "$ROOM/store/m_v1_a/model.json" && cmp "$MODEL/model.json" "$ROOM/pulled/model.json" && echo whole
        find "$ROOM" -path '*_tmp/*' | sed 's/^/left: /'
    "#;
    let env = [
        ("ROOM", &*room),
        ("STORE", &*store),
        ("MODEL", model.folder()),
        ("RUNNER", Path::new(RUNNER)),
    ];
    let Some(output) = in_own_mounts(script, &env) else {
        server::skipped(
            "a full disk",
            "this user may not mount a file system, not even for itself",
        );
        return;
    };
    let said = says(&output);
    let full = said.split("remount").next().unwrap();
    assert_eq!(
        full.matches("Make room and run the same command again")
            .count(),
        2,
        "{said}"
    );
    for line in [
        "push: 1",
        "{\"models\":[]}",
        "pull: 1",
        "push again: 0",
        "pull again: 0",
        "whole",
    ] {
        assert!(
            said.lines().any(|said| said == line),
            "no {line:?} in:\n{said}"
        );
    }
    assert!(
        !said.contains("half a model") && !said.contains("left: "),
        "{said}"
    );
}

#[test]
fn a_limit_on_the_size_of_files_is_named_too() {
    let home = tempfile::tempdir().unwrap();
    let model = large_model();
    let push = |before: &str| {
        let mut shell = Command::new("bash");
        shell.args([
            "-c",
            &format!("{before} exec \"$@\""),
            "bash",
            RUNNER,
            "push",
        ]);
        shell.arg(model.folder()).arg("--store").arg(home.path());
        shell
    };
    // Without the trap the signal would end it: as it should, and with nothing to see in the store.
    let said = ends(&mut push("trap '' XFSZ; ulimit -f 64;"), 1);
    assert!(
        said.contains("model.json") || said.contains("_tmp"),
        "{said}"
    );
    assert!(said.contains("ulimit -f"), "{said}");
    assert!(!home.path().join("m_v1_a/manifest.json").exists());
    assert!(push("ulimit -f 64;").status().unwrap().code().is_none());
    assert!(!home.path().join("m_v1_a/manifest.json").exists());
    ends(&mut push(""), 0);
    assert!(home.path().join("m_v1_a/manifest.json").exists());
}

/// `runner` against that server.
fn runner(gcs: &Gcs, args: &[&str]) -> Command {
    let mut command = Command::new(RUNNER);
    command
        .env_clear()
        .env("STORAGE_EMULATOR_HOST", &gcs.address);
    command.args(args);
    command
}

#[test]
fn a_token_that_is_refused_for_the_clock_says_so() {
    let home = tempfile::tempdir().unwrap();
    let model = Model::new("m", "1", "a").write();
    for (ahead, said) in [
        (3 * 3600, "clock is 180 minutes behind the server's"),
        (-3 * 3600, "clock is 180 minutes ahead of the server's"),
    ] {
        let gcs = Gcs::start();
        gcs.state().tokens.required = true;
        gcs.state().ahead = ahead;
        let account = home.path().join("account.json");
        let text = json!({
            "type": "service_account",
            "client_email": "runner@project.iam.gserviceaccount.com",
            "private_key": KEY,
            "token_uri": format!("{}/token", gcs.address),
        });
        std::fs::write(&account, text.to_string()).unwrap();
        let mut push = runner(&gcs, &["push", "--store", "gs://models", "--credentials"]);
        push.arg(&account).arg(model.folder());
        let text = ends(&mut push, 16);
        assert!(text.contains(said), "{text}");
        // Google's own words, and no advice that would not help.
        assert!(text.contains("reasonable timeframe"), "{text}");
        assert!(!text.contains("gcloud auth"), "{text}");
        assert!(gcs.names().is_empty());

        gcs.state().ahead = 0;
        ends(&mut push, 0);
    }
}

#[test]
fn a_clock_that_is_right_is_not_blamed() {
    let gcs = Gcs::start();
    let model = Model::new("m", "1", "a").write();
    gcs.fault(9, "POST", "", Fault::Status(403));
    let mut push = runner(&gcs, &["push", "--store", "gs://models"]);
    push.arg(model.folder());
    let said = ends(&mut push, 16);
    assert!(!said.contains("clock"), "{said}");
    gcs.state().ahead = 1000;
    let said = ends(&mut push, 16);
    assert!(said.contains("clock is 16 minutes behind"), "{said}");
}

#[test]
fn what_is_old_is_told_by_the_clock_of_the_store() {
    let gcs = Gcs::start();
    // This machine is two days ahead: an upload of this moment looks as if it were abandoned.
    let behind = 2 * 24 * 3600;
    let there = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() - behind).unwrap();
    gcs.state().ahead = -behind;
    gcs.state().bucket.time = there.to_string();
    gcs.put("m_v1_a/model.json", "{}", 1);
    gcs.put("_modules/00.wasm", "wasm", 2);
    let model = Model::new("m", "2", "a")
        .with(move |manifest| manifest.times.finished = there.to_string())
        .write();
    let mut push = runner(&gcs, &["push", "--store", "gs://models"]);
    ends(push.arg(model.folder()), 0);
    let found = ends(
        &mut runner(&gcs, &["gc", "--json", "--store", "gs://models"]),
        0,
    );
    let found: Value = serde_json::from_str(&found).unwrap();
    assert_eq!(found["garbage"], json!([]));
    ends(
        &mut runner(
            &gcs,
            &["delete", "--older-than", "1d", "--store", "gs://models"],
        ),
        0,
    );
    assert!(gcs.names().contains(&"m_v2_a/manifest.json".to_owned()));
}

/// Answers as Azure does, but what it keeps is not what was sent. Returns its address and the methods that it was asked for.
#[cfg(feature = "azblob")]
fn azure_that_changes_bytes() -> (String, Arc<Mutex<Vec<String>>>) {
    let (address, asked) = gcs::http::serve(|request| {
        let answer = match request.method.as_str() {
            "GET" => gcs::Response::new(200, "other bytes"),
            "HEAD" => gcs::Response::new(200, ""),
            "DELETE" => gcs::Response::new(202, ""),
            _ => gcs::Response::new(201, ""),
        };
        answer.header("etag", "\"1\"")
    });
    (format!("{address}/account"), asked)
}

/// Whoever knows the name of an upload, and may write, may go on with it.
#[cfg(feature = "s3")]
#[test]
fn no_error_tells_the_name_of_an_upload() {
    let (address, asked) = gcs::http::serve(|request| {
        let has = |name: &str| request.query.contains_key(name);
        let answer = match request.method.as_str() {
            "POST" if has("uploads") => gcs::Response::new(
                200,
                "<InitiateMultipartUploadResult><UploadId>SECRET</UploadId></InitiateMultipartUploadResult>",
            ),
            "POST" => gcs::Response::new(
                409,
                "<Error><Code>OperationAborted</Code><Message>upload SECRET? uploadId=SECRET, Upload-Id: 'secret'</Message><UploadId>SECRET</UploadId></Error>",
            ),
            "GET" | "HEAD" => gcs::Response::new(404, ""),
            "DELETE" => gcs::Response::new(409, ""),
            _ => gcs::Response::new(200, ""),
        };
        answer.header("etag", "\"1\"")
    });
    let large = "0123456789abcdef".repeat(600_000);
    let model = Model::new("m", "1", "a").file("a.bin", &large).write();
    let mut push = Command::new(RUNNER);
    push.env_clear()
        .env("AWS_ACCESS_KEY_ID", "id")
        .env("AWS_SECRET_ACCESS_KEY", "hush")
        .args(["push", "--verbose", "--store", "s3://models"])
        .args(["--store-timeout", "1s", "--store-endpoint", &address])
        .arg(model.folder());
    let said = ends(&mut push, 17);
    assert!(said.contains("s3://models/m_v1_a/a.bin"), "{said}");
    assert!(!said.to_lowercase().contains("secret"), "{said}");
    assert!(
        asked
            .lock()
            .unwrap()
            .iter()
            .any(|each| each.starts_with("DELETE"))
    );
}

/// The address of a session is the right to go on with it, wherever in the address that stands.
#[test]
fn no_error_tells_the_session_of_an_upload() {
    for session in ["/s/models/SeCrEt-1234567", "/s?session=SeCrEt-1234567"] {
        let (address, asked) = gcs::http::serve(move |request| {
            let kind = request.query.get("uploadType").map(String::as_str);
            match (request.method.as_str(), kind) {
                ("POST", Some("resumable")) => {
                    let host = &request.headers["host"];
                    gcs::Response::new(200, "")
                        .header("location", format!("http://{host}{session}"))
                }
                ("POST", _) => gcs::Response::new(200, "{}"),
                ("PUT", _) => gcs::Response::new(
                    403,
                    r#"{"error": {"message": "the session secret-1234567 of models ended, see /s/SeCrEt-1234567"}}"#,
                ),
                _ => gcs::Response::new(404, ""),
            }
        });
        let large = "0123456789abcdef".repeat(600_000);
        let model = Model::new("m", "1", "a").file("a.bin", &large).write();
        let mut push = Command::new(RUNNER);
        push.env_clear()
            .env("STORAGE_EMULATOR_HOST", &address)
            .args(["push", "--verbose", "--store", "gs://models"])
            .args(["--store-timeout", "1s"])
            .arg(model.folder());
        let said = ends(&mut push, 16);
        assert!(said.contains("of models ended"), "{said}");
        assert!(!said.to_lowercase().contains("secret"), "{said}");
        assert!(!said.contains("1234567"), "{said}");
        let asked = asked.lock().unwrap();
        assert!(asked.iter().any(|each| each.starts_with("PUT")));
    }
}

#[test]
fn what_a_server_sends_besides_objects_is_bounded() {
    let (address, _) = gcs::http::serve(|_| gcs::Response::new(200, vec![b' '; 40 << 20]));
    let mut list = Command::new(RUNNER);
    list.env_clear()
        .env("STORAGE_EMULATOR_HOST", &address)
        .args(["list", "--store", "gs://models"]);
    let said = ends(&mut list, 22);
    assert!(said.contains("holds more than 33554432 bytes"), "{said}");
}

/// A page to log in is answered with 200, too.
#[test]
fn a_page_is_neither_a_list_of_objects_nor_proof_that_one_was_stored() {
    let gcs = Gcs::start();
    let model = Model::new("m", "1", "a").write();
    let folder = model.folder().to_str().unwrap();
    for upload in ["model.json", "manifest.json"] {
        gcs.fault(1, "POST", upload, Fault::Page);
        let push = ["push", folder, "--store", "gs://models/sales"];
        let said = ends(&mut runner(&gcs, &push), 22);
        assert!(said.contains("not Google Cloud Storage"), "{said}");
        assert!(
            !gcs.names()
                .iter()
                .any(|name| name.ends_with("manifest.json"))
        );
    }
    let data = format!("sales/_data/{}", "0a".repeat(32));
    gcs.put(&data, "rows", 7);
    for verb in [&["list"][..], &["gc"], &["delete", "--older-than", "1d"]] {
        gcs.fault(9, "GET", "", Fault::Page);
        let said = ends(
            runner(&gcs, verb).args(["--store", "gs://models/sales"]),
            22,
        );
        assert!(said.contains("models"), "{said}");
        gcs.heal();
    }
    assert!(gcs.names().contains(&data));
}

#[cfg(feature = "s3")]
#[test]
fn a_page_in_place_of_s3_is_no_empty_store() {
    let (address, asked) = {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = asked.clone();
        let (address, _) = gcs::http::serve(move |request| {
            seen.lock().unwrap().push(request.method.clone());
            gcs::Response::new(200, "<!doctype html><html><p>Log in</p></html>")
        });
        (address, asked)
    };
    let model = Model::new("m", "1", "a").write();
    let folder = model.folder().to_str().unwrap();
    for verb in [
        &["list"][..],
        &["gc", "--older-than", "0s"],
        &["push", folder],
    ] {
        let mut command = Command::new(RUNNER);
        command
            .env_clear()
            .env("AWS_ACCESS_KEY_ID", "a")
            .env("AWS_SECRET_ACCESS_KEY", "b")
            .env("AWS_REGION", "eu-north-1")
            .env("AWS_ENDPOINT_URL", &address)
            .args(verb)
            .args(["--store", "s3://models/sales"]);
        let said = ends(&mut command, 22);
        assert!(said.contains("log in"), "{verb:?}: {said}");
    }
    assert!(
        !asked
            .lock()
            .unwrap()
            .iter()
            .any(|method| method == "DELETE")
    );
}

#[test]
fn a_session_that_takes_back_what_it_confirmed_is_given_up_on() {
    let gcs = Gcs::start();
    let large = "0123456789abcdef".repeat(600_000);
    let model = Model::new("m", "1", "a").file("model.json", &large).write();
    let folder = model.folder().to_str().unwrap();
    // Back and forth: each answer but the first is behind one that was given before.
    for kept in [1 << 20, 0].repeat(20) {
        gcs.fault(1, "PUT", "upload_id", Fault::Confirm(kept));
    }
    let push = ["push", folder, "--store", "gs://models/sales"];
    let said = ends(&mut runner(&gcs, &push), 22);
    assert!(said.contains("does not get on"), "{said}");
}

#[test]
fn a_server_that_wants_to_be_left_alone_for_ever_is_given_up_on() {
    let gcs = Gcs::start();
    gcs.fault(1, "GET", "", Fault::RetryAfter(503, 1));
    gcs.fault(9, "GET", "", Fault::RetryAfter(503, u64::MAX));
    let mut list = runner(&gcs, &["list", "--store", "gs://models"]);
    let said = ends(&mut list, 17);
    assert!(said.contains("503"), "{said}");
}

#[cfg(feature = "azblob")]
#[test]
fn a_large_file_that_arrives_at_azure_changed_is_taken_back() {
    let (address, asked) = azure_that_changes_bytes();
    let large = "0123456789abcdef".repeat(600_000);
    let model = Model::new("m", "1", "a").file("a.bin", &large).write();
    let mut push = Command::new(RUNNER);
    push.env_clear()
        .env("AZURE_STORAGE_ACCOUNT", "account")
        .env("AZURE_STORAGE_KEY", "a2V5")
        .args(["push", "--store", "az://models", "--store-timeout", "1s"])
        .args(["--store-endpoint", &address])
        .arg(model.folder());
    let said = ends(&mut push, 17);
    assert!(said.contains("a.bin: it arrived damaged"), "{said}");
    let asked = asked.lock().unwrap();
    let count = |what: &str| asked.iter().filter(|each| each.starts_with(what)).count();
    assert_eq!(count("DELETE"), count("GET"), "{asked:?}");
    assert!(!asked.iter().any(|each| each.contains("manifest")));
}

/// Every verb that reaches a store, with arguments that are right.
fn verbs(model: &Model) -> Vec<Vec<String>> {
    let folder = model.folder().to_str().unwrap();
    let data = model.data();
    [
        &["push", folder][..],
        &["snapshot", data.to_str().unwrap()],
        &["list"],
        &["list", "--rejected"],
        &["show", "m@1"],
        &["show", "m_v1_a"],
        &["pull", "m@1"],
        &["compare", "m@1", "m@2"],
        &["promote", "m_v1_a", "--alias", "production"],
        &["rollback", "m@production"],
        &["delete", "m@1"],
        &["delete", "--older-than", "1d"],
        &["gc"],
    ]
    .into_iter()
    .map(|args| args.iter().map(|arg| (*arg).to_owned()).collect())
    .collect()
}

#[test]
fn no_verb_takes_a_missing_bucket_for_an_empty_one() {
    let gcs = Gcs::start();
    let model = Model::new("m", "1", "a").write();
    for args in verbs(&model) {
        let mut command = runner(&gcs, &[]);
        command
            .args(&args)
            .args(["--store", "gs://no-such-bucket/sales"]);
        let said = ends(&mut command, 16);
        assert!(said.contains("there is no such bucket"), "{args:?}: {said}");
        assert!(
            said.contains("gs://no-such-bucket/sales"),
            "{args:?}: {said}"
        );
    }
}

#[test]
fn who_has_no_right_is_told_so_by_every_verb() {
    let model = Model::new("m", "1", "a").write();
    for args in verbs(&model) {
        let gcs = Gcs::start();
        for method in ["GET", "POST", "DELETE"] {
            gcs.fault(99, method, "", Fault::Status(403));
        }
        let mut command = runner(&gcs, &[]);
        command.args(&args).args(["--store", "gs://models/sales"]);
        let said = ends(&mut command, 16);
        assert!(
            said.contains("no right to do that (403"),
            "{args:?}: {said}"
        );
        assert!(said.contains("gs://models/sales"), "{args:?}: {said}");
        assert!(gcs.names().is_empty());
    }
}

#[test]
fn what_can_be_no_store_is_refused_before_anything_is_asked() {
    let gcs = Gcs::start();
    let model = Model::new("m", "1", "a").write();
    for args in verbs(&model) {
        for (store, why) in [
            ("gs://Not_A_Bucket/x", "can't be the name of a bucket"),
            ("gs://192.168.0.1:80/x", "can't be the name of a bucket"),
            ("gs://models/sales/../other", "holds .."),
            ("gs://models/..", "holds .."),
            ("gs://", "name is missing"),
        ] {
            let mut command = runner(&gcs, &[]);
            command.args(&args).args(["--store", store]);
            let said = ends(&mut command, 2);
            assert!(
                said.contains(why) && said.contains(store),
                "{args:?}: {said}"
            );
        }
    }
    assert!(gcs.state().seen.is_empty());
}
