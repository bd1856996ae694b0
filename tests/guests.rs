//! What hostile and broken modules can't do. Each is a file of tests/guests, and the test of the same name says how it
//! ends: with which status, and which words.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use support::{Ended, Runner, assemble, ends_within, root, send};

/// `runner run <name>.wasm` on three rows.
fn train(name: &str) -> Runner {
    Runner::new("run")
        .file("guest.wasm", assemble(name))
        .file("rows.csv", "x,y\n1,1\n2,2\n3,2\n")
        .arg("guest.wasm")
        .args(["--data", "rows.csv", "--json"])
}

/// Nothing was published, kept or left lying about.
#[track_caller]
fn left_nothing(ended: Ended) -> Ended {
    let runs = ended.path("runs");
    if runs.exists() {
        assert_eq!(std::fs::read_dir(runs).unwrap().count(), 0);
    }
    assert_eq!(ended.stdout(), "");
    ended
}

/// All that the guest tried was refused: it says so with status 42.
#[track_caller]
fn all_refused(name: &str) {
    left_nothing(train(name).run())
        .ends_with(14)
        .says(["ended with status 42"]);
}

#[test]
fn every_guest_has_a_test() {
    let tests = include_str!("guests.rs");
    let (exec, wasi) = (include_str!("exec.rs"), include_str!("wasi_testsuite.rs"));
    for entry in std::fs::read_dir(root().join("tests/guests")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(
            [tests, wasi]
                .iter()
                .any(|tests| tests.contains(&format!("\nfn {name}() {{")))
                || exec.contains(&format!("exec(\"{name}\")")),
            "tests/guests/{name}.wat has no test `{name}` in tests/guests.rs or tests/wasi_testsuite.rs, and none in tests/exec.rs"
        );
    }
}

/// docs/security.md: the last cell of each promise names the tests that show it, or the file that holds them.
#[test]
fn every_promise_has_a_test() {
    let page = std::fs::read_to_string(root().join("docs/security.md")).unwrap();
    let tests: String = std::fs::read_dir(root().join("tests"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "rs"))
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    let mut promises = 0;
    for row in page
        .lines()
        .filter(|line| line.starts_with("| ") && !line.ends_with("shown by |"))
    {
        let shown_by = row.trim_end_matches(" |").rsplit("| ").next().unwrap();
        let names: Vec<&str> = shown_by.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "nothing shows this: {row}");
        for name in names {
            let there = if name.contains('/') {
                root().join(name).exists()
            } else {
                tests.contains(&format!("fn {}", name.trim_end_matches('…')))
            };
            assert!(there, "{name}, which is to show this, is not there: {row}");
        }
        promises += 1;
    }
    assert!(promises > 20, "{promises} promises were found");
}

#[test]
fn keeps_the_contract() {
    let ended = train("keeps_the_contract").run().ends_with(0);
    assert_eq!(ended.json()["status"], "kept");
}

// No WASI preview 1 command: 11.

#[test]
fn truncated() {
    let whole = assemble("keeps_the_contract");
    for length in [0, 3, 8, 9, whole.len() / 2, whole.len() - 1] {
        left_nothing(
            train("keeps_the_contract")
                .file("guest.wasm", &whole[..length])
                .run(),
        )
        .ends_with(11)
        .says(["guest.wasm"]);
    }
}

#[test]
fn another_kind_of_file() {
    for (bytes, words) in [
        (&b"#!/bin/sh\n"[..], "does not start like one"),
        (b"\x7fELF\x02", "machine code"),
        (b"(module)", "text"),
        (b"\0asm\x0d\0\x01\0", "component"),
    ] {
        left_nothing(train("keeps_the_contract").file("guest.wasm", bytes).run())
            .ends_with(11)
            .says([words]);
    }
}

#[test]
fn unknown_import() {
    left_nothing(train("unknown_import").run())
        .ends_with(11)
        .says(["`env.http_get`", "wasm32-wasip1"]);
}

#[test]
fn no_start() {
    left_nothing(train("no_start").run())
        .ends_with(11)
        .says(["`_start`"]);
}

#[test]
fn no_memory() {
    left_nothing(train("no_memory").run())
        .ends_with(11)
        .says(["`memory`"]);
}

