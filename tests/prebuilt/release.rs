//! A released checkout, what was released, and where it is downloaded from.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::checkout::{check_out, output};
use crate::http::{Answer, Server};
use crate::support::{skipped, workload};

pub const TAG: &str = concat!("v", env!("CARGO_PKG_VERSION"));

/// The files of a release, by name.
pub type Files = BTreeMap<String, Vec<u8>>;

/// A checkout whose commit is tagged as a release, and the files of that release.
pub struct Release {
    pub checkout: TempDir,
    /// Programs that are found first: `cargo` and `rustc` fail, for nothing may be compiled.
    pub programs: TempDir,
    pub private_key: String,
    pub files: Files,
}

impl Release {
    /// None where a tool is missing that `.ci/prebuilt` needs.
    pub fn new(test: &str) -> Option<Self> {
        for tool in ["git", "curl", "openssl"] {
            if Command::new(tool).arg("--version").output().is_err() {
                skipped(test, &format!("there is no {tool}"));
                return None;
            }
        }
        let programs = TempDir::new().unwrap();
        script(&programs.path().join("cargo"), "exit 96");
        script(&programs.path().join("rustc"), "exit 96");
        script(&programs.path().join("just"), "echo just 1.59.0");

        let checkout = TempDir::new().unwrap();
        check_out(checkout.path());
        let (private_key, public_key) = key_pair();
        fs::write(checkout.path().join(".ci/release-key.pem"), public_key).unwrap();
        git(checkout.path(), &["init", "--quiet"]);
        git(checkout.path(), &["add", "--all"]);
        git(
            checkout.path(),
            &["commit", "--quiet", "--message", "a release"],
        );
        git(checkout.path(), &["tag", TAG]);

        let mut release = Self {
            checkout,
            programs,
            private_key,
            files: Files::new(),
        };
        let commit = git(release.path(), &["rev-parse", "HEAD"]);
        release.files = release.signed(&commit);
        Some(release)
    }

    pub fn path(&self) -> &Path {
        self.checkout.path()
    }

    /// What a release of `commit` consists of, signed by the release's own script.
    pub fn signed(&self, commit: &str) -> Files {
        let folder = TempDir::new().unwrap();
        // The runner under test, which is a development build, but for what it says of its commit.
        let runner = format!(
            "[ \"$1\" != --version ] || {{ echo 'commit    {commit}'; exit; }}\nexec {} \"$@\"",
            env!("CARGO_BIN_EXE_runner")
        );
        script(&folder.path().join(runner_name()), &runner);
        fs::copy(workload(), folder.path().join("workload.wasm")).unwrap();
        let mut sums = String::new();
        for name in [runner_name(), "workload.wasm"] {
            let bytes = fs::read(folder.path().join(name)).unwrap();
            for byte in Sha256::digest(bytes) {
                sums.push_str(&format!("{byte:02x}"));
            }
            sums.push_str(&format!("  {name}\n"));
        }
        fs::write(folder.path().join("SHA256SUMS"), sums).unwrap();
        output(
            Command::new(self.path().join(".ci/sign-release"))
                .arg(folder.path())
                .env("RELEASE_KEY", &self.private_key),
        );
        let files = fs::read_dir(folder.path()).unwrap().map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        });
        files.collect()
    }

    /// A command of the checkout that finds no compiler, with `releases` as the place of all releases.
    pub fn command(&self, program: &str, releases: &str) -> Command {
        let path = std::env::var("PATH").unwrap();
        let mut command = Command::new(self.path().join(program));
        command
            .current_dir(self.path())
            .env("PATH", format!("{}:{path}", self.programs.path().display()))
            .env("CARGO_TARGET_DIR", self.path().join("target"))
            .env("RUNNER_RELEASES", releases)
            .env("RUNNER_RELEASE_PATIENCE", "1")
            .env_remove("RUNNER_FROM_SOURCE");
        command
    }

    /// `.ci/prebuilt` refuses, says `reason`, and leaves no program.
    #[track_caller]
    pub fn is_not_used(&self, releases: &str, reason: &str) {
        let ended = self.command(".ci/prebuilt", releases).output().unwrap();
        let said = said(&ended);
        assert_eq!(ended.status.code(), Some(1), "{said}");
        assert!(said.contains(reason), "{reason:?} is not in:\n{said}");
        assert!(said.contains("building from source: "), "{said}");
        for program in ["runner", "workload.wasm"] {
            assert!(!self.path().join("dist").join(program).exists(), "{said}");
        }
    }
}

pub fn runner_name() -> &'static str {
    if cfg!(target_arch = "aarch64") {
        "runner-arm64"
    } else {
        "runner-amd64"
    }
}

pub fn script(path: &Path, body: &str) {
    fs::write(path, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

pub fn git(folder: &Path, arguments: &[&str]) -> String {
    let printed = output(
        Command::new("git")
            .args([
                "-c",
                "user.name=A Maintainer",
                "-c",
                "user.email=m@example.org",
            ])
            .args(arguments)
            .current_dir(folder),
    );
    String::from_utf8(printed).unwrap().trim().to_owned()
}

/// A private key and its public half, PEM.
pub fn key_pair() -> (String, Vec<u8>) {
    let folder = TempDir::new().unwrap();
    let private: PathBuf = folder.path().join("private.pem");
    let curve = "ec_paramgen_curve:P-256";
    output(
        Command::new("openssl")
            .args(["genpkey", "-algorithm", "EC", "-pkeyopt", curve, "-out"])
            .arg(&private),
    );
    let public = output(
        Command::new("openssl")
            .args(["pkey", "-pubout", "-in"])
            .arg(&private),
    );
    (fs::read_to_string(private).unwrap(), public)
}

pub fn sign(text: &[u8], private_key: &str) -> Vec<u8> {
    let folder = TempDir::new().unwrap();
    let (file, key) = (folder.path().join("file"), folder.path().join("key.pem"));
    fs::write(&file, text).unwrap();
    fs::write(&key, private_key).unwrap();
    output(
        Command::new("openssl")
            .args(["dgst", "-sha256", "-sign"])
            .args([&key, &file]),
    )
}

/// A server of `files` under the release's tag, but for what `other` answers, by the file's name.
pub fn serve(
    files: &Files,
    other: impl Fn(&str) -> Option<Answer> + Send + Sync + 'static,
) -> Server {
    let files = files.clone();
    Server::start(move |asked| {
        let name = asked.target.rsplit('/').next().unwrap();
        if asked.target != format!("/{TAG}/{name}") {
            return Answer::status(404, "");
        }
        other(name).unwrap_or_else(|| match files.get(name) {
            Some(bytes) => Answer::ok(bytes),
            None => Answer::status(404, ""),
        })
    })
}

pub fn said(ended: &Output) -> String {
    String::from_utf8_lossy(&ended.stderr).into_owned()
}
