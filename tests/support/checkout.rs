//! A copy of this tree elsewhere.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::support::root;

/// Runs a program to its good end; what it printed.
#[track_caller]
pub fn output(command: &mut Command) -> Vec<u8> {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    assert!(
        status.success(),
        "{command:?}: {status}\n{}",
        String::from_utf8_lossy(&stderr)
    );
    stdout
}

/// A checkout of this tree in `to`. What is unchanged there is left alone, so that a build there need not start anew.
pub fn check_out(to: &Path) {
    let listed = output(
        Command::new("git")
            .args(["ls-files", "-z"])
            .current_dir(root()),
    );
    for file in String::from_utf8(listed).unwrap().split_terminator('\0') {
        let (from, to) = (root().join(file), to.join(file));
        let Ok(bytes) = fs::read(&from) else {
            continue; // deleted, and not committed yet
        };
        if fs::read(&to).is_ok_and(|there| there == bytes) {
            continue;
        }
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::write(&to, bytes).unwrap();
        fs::set_permissions(&to, fs::metadata(&from).unwrap().permissions()).unwrap();
    }
}