#[test]
fn shared_memory() {
    left_nothing(train("shared_memory").run())
        .ends_with(11)
        .says(["guest.wasm", "threads"]);
}

// Limits: 13, and the flag that raises it.

#[test]
fn endless_loop() {
    let ended = train("endless_loop").args(["--timeout", "200ms"]).run();
    left_nothing(ended).ends_with(13).says(["--timeout"]);
}

#[test]
fn endless_start_function() {
    let ended = train("endless_start_function")
        .args(["--timeout", "200ms"])
        .run();
    left_nothing(ended).ends_with(13).says(["--timeout"]);
}

#[test]
fn endless_recursion() {
    left_nothing(train("endless_recursion").run())
        .ends_with(13)
        .says(["--stack"]);
}

#[test]
fn sleeps_for_ever() {
    let ended = train("sleeps_for_ever").args(["--timeout", "200ms"]).run();
    left_nothing(ended).ends_with(13).says(["--timeout"]);
}

#[test]
fn memory_without_end() {
    let ended = train("memory_without_end")
        .args(["--memory", "64MiB"])
        .run();
    left_nothing(ended)
        .ends_with(13)
        .says(["64 MiB", "--memory"]);
    // 32 bits end before this limit does.
    let ended = train("memory_without_end").args(["--memory", "5GiB"]).run();
    left_nothing(ended).ends_with(13).says(["4 GiB"]);
}

#[test]
fn memory_at_once() {
    let ended = train("memory_at_once").args(["--memory", "64MiB"]).run();
    left_nothing(ended).ends_with(13).says(["--memory"]);
}

#[test]
fn table_without_end() {
    let ended = train("table_without_end").args(["--memory", "64MiB"]).run();
    left_nothing(ended).ends_with(13).says(["--memory"]);
}

#[test]
fn many_tables() {
    left_nothing(train("many_tables").run())
        .ends_with(13)
        .says(["9 tables"]);
}

#[test]
fn stdout_flood() {
    let ended = train("stdout_flood")
        .args(["--max-log-bytes", "1KiB", "--log-format", "json"])
        .run();
    let ended = left_nothing(ended).ends_with(13).says(["--max-log-bytes"]);
    assert!(ended.stderr().matches("dull boy").count() <= 24);
}

#[test]
fn million_files() {
    let ended = train("million_files")
        .args(["--max-output-files", "500"])
        .run();
    left_nothing(ended)
        .ends_with(13)
        .says(["500 files", "--max-output-files"]);
}

#[test]
fn deep_folder() {
    left_nothing(train("deep_folder").run())
        .ends_with(13)
        .says(["folders"]);
}

#[test]
fn fills_the_disk() {
    let ended = train("fills_the_disk")
        .args(["--max-output-bytes", "1MiB"])
        .run();
    left_nothing(ended)
        .ends_with(13)
        .says(["1 MiB", "--max-output-bytes"]);
}

/// What was removed stays counted, though a file system gives its inode to the next file.
#[test]
fn writes_and_removes() {
    let ended = train("writes_and_removes")
        .args(["--max-output-bytes", "1MiB"])
        .run();
    left_nothing(ended)
        .ends_with(13)
        .says(["1 MiB", "--max-output-bytes"]);
}

#[test]
fn sparse_file() {
    left_nothing(train("sparse_file").run())
        .ends_with(13)
        .says(["--max-output-bytes"]);
}

#[test]
fn open_files_without_end() {
    all_refused("open_files_without_end");
}

// Deadlines and signals are heard whatever the host does for a guest meanwhile.

/// A guest that would keep the host or a single instruction busy for a minute or more.
fn busy(body: &str, times: usize) -> Vec<u8> {
    let text = format!(
        r#"(module
        (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
        (memory (export "memory") 2048)
        (func (export "_start") {}))"#,
        body.repeat(times)
    );
    wat::parse_str(text).unwrap()
}

#[track_caller]
fn ends_at_its_deadline(run: Runner) {
    let started = Instant::now();
    let ended = run.args(["--timeout", "200ms"]).run();
    let took = started.elapsed();
    left_nothing(ended).ends_with(13).says(["--timeout"]);
    assert!(took < Duration::from_secs(8), "{took:?}");
}

