//! The public test programs of WASI preview 1, run by `runner exec`: WASI_TESTSUITE names a checkout of theirs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::{Path, PathBuf};

use serde_json::Value;
use support::{Runner, skipped};

/// `tests/<language>/testsuite/*.wasm`, and one folder deeper in later versions.
fn programs(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            programs(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "wasm") {
            found.push(path);
        }
    }
}

/// How a program ended differently from what its .json says, if it did.
fn difference(program: &Path) -> Option<String> {
    let specification: Value = match std::fs::read(program.with_extension("json")) {
        Ok(text) => serde_json::from_slice(&text).unwrap(),
        Err(_) => Value::Null,
    };
    let mut runner = Runner::new("exec").arg(program);
    if let Some(name) = specification["root"].as_str() {
        let copy = runner.folder.path().join("root");
        copy_folder(&program.with_file_name(name), &copy);
        runner = runner.arg("--dir").arg(format!("{}::/", copy.display()));
    }
    // Of versions before 2026.
    for folder in specification["dirs"].as_array().into_iter().flatten() {
        let name = folder.as_str().unwrap();
        let copy = runner.folder.path().join(name);
        copy_folder(&program.with_file_name(name), &copy);
        runner = runner
            .arg("--dir")
            .arg(format!("{}::{name}", copy.display()));
    }
    for (name, value) in specification["env"].as_object().into_iter().flatten() {
        runner = runner
            .arg("--env")
            .arg(format!("{name}={}", value.as_str().unwrap()));
    }
    runner = runner.arg("--timeout").arg("60s").arg("--");
    for arg in specification["args"].as_array().into_iter().flatten() {
        runner = runner.arg(arg.as_str().unwrap());
    }
    let ended = runner.run();
    let status = specification["exit_code"].as_i64().unwrap_or(0);
    if ended.output.status.code().map(i64::from) != Some(status) {
        return Some(format!("{}: {}", ended.output.status, ended.stderr()));
    }
    let expected = specification["stdout"].as_str()?;
    (ended.stdout() != expected).then(|| format!("stdout: {:?}", ended.stdout()))
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn the_public_wasi_programs_run() {
    let Some(suite) = std::env::var_os("WASI_TESTSUITE") else {
        skipped(
            "the_public_wasi_programs_run",
            "WASI_TESTSUITE names no checkout of WebAssembly/wasi-testsuite (its branch prod/testsuite-base)",
        );
        return;
    };
    let mut found = Vec::new();
    programs(&Path::new(&suite).join("tests"), &mut found);
    // Later versions hold programs for other WASIs too.
    found.retain(|path| {
        !path.to_string_lossy().contains("wasip2") && !path.to_string_lossy().contains("wasip3")
    });
    assert!(
        !found.is_empty(),
        "no tests/**/*.wasm in {}",
        suite.display()
    );
    println!("{} programs", found.len());
    let failed: Vec<String> = found
        .iter()
        .filter_map(|program| Some(format!("{}: {}", program.display(), difference(program)?)))
        .collect();
    assert!(
        failed.is_empty(),
        "{} of {} programs:\n{}",
        failed.len(),
        found.len(),
        failed.join("\n")
    );
}
