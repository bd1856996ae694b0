//! The whole line in a chroot whose `/` holds /etc/passwd, /etc/hosts, /etc/resolv.conf and one writable folder, as
//! user `nobody` without a home: what Nomad's `exec` driver makes of a small `chroot_env`.
//!
//! STATIC_RUNNER names the static runner that `just dist` builds; a chroot needs root.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;
use std::process::Command;

use support::{assert_whole, data, models, workload};

/// `nobody` on Debian and on Nomad's clients.
const NOBODY: u32 = 65534;

fn static_runner() -> Option<PathBuf> {
    let root = fs::metadata("/proc/self").is_ok_and(|process| {
        use std::os::unix::fs::MetadataExt;
        process.uid() == 0
    });
    let runner = std::env::var_os("STATIC_RUNNER").map(PathBuf::from);
    match runner {
        Some(runner) if root => Some(runner),
        _ => {
            println!(
                "SKIPPED the_whole_line_in_a_small_room: needs root, and STATIC_RUNNER (the static runner of `just dist`)"
            );
            None
        }
    }
}

#[test]
fn the_whole_line_in_a_small_room() {
    let Some(runner) = static_runner() else {
        return;
    };
    let room = tempfile::tempdir().unwrap();
    fs::set_permissions(room.path(), fs::Permissions::from_mode(0o755)).unwrap();
    for folder in ["etc", "local"] {
        fs::create_dir(room.path().join(folder)).unwrap();
    }
    for file in ["etc/passwd", "etc/hosts", "etc/resolv.conf"] {
        fs::copy(format!("/{file}"), room.path().join(file)).unwrap();
    }
    let local = room.path().join("local");
    for (from, name) in [
        (runner, "runner"),
        (workload(), "workload.wasm"),
        (data("opportunityHistory.json"), "opportunityHistory.json"),
        (data("pipeline.toml"), "pipeline.toml"),
    ] {
        fs::copy(from, local.join(name)).unwrap();
    }
    chown(&local, Some(NOBODY), Some(NOBODY)).unwrap();
    let output = Command::new("chroot")
        .arg("--userspec=65534:65534")
        .arg(room.path())
        .args(["/local/runner", "run", "/local/workload.wasm"])
        .args(["--data", "/local/opportunityHistory.json"])
        .args(["--spec", "/local/pipeline.toml"])
        .args(["--store", "/local/models", "--out", "/local/out"])
        .env_clear()
        .env("HOME", "/nonexistent")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let stored = models(&local.join("models"));
    assert_eq!(stored.len(), 1);
    assert_whole(&stored[0]);
}
