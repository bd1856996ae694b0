//! Every function of WASI preview 1: as guests of `runner run` call it, each a file of tests/guests, and as the public
//! test programs do under `runner exec`; WASI_TESTSUITE names a checkout of theirs. How `run`'s host answers wrong
//! pointers and those programs is tested beside it, in runner/src/sandbox/wasi_tests.rs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::{Path, PathBuf};

use serde_json::Value;
use support::{Runner, assemble, root, skipped};

/// Functions that end or are refused whatever they are given: guests of other names show it.
const ELSEWHERE: [&str; 5] = [
    "proc_exit",
    "sock_accept",
    "sock_recv",
    "sock_send",
    "sock_shutdown",
];

/// A guest that calls functions of WASI on three rows, and ends with 42 when each did what it should.
#[track_caller]
fn does_as_specified(name: &str) {
    Runner::new("run")
        .file("guest.wasm", assemble(name))
        .file("rows.csv", "x,y\n1,1\n2,2\n3,2\n")
        .args(["guest.wasm", "--data", "rows.csv", "--json"])
        .run()
        .ends_with(14)
        .says(["ended with status 42"]);
}

#[test]
fn wasi_arguments() {
    does_as_specified("wasi_arguments");
}

#[test]
fn wasi_clocks() {
    does_as_specified("wasi_clocks");
}

#[test]
fn wasi_contents() {
    does_as_specified("wasi_contents");
}

#[test]
fn wasi_descriptors() {
    does_as_specified("wasi_descriptors");
}

#[test]
fn wasi_folders() {
    does_as_specified("wasi_folders");
}

#[test]
fn wasi_links() {
    does_as_specified("wasi_links");
}

#[test]
fn wasi_paths() {
    does_as_specified("wasi_paths");
}

#[test]
fn wasi_process() {
    does_as_specified("wasi_process");
}

#[test]
fn wasi_random() {
    does_as_specified("wasi_random");
}

#[test]
fn wasi_sizes() {
    does_as_specified("wasi_sizes");
}

#[test]
fn every_function_is_called() {
    let guests: String = std::fs::read_dir(root().join("tests/guests"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.starts_with("wasi_")
        })
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    let host = std::fs::read_to_string(root().join("runner/src/sandbox/host/functions.rs"));
    let host = host.unwrap();
    let mut functions = 0;
    for word in host.split(|letter: char| !(letter.is_ascii_lowercase() || letter == '_')) {
        let kind = word.split_once('_').map_or("", |(kind, _)| kind);
        if ![
            "args", "clock", "environ", "fd", "path", "poll", "proc", "random", "sched", "sock",
        ]
        .contains(&kind)
            || !host.contains(&format!("{word}("))
        {
            continue;
        }
        functions += 1;
        assert!(
            ELSEWHERE.contains(&word) || guests.contains(&format!("(call ${word}")),
            "no guest calls {word}"
        );
    }
    assert!(functions >= 46, "{functions} functions were found");
}

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
