//! Other people's tools, where they are installed.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The Python of the project's environment, else the machine's, if it has `modules` (names, joined by commas).
pub fn python(modules: &str) -> Option<PathBuf> {
    let venv =
        std::env::var_os("NOMAD_RUNNER_VENV").map(|venv| Path::new(&venv).join("bin/python"));
    let candidates = venv.into_iter().chain([PathBuf::from("python3")]);
    candidates.into_iter().find(|python| {
        let imports = Command::new(python)
            .args(["-c", &format!("import {modules}")])
            .output();
        imports.is_ok_and(|output| output.status.success())
    })
}
