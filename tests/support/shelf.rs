//! A store in a folder to which others can write, and a folder of somebody else's.
#![allow(clippy::unwrap_used, clippy::panic, dead_code)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use contract::{Manifest, NomadOrigin};
use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, mknodat, utimensat};
use tempfile::TempDir;

use crate::model::{Model, Sketch};
use crate::support::files_below;

pub const RUNNER: &str = env!("CARGO_BIN_EXE_runner");
/// Nothing here takes longer, unless it waits for what never comes.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A store in a folder, and a folder of somebody else's.
pub struct Shelf {
    pub home: TempDir,
    pub theirs: TempDir,
}

impl Shelf {
    pub fn new() -> Self {
        let shelf = Self {
            home: tempfile::tempdir().unwrap(),
            theirs: tempfile::tempdir().unwrap(),
        };
        for name in ["model.json", "predictions.txt", "manifest.json", "old"] {
            let file = File::create(shelf.theirs.path().join(name)).unwrap();
            file.set_modified(SystemTime::now() - 3 * Duration::from_secs(24 * 3600))
                .unwrap();
        }
        shelf
    }

    pub fn path(&self, key: &str) -> PathBuf {
        self.home.path().join("store").join(key)
    }

    /// Ends, that is.
    #[track_caller]
    pub fn run(&self, args: &[&str], code: i32) -> String {
        let mut command = Command::new(RUNNER);
        command.args(args).args(["--store", "store"]);
        let output = in_time(command.env_clear().current_dir(self.home.path()));
        let said = said(&output);
        assert_eq!(output.status.code(), Some(code), "{args:?}\n{said}");
        said
    }

    pub fn put(&self, model: Sketch) -> Manifest {
        let model = model.write();
        self.run(&["push", model.folder().to_str().unwrap()], 0);
        model.manifest().clone()
    }

    #[track_caller]
    pub fn theirs_is_untouched(&self) {
        let mut names: Vec<String> = files_below(self.theirs.path());
        names.sort();
        let expected = ["manifest.json", "model.json", "old", "predictions.txt"];
        assert_eq!(names, expected);
        for name in names {
            let bytes = fs::read(self.theirs.path().join(&name)).unwrap();
            assert!(bytes.is_empty(), "{name} was written to");
        }
    }

    /// Makes all that is in the store three days old; of a link, the link.
    pub fn age(&self) {
        fn old(path: &Path, times: &Timestamps) {
            if fs::symlink_metadata(path).unwrap().is_dir() {
                for entry in fs::read_dir(path).unwrap() {
                    old(&entry.unwrap().path(), times);
                }
            }
            utimensat(CWD, path, times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
        }
        let then = SystemTime::now() - 3 * Duration::from_secs(24 * 3600);
        let then = Timespec {
            tv_sec: then.duration_since(UNIX_EPOCH).unwrap().as_secs() as i64,
            tv_nsec: 0,
        };
        let times = Timestamps {
            last_access: then,
            last_modification: then,
        };
        old(&self.path(""), &times);
    }
}

pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Runs a command that must not wait for ever.
#[track_caller]
pub fn in_time(command: &mut Command) -> Output {
    let begin = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while child.try_wait().unwrap().is_none() {
        if begin.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("{command:?} does not end");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.wait_with_output().unwrap()
}

pub fn pipe(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

pub fn model(version: &str) -> Sketch {
    Model::new("m", version, "a")
}

pub fn work() -> NomadOrigin {
    NomadOrigin {
        job_id: "sales/dispatch-1-a".to_owned(),
        alloc_id: "a".to_owned(),
        ..NomadOrigin::default()
    }
}
