//! The whole line in a chroot whose `/` holds /etc/passwd, /etc/hosts, /etc/resolv.conf and one writable folder, as
//! user `nobody` without a home: what Nomad's `exec` driver makes of a small `chroot_env`.
//!
//! The runner under test brings its dynamic libraries and their loader into that folder. The static one of `just dist`
//! needs none; it is tried, too, where it was built. A chroot needs root.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use support::{assert_whole, data, models, root, skipped, workload};
use tempfile::TempDir;

/// `nobody` on Debian and on Nomad's clients.
const NOBODY: u32 = 65534;
const ETC: [&str; 3] = ["passwd", "hosts", "resolv.conf"];

/// A folder to be `/` of a runner. `local` in it is the one that can be written.
struct Room(TempDir);

impl Room {
    fn new() -> Self {
        let room = Self(TempDir::new().unwrap());
        open(room.0.path());
        for folder in ["etc", "local"] {
            fs::create_dir(room.0.path().join(folder)).unwrap();
            open(&room.0.path().join(folder));
        }
        for file in ETC {
            fs::copy(
                Path::new("/etc").join(file),
                room.0.path().join("etc").join(file),
            )
            .unwrap();
        }
        room.bring(&workload(), "workload.wasm");
        room.bring(&data("opportunityHistory.json"), "opportunityHistory.json");
        room.bring(&data("pipeline.toml"), "pipeline.toml");
        chown(room.local(), Some(NOBODY), Some(NOBODY)).unwrap();
        room
    }

    fn local(&self) -> PathBuf {
        self.0.path().join("local")
    }

    fn bring(&self, file: &Path, name: &str) {
        fs::copy(file, self.local().join(name)).unwrap();
    }

    /// Runs a program of this room, as `nobody` and with no more of an environment than Nomad's.
    fn run(&self, program: &[OsString], args: &[&str]) -> Output {
        Command::new("chroot")
            .arg(format!("--userspec={NOBODY}:{NOBODY}"))
            .arg(self.0.path())
            .args(program)
            .args(args)
            .env_clear()
            .env("HOME", "/nonexistent")
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .output()
            .unwrap()
    }
}

/// For all to enter and read, whatever this process's umask is.
fn open(folder: &Path) {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Whether this process may make another root; says so otherwise.
fn may_chroot(test: &str) -> bool {
    let root = fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    if !root {
        skipped(test, "a chroot needs root");
    }
    root
}

/// The command that starts the runner under test in `room`: its loader, told where the libraries are.
fn with_its_libraries(room: &Room) -> Vec<OsString> {
    let runner = Path::new(env!("CARGO_BIN_EXE_runner"));
    let listed = Command::new("ldd").arg(runner).output().unwrap();
    // `libc.so.6 => /lib/libc.so.6 (0x…)` for a library, `/lib64/ld-linux.so.2 (0x…)` for the loader.
    let listed = String::from_utf8(listed.stdout).unwrap();
    let mut loader = None;
    for line in listed.lines() {
        let Some(file) = line.split_whitespace().find(|word| word.starts_with('/')) else {
            continue;
        };
        let name = Path::new(file).file_name().unwrap();
        room.bring(Path::new(file), name.to_str().unwrap());
        if !line.contains("=>") {
            loader = Some(Path::new("/local").join(name));
        }
    }
    room.bring(runner, "runner");
    let loader = loader.expect("a dynamic runner has a loader");
    let words = ["--library-path", "/local", "/local/runner"];
    std::iter::once(loader.into_os_string())
        .chain(words.map(OsString::from))
        .collect()
}

const TRAIN: [&str; 6] = [
    "run",
    "/local/workload.wasm",
    "--data=/local/opportunityHistory.json",
    "--spec=/local/pipeline.toml",
    "--store=file:///local/models",
    "--out=/local/out",
];

#[track_caller]
fn trains_and_publishes(room: &Room, runner: &[OsString]) {
    let output = room.run(runner, &TRAIN);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let stored = models(&room.local().join("models"));
    assert_eq!(stored.len(), 1, "{said}");
    assert_whole(&stored[0]);
    if cfg!(feature = "score") {
        // Without /proc no process is started for the ONNX form, and nobody may take it for proven.
        assert!(said.contains("goes on unproven"), "{said}");
        let manifest = support::read_json(&stored[0].join("manifest.json"));
        assert_eq!(manifest["parity"]["status"], "not_checked");
    }
    let top: Vec<_> = support::files_below(room.0.path())
        .into_iter()
        .filter(|file| !file.starts_with("local/"))
        .collect();
    assert_eq!(top.len(), ETC.len(), "left outside its folder: {top:?}");
}

/// What is missing is named: here /tmp, and nothing of /etc.
#[track_caller]
fn is_examined(room: &Room, runner: &[OsString]) {
    let output = room.run(runner, &["doctor"]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for words in [
        "TROUBLE  temporary files: /tmp",
        "well     names",
        "well     root: a small one, of etc, local",
    ] {
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn the_whole_line_in_a_small_room() {
    if !may_chroot("the_whole_line_in_a_small_room") {
        return;
    }
    let room = Room::new();
    let runner = with_its_libraries(&room);
    trains_and_publishes(&room, &runner);
    is_examined(&room, &runner);
}

/// Without /proc a guest's folder is reached by its path.
#[test]
fn without_proc_nobody_else_may_be_able_to_exchange_a_guests_folder() {
    if !may_chroot("without_proc_nobody_else_may_be_able_to_exchange_a_guests_folder") {
        return;
    }
    let room = Room::new();
    let runner = with_its_libraries(&room);
    let mode = |mode: u32| {
        fs::set_permissions(room.local(), fs::Permissions::from_mode(mode)).unwrap();
        let output = room.run(&runner, &TRAIN);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said)
    };
    let (status, said) = mode(0o777);
    assert_eq!(status, Some(1), "{said}");
    assert!(
        said.contains("others can write to /local") && said.contains("mount /proc"),
        "{said}"
    );
    let (status, said) = mode(0o1777);
    assert_eq!(status, Some(0), "{said}");
}

#[test]
fn the_static_runner_needs_nothing_else_in_a_small_room() {
    let name = "the_static_runner_needs_nothing_else_in_a_small_room";
    let arch = match std::env::consts::ARCH {
        "aarch64" => "arm64",
        _ => "amd64",
    };
    let shipped = root().join(format!("dist/runner-{arch}"));
    if !shipped.exists() {
        skipped(
            name,
            &format!("no dist/runner-{arch}; `just dist` builds it"),
        );
        return;
    }
    if !may_chroot(name) {
        return;
    }
    let room = Room::new();
    room.bring(&shipped, "runner");
    trains_and_publishes(&room, &[OsString::from("/local/runner")]);
}