#[test]
fn newline_flood() {
    ends_at_its_deadline(train("newline_flood"));
}

#[test]
fn no_call_and_no_instruction_holds_a_deadline_up() {
    for guest in [
        // Without a loop, in which a guest would be interrupted.
        busy(
            "(drop (call $random (i32.const 0) (i32.const 0x4000000)))",
            500,
        ),
        busy(
            "(memory.fill (i32.const 0) (i32.const 1) (i32.const 0x8000000))",
            4000,
        ),
    ] {
        ends_at_its_deadline(train("keeps_the_contract").file("guest.wasm", guest));
    }
}

#[test]
fn no_call_holds_a_signal_up() {
    let mut run = train("newline_flood");
    let child = run
        .command
        .env("TMPDIR", run.folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It has been compiled and prints: its working folder is there.
    let working = || std::fs::read_dir(run.folder.path().join("runs")).is_ok();
    let started = Instant::now();
    while !working() {
        assert!(started.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(500));
    let signalled = Instant::now();
    send(&child, Signal::TERM);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(143));
    assert!(signalled.elapsed() < Duration::from_secs(5));
    let left = std::fs::read_dir(run.folder.path().join("runs")).unwrap();
    assert_eq!(left.count(), 0);
}

/// Starts a guest that prints more than a pipe holds. Nobody reads it.
fn floods(args: &[&str]) -> (Runner, Child) {
    let mut run = train("stdout_flood");
    run.command.args(["--max-log-bytes", "1GiB"]).args(args);
    let child = run.command.stderr(Stdio::piped()).spawn().unwrap();
    (run, child)
}

#[test]
fn a_deadline_holds_while_nobody_reads_the_log() {
    let (_run, mut child) = floods(&["--timeout", "500ms"]);
    let _log = child.stderr.take();
    let ended = ends_within(child, Duration::from_secs(20));
    assert_eq!(ended, Some(13));
}

#[test]
fn a_signal_is_heard_while_nobody_reads_the_log() {
    for (signal, status) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let (run, mut child) = floods(&[]);
        let _log = child.stderr.take();
        // It has begun once its working folder is there, and the pipe is full soon after.
        let begin = Instant::now();
        while !run.folder.path().join("runs").exists() {
            assert!(begin.elapsed() < Duration::from_secs(60));
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(500));
        send(&child, signal);
        assert_eq!(ends_within(child, Duration::from_secs(15)), Some(status));
        // What such an end leaves is gone with the next run.
        let next = run.file("guest.wasm", assemble("leaves_nothing")).run();
        left_nothing(next).ends_with(15);
    }
}

/// A module of a few bytes that compiling would take gigabytes for.
#[test]
fn large_to_compile() {
    let many = "i64 ".repeat(1000);
    let arguments: String = (0..1000)
        .map(|index| format!("local.get {index} "))
        .collect();
    let text = format!(
        r#"(module (memory (export "memory") 1)
        (func $f (param {many}) (result {many}) unreachable)
        (func (param {many}) (result {many}) {arguments} {})
        (func (export "_start")))"#,
        "call $f ".repeat(8000)
    );
    let started = Instant::now();
    let ended = train("keeps_the_contract")
        .file("guest.wasm", wat::parse_str(text).unwrap())
        .args(["--no-cache"])
        .run();
    left_nothing(ended)
        .ends_with(13)
        .says(["compiling", "of memory", "4 GiB is the limit"]);
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[test]
fn compiling_has_a_deadline_too() {
    let function = format!(
        "(func (result i64) i64.const 1 {})",
        "i64.const 3 i64.mul i64.const 7 i64.xor ".repeat(1000)
    );
    let text = format!(
        r#"(module (memory (export "memory") 1) {} (func (export "_start")))"#,
        function.repeat(200)
    );
    let guest = wat::parse_str(text).unwrap();
    let run = train("keeps_the_contract").file("guest.wasm", guest).args([
        "--no-cache",
        "--timeout",
        "10ms",
    ]);
    let started = Instant::now();
    let ended = run.run();
    let took = started.elapsed();
    left_nothing(ended)
        .ends_with(13)
        .says(["compiling", "--timeout"]);
    assert!(took < Duration::from_secs(8), "{took:?}");
}

