//! A run of the real binary, set up in one line.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code)]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// The top level of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_path_buf()
}

/// The training module that `just guest` builds.
pub fn workload() -> PathBuf {
    let module = root().join("dist/workload.wasm");
    assert!(
        module.exists(),
        "{} is missing: run `just guest`",
        module.display()
    );
    module
}

/// A file under tests/data.
pub fn data(name: &str) -> PathBuf {
    root().join("tests/data").join(name)
}

/// Says that a test could not run, and why. Written past the test harness, which shows only what failing tests print.
pub fn skipped(test: &str, reason: &str) {
    use std::io::Write;
    let _ = std::io::stderr().write_all(format!("SKIPPED {test}: {reason}\n").as_bytes());
}

/// The module of tests/guests/<name>.wat.
pub fn assemble(name: &str) -> Vec<u8> {
    wat::parse_file(root().join(format!("tests/guests/{name}.wat"))).unwrap()
}

/// `tests/data/pipeline.toml` with a fifth of its trees.
pub fn sample_specification() -> String {
    let text = std::fs::read_to_string(data("pipeline.toml")).unwrap();
    assert!(text.contains("n_estimators = 100"));
    text.replace("n_estimators = 100", "n_estimators = 20")
}

/// A `runner` command in a folder of its own, which sees nothing of this machine's environment.
pub struct Runner {
    pub command: Command,
    pub folder: TempDir,
}

impl Runner {
    /// `runner <verb>`.
    pub fn new(verb: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_runner"));
        command
            .env_clear()
            .env("HOME", folder.path())
            .env("XDG_CACHE_HOME", cache())
            .current_dir(folder.path())
            .arg(verb);
        Self { command, folder }
    }

    /// `runner run workload.wasm --json`.
    pub fn train() -> Self {
        Self::new("run").arg(workload()).arg("--json")
    }

    /// Trains on the sample opportunities by their specification, with a forest small enough for a test.
    pub fn train_sample() -> Self {
        Self::train()
            .args(["--save-path", "trainedWinPrediction"])
            .arg("--data")
            .arg(data("opportunityHistory.json"))
            .file("sample.toml", sample_specification())
            .args(["--spec", "sample.toml"])
    }

    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    pub fn args<const N: usize>(mut self, args: [&str; N]) -> Self {
        self.command.args(args);
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// A file in the command's folder.
    pub fn file(self, name: &str, text: impl AsRef<[u8]>) -> Self {
        std::fs::write(self.folder.path().join(name), text).unwrap();
        self
    }

    pub fn run(mut self) -> Ended {
        let output = self.command.output().unwrap();
        Ended {
            output,
            folder: self.folder,
        }
    }
}

/// Compiled modules are shared by all tests. The runner makes no folder of the environment's, so this one must be there.
fn cache() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// How a process ends within `time`; it is killed where it does not.
#[track_caller]
pub fn ends_within(mut child: std::process::Child, time: std::time::Duration) -> Option<i32> {
    let begin = std::time::Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if begin.elapsed() > time {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("it goes on after {time:?}");
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// Sends a signal to a child.
pub fn send(child: &std::process::Child, signal: rustix::process::Signal) {
    let process = rustix::process::Pid::from_raw(child.id().cast_signed()).unwrap();
    rustix::process::kill_process(process, signal).unwrap();
}

/// A command that has ended.
pub struct Ended {
    pub output: Output,
    pub folder: TempDir,
}

impl Ended {
    #[track_caller]
    pub fn ends_with(self, status: i32) -> Self {
        assert_eq!(
            self.output.status.code(),
            Some(status),
            "stderr:\n{}\nstdout:\n{}",
            self.stderr(),
            self.stdout()
        );
        self
    }

    /// Both streams hold nothing but what was asked of them; stderr holds each of `texts`.
    #[track_caller]
    pub fn says<const N: usize>(self, texts: [&str; N]) -> Self {
        for text in texts {
            assert!(
                self.stderr().contains(text),
                "{text:?} is not in:\n{}",
                self.stderr()
            );
        }
        self
    }

    pub fn stderr(&self) -> String {
        String::from_utf8(self.output.stderr.clone()).unwrap()
    }

    pub fn stdout(&self) -> String {
        String::from_utf8(self.output.stdout.clone()).unwrap()
    }

    /// The one JSON object on stdout.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.output.stdout).unwrap_or_else(|error| {
            panic!(
                "{error}\nstdout:\n{}\nstderr:\n{}",
                self.stdout(),
                self.stderr()
            )
        })
    }

    pub fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join(relative)
    }
}

/// Reads a JSON file.
#[track_caller]
pub fn read_json(path: &Path) -> Value {
    let text = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap()
}

/// The models in a folder store: its children with a manifest.
pub fn models(store: &Path) -> Vec<PathBuf> {
    let mut models: Vec<PathBuf> = std::fs::read_dir(store)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|folder| folder.join("manifest.json").exists())
        .collect();
    models.sort();
    models
}

/// Asserts that every file that the manifest names is there with its size and digest, and no other file is.
#[track_caller]
pub fn assert_whole(model: &Path) {
    use sha2::{Digest, Sha256};
    let manifest = read_json(&model.join("manifest.json"));
    let mut named: Vec<String> = vec!["manifest.json".to_owned()];
    for file in manifest["files"].as_array().unwrap() {
        let path = file["path"].as_str().unwrap();
        let bytes = std::fs::read(model.join(path)).unwrap();
        assert_eq!(file["bytes"], bytes.len(), "{path}");
        let digest: String = Sha256::digest(&bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(file["sha256"], digest, "{path}");
        named.push(path.to_owned());
    }
    let mut found = files_below(model);
    named.sort();
    found.sort();
    assert_eq!(found, named, "files of {}", model.display());
}

/// Relative paths of all files below `folder`.
pub fn files_below(folder: &Path) -> Vec<String> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(
                    path.strip_prefix(folder)
                        .unwrap()
                        .to_str()
                        .unwrap()
                        .to_owned(),
                );
            }
        }
    }
    files
}

/// Sends a signal to a runner once it scores ONNX: it ends with `status`, and so does what scores. `left`, sorted, are the
/// files in its folder then.
#[track_caller]
pub fn is_stopped_while_it_scores(run: &mut Runner, signal: &str, status: i32, left: &[&str]) {
    let mut child = run.command.spawn().unwrap();
    let scorer = scorer_of(child.id());
    let killed = Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status();
    assert!(killed.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(status));
    is_gone(scorer);
    let mut found = files_below(run.folder.path());
    found.sort();
    assert_eq!(found, left);
}

/// The process in which the runner `parent` scores ONNX, once there is one.
fn scorer_of(parent: u32) -> u32 {
    let begin = std::time::Instant::now();
    loop {
        for process in std::fs::read_dir("/proc").unwrap().flatten() {
            let Ok(id) = process.file_name().to_string_lossy().parse() else {
                continue;
            };
            let of = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
            if parent_of(id) == Some(parent) && of.windows(11).any(|part| part == b"score-aside") {
                return id;
            }
        }
        assert!(begin.elapsed().as_secs() < 60, "nothing is scored");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// The parent of a process that has not ended.
fn parent_of(process: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // `id (name) state parent …`, and a name may hold anything.
    let mut words = status.rsplit(") ").next()?.split(' ');
    (words.next()? != "Z").then(|| words.next()?.parse().ok())?
}

/// Waits until a process has ended.
#[track_caller]
fn is_gone(process: u32) {
    let begin = std::time::Instant::now();
    while parent_of(process).is_some() {
        assert!(begin.elapsed().as_secs() < 20, "{process} is still there");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}
