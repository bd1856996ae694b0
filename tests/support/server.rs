//! Servers that nobody here wrote. They live in a Python environment (`just venv`) and in npm; without them a test says SKIPPED.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code)]

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Written past the test harness, which shows only what failing tests print.
pub fn skipped(test: &str, reason: &str) {
    use std::io::Write;
    let _ = std::io::stderr().write_all(format!("SKIPPED {test}: {reason}\n").as_bytes());
}

/// A server process that ends with the test.
pub struct Server {
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
    pub fn start(command: impl FnOnce(u16, &std::path::Path) -> Command) -> Self {
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

    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// A program of the Python environment; says SKIPPED when it is not there.
pub fn in_venv(program: &str) -> Option<PathBuf> {
    let venv = std::env::var_os("NOMAD_RUNNER_VENV").map(PathBuf::from);
    let path = venv.map(|venv| venv.join("bin").join(program));
    let found = path.clone().filter(|path| path.exists());
    if found.is_none() {
        skipped(program, "not in $NOMAD_RUNNER_VENV (`just venv` makes it)");
    }
    found
}

pub fn python(code: &str, env: &[(&str, String)]) -> Option<Output> {
    let python = in_venv("python")?;
    let mut command = Command::new(python);
    command
        .args(["-c", code])
        .envs(env.iter().map(|(name, value)| (name, value)));
    Some(command.output().unwrap())
}

/// S3 with the bucket `models`, and what a client's environment holds.
pub fn moto() -> Option<(Server, Vec<(&'static str, String)>)> {
    let moto = in_venv("moto_server")?;
    let server = Server::start(|port, _| {
        let mut command = Command::new(moto);
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        command
    });
    let env = vec![
        ("AWS_ENDPOINT_URL", server.address()),
        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
    ];
    let code = "import boto3, os
boto3.client('s3', endpoint_url=os.environ['AWS_ENDPOINT_URL']).create_bucket(Bucket='models')";
    let made = python(code, &env)?;
    assert!(made.status.success(), "{made:?}");
    Some((server, env))
}

/// Azure Blob Storage with the container `models`, and what a client's environment holds.
pub fn azurite() -> Option<(Server, Vec<(&'static str, String)>)> {
    let venv = std::env::var_os("NOMAD_RUNNER_VENV")
        .map(PathBuf::from)
        .unwrap_or_default();
    let azurite = venv.join("node_modules/.bin/azurite-blob");
    if !azurite.exists() {
        let reason = "not in $NOMAD_RUNNER_VENV/node_modules (`just venv` makes it)";
        skipped("azurite", reason);
        return None;
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
    let env = vec![(
        "AZURE_STORAGE_CONNECTION_STRING",
        format!(
            "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey={key};BlobEndpoint={address};"
        ),
    )];
    let code = "import os
from azure.storage.blob import BlobServiceClient
BlobServiceClient.from_connection_string(os.environ['AZURE_STORAGE_CONNECTION_STRING']).create_container('models')";
    let made = python(code, &env)?;
    assert!(made.status.success(), "{made:?}");
    Some((server, env))
}