// What it left breaks the contract: 15.

#[test]
fn leaves_nothing() {
    left_nothing(train("leaves_nothing").run())
        .ends_with(15)
        .says(["no metrics.json"]);
}

#[test]
fn symlink() {
    left_nothing(train("symlink").run())
        .ends_with(15)
        .says(["model.json", "symbolic link"]);
}

#[test]
fn hard_link() {
    left_nothing(train("hard_link").run())
        .ends_with(15)
        .says(["hard link"]);
}

#[test]
fn newline_in_name() {
    left_nothing(train("newline_in_name").run())
        .ends_with(15)
        .says([r"a\nmanifest.json", "its name"]);
}

#[test]
fn own_manifest() {
    left_nothing(train("own_manifest").run())
        .ends_with(15)
        .says(["manifest.json"]);
}

// Its own end: 12 and 14.

#[test]
fn traps() {
    left_nothing(train("traps").run())
        .ends_with(12)
        .says(["divide by zero", "fit_the_model, called from main"]);
}

#[test]
fn bad_pointers() {
    left_nothing(train("bad_pointers").run())
        .ends_with(12)
        .says(["the guest trapped"]);
}

#[test]
fn exits_7() {
    left_nothing(train("exits_7").run())
        .ends_with(14)
        .says(["status 7"]);
}

#[test]
fn exits_256() {
    left_nothing(train("exits_256").run())
        .ends_with(14)
        .says(["status 256"]);
}

#[test]
fn exits_300() {
    left_nothing(train("exits_300").run())
        .ends_with(14)
        .says(["status 300"]);
}

// What it must not reach.

#[test]
fn reads_etc_passwd() {
    all_refused("reads_etc_passwd");
}

#[test]
fn writes_to_data() {
    all_refused("writes_to_data");
}

#[test]
fn writes_outside() {
    all_refused("writes_outside");
}

#[test]
fn opens_a_socket() {
    let ended = left_nothing(train("opens_a_socket").run()).ends_with(14);
    // Refused in silence: a warning for each would be a way around --max-log-bytes.
    assert!(!ended.stderr().contains("sock"), "{}", ended.stderr());
}

#[test]
fn raises_a_signal() {
    all_refused("raises_a_signal");
}

#[test]
fn closes_everything() {
    all_refused("closes_everything");
}

#[test]
fn reads_the_clock() {
    all_refused("reads_the_clock");
}

#[test]
fn reads_stdin() {
    all_refused("reads_stdin");
}

#[test]
fn prints_its_environment() {
    let ended = train("prints_its_environment")
        .args([
            "--model-version",
            "3",
            "--seed",
            "11",
            "--env",
            "MINE=given",
        ])
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .env("NOMAD_TOKEN", "secret")
        .run()
        .ends_with(15);
    let log = ended.stderr();
    let printed: Vec<&str> = log
        .lines()
        .filter_map(|line| line.strip_prefix("  | "))
        .map(|line| match line.split_once("VERSION=3_") {
            Some((before, _)) => &line[..before.len() + "VERSION=3_".len()],
            None => line,
        })
        .collect();
    assert_eq!(
        printed,
        [
            "workload",
            "train",
            "CONTRACT=1",
            "SEED=11",
            "DATA_PATH=/data/rows.csv",
            "FLAGS=SEED",
            "MINE=given",
            "MODEL_VERSION=3",
            "PREDICTION_PATH=/model/predictions.csv",
            "SAVE_PATH=model",
            "VERSION=3_",
        ],
        "{log}"
    );
}

#[test]
fn escapes_the_terminal() {
    for format in ["text", "json"] {
        let ended = train("escapes_the_terminal")
            .args(["--log-format", format])
            .run()
            .ends_with(15);
        let log = ended.stderr();
        assert!(!log.contains(|letter: char| letter.is_control() && letter != '\n'));
        assert!(log.contains("here"), "{log}");
        if format == "json" {
            for line in log.lines() {
                let line: serde_json::Value = serde_json::from_str(line).expect(line);
                assert!(line["level"].is_string());
            }
        }
    }
}
