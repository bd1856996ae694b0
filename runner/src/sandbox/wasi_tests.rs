//! Every function of WASI preview 1 as `run`'s host answers it: with pointers that are wrong, and as the public test
//! programs call it. What each does with good ones is shown by the guests of tests/guests.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

use super::clock::GuestClock;
use super::host::Ended;
use super::log::{GuestLog, Stream};
use super::run::run_in;
use crate::platform::NamedFolder;

use super::{Engine, EngineOptions, Grants, Guest, Limits, Mode, SandboxError, Trust, run_guest};

/// An argument of a call.
#[derive(Clone, Copy)]
enum Arg {
    I32(u32),
    I64(u64),
    /// A good address, and how many bytes at which alignment lie there.
    Address {
        good: u32,
        bytes: u32,
        align: u32,
    },
}

use Arg::{I32, I64};

const fn address(good: u32, bytes: u32, align: u32) -> Arg {
    Arg::Address { good, bytes, align }
}

/// A place for a result.
const fn out(bytes: u32, align: u32) -> Arg {
    address(1024, bytes, align)
}

const fn text(good: u32) -> Arg {
    address(good, 4, 1)
}

/// The end of the memory.
const END: u32 = 65_536;
/// What lies in the memory: names, two buffers in a row at 16, and a timer at 512. Descriptor 4 is /model; 5 is a file
/// in it, and `soft` is a link.
const FILE: Arg = text(0);
const MADE: Arg = text(4);
const SOFT: Arg = text(8);
const BUFFERS: Arg = address(16, 8, 4);
const TIMER: Arg = address(512, 48, 8);

/// Functions and good arguments. Sockets and `proc_exit` are left out: they look at no address.
fn calls() -> Vec<(&'static str, Vec<Arg>)> {
    let size = out(4, 4);
    vec![
        ("args_get", vec![out(8, 4), address(2048, 15, 1)]),
        ("args_sizes_get", vec![size, address(2048, 4, 4)]),
        ("environ_get", vec![out(8, 4), address(2048, 11, 1)]),
        ("environ_sizes_get", vec![size, address(2048, 4, 4)]),
        ("clock_res_get", vec![I32(1), out(8, 8)]),
        ("clock_time_get", vec![I32(1), I64(0), out(8, 8)]),
        ("fd_fdstat_get", vec![I32(5), out(24, 8)]),
        ("fd_filestat_get", vec![I32(5), out(64, 8)]),
        ("fd_pread", vec![I32(5), BUFFERS, I32(1), I64(0), size]),
        ("fd_prestat_get", vec![I32(4), out(8, 4)]),
        ("fd_prestat_dir_name", vec![I32(4), out(6, 1), I32(6)]),
        ("fd_pwrite", vec![I32(5), BUFFERS, I32(1), I64(0), size]),
        ("fd_read", vec![I32(5), BUFFERS, I32(1), size]),
        (
            "fd_readdir",
            vec![I32(4), address(2048, 40, 1), I32(40), I64(0), size],
        ),
        ("fd_seek", vec![I32(5), I64(0), I32(0), out(8, 8)]),
        ("fd_tell", vec![I32(5), out(8, 8)]),
        ("fd_write", vec![I32(5), BUFFERS, I32(1), size]),
        ("path_create_directory", vec![I32(4), MADE, I32(4)]),
        (
            "path_filestat_get",
            vec![I32(4), I32(0), FILE, I32(4), out(64, 8)],
        ),
        (
            "path_filestat_set_times",
            vec![I32(4), I32(0), FILE, I32(4), I64(1), I64(1), I32(5)],
        ),
        (
            "path_link",
            vec![I32(4), I32(0), FILE, I32(4), I32(4), MADE, I32(4)],
        ),
        (
            "path_open",
            vec![
                I32(4),
                I32(0),
                FILE,
                I32(4),
                I32(0),
                I64(2),
                I64(0),
                I32(0),
                size,
            ],
        ),
        (
            "path_readlink",
            vec![I32(4), SOFT, I32(4), address(2048, 4, 1), I32(4), size],
        ),
        ("path_remove_directory", vec![I32(4), FILE, I32(4)]),
        (
            "path_rename",
            vec![I32(4), FILE, I32(4), I32(4), MADE, I32(4)],
        ),
        ("path_symlink", vec![FILE, I32(4), I32(4), MADE, I32(4)]),
        ("path_unlink_file", vec![I32(4), FILE, I32(4)]),
        (
            "poll_oneoff",
            vec![TIMER, out(32, 8), I32(1), address(2048, 4, 4)],
        ),
        ("random_get", vec![out(16, 1), I32(16)]),
    ]
}

/// A module that calls `function` and ends with the number that it says.
fn module(function: &str, arguments: &[Arg]) -> String {
    let kinds: String = arguments
        .iter()
        .map(|arg| {
            if matches!(arg, I64(_)) {
                "i64 "
            } else {
                "i32 "
            }
        })
        .collect();
    let values: String = arguments
        .iter()
        .map(|arg| match arg {
            I32(value) | Arg::Address { good: value, .. } => format!("(i32.const {value}) "),
            I64(value) => format!("(i64.const {value}) "),
        })
        .collect();
    format!(
        r#"(module
        (import "wasi_snapshot_preview1" "{function}" (func $call (param {kinds}) (result i32)))
        (import "wasi_snapshot_preview1" "path_open"
            (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "path_symlink"
            (func $symlink (param i32 i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_pwrite"
            (func $write (param i32 i32 i32 i64 i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1)
        (data (i32.const 0) "filemadesoft")
        (data (i32.const 16) "\00\01\00\00\0a\00\00\00")
        (data (i32.const 24) "\00\ff\ff\ff\0a\00\00\00")
        (data (i32.const 32) "\00\01\00\00\00\ff\ff\ff")
        (data (i32.const 40) "\fb\ff\00\00\0a\00\00\00")
        (data (i32.const 528) "\01\00\00\00")
        (func (export "_start")
            (if (call $open (i32.const 4) (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 1)
                (i64.const 66) (i64.const 0) (i32.const 0) (i32.const 1024)) (then unreachable))
            (if (call $write (i32.const 5) (i32.const 16) (i32.const 1) (i64.const 0) (i32.const 1024))
                (then unreachable))
            (if (call $symlink (i32.const 0) (i32.const 4) (i32.const 4) (i32.const 8) (i32.const 4))
                (then unreachable))
            (call $exit (call $call {values}))))"#
    )
}

async fn run(engine: &Engine, text: &str) -> Result<i32, SandboxError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("guest.wasm");
    std::fs::write(&file, wat::parse_str(text).unwrap()).unwrap();
    let module = engine.load(&file, &Trust::default()).unwrap();
    let model = tempfile::tempdir().unwrap();
    let [data, granted] = [&folder, &model].map(|folder| NamedFolder::open(folder.path()).unwrap());
    let guest = Guest {
        mode: Mode::Train,
        grants: Grants {
            data: &data,
            job: None,
            model: &granted,
            predictions: None,
            env: BTreeMap::new(),
            seed: 7,
        },
    };
    run_guest(engine, &module, &guest, &Limits::default()).await
}

#[tokio::test]
async fn wrong_addresses_end_the_guest_and_right_ones_do_not() {
    let engine = Engine::new(&EngineOptions::default()).unwrap();
    for (function, arguments) in calls() {
        let ended = run(&engine, &module(function, &arguments)).await;
        assert!(ended.is_ok(), "{function}: {ended:?}");
        for (at, argument) in arguments.iter().enumerate() {
            let Arg::Address { good, bytes, align } = *argument else {
                continue;
            };
            // Beyond the memory, across its end, where addresses end, and between two places for such values.
            let mut wrong = vec![END, END - bytes + align, u32::MAX - align + 1];
            if align > 1 {
                wrong.push(good + 1);
                wrong.push(good + align / 2);
            }
            for address in wrong {
                let mut arguments = arguments.clone();
                arguments[at] = I32(address);
                let ended = run(&engine, &module(function, &arguments)).await;
                assert!(
                    matches!(ended, Err(SandboxError::Trapped { .. })),
                    "{function}, argument {at} = {address:#x}: {ended:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn buffers_outside_of_the_memory_end_the_guest() {
    let engine = Engine::new(&EngineOptions::default()).unwrap();
    for (function, arguments) in calls() {
        if !["fd_read", "fd_pread", "fd_write", "fd_pwrite"].contains(&function) {
            continue;
        }
        // One that begins outside, one without end, one across the end.
        for buffers in [24, 32, 40] {
            let mut arguments = arguments.clone();
            arguments[1] = I32(buffers);
            let ended = run(&engine, &module(function, &arguments)).await;
            assert!(
                matches!(ended, Err(SandboxError::Trapped { .. })),
                "{function}, buffer at {buffers}: {ended:?}"
            );
        }
    }
}

#[tokio::test]
async fn numbers_that_stand_for_nothing_end_the_guest() {
    let engine = Engine::new(&EngineOptions::default()).unwrap();
    for (function, arguments) in [
        ("clock_res_get", vec![I32(4), out(8, 8)]),
        ("clock_time_get", vec![I32(u32::MAX), I64(0), out(8, 8)]),
        ("fd_advise", vec![I32(5), I64(0), I64(1), I32(6)]),
        ("fd_fdstat_set_flags", vec![I32(5), I32(32)]),
        ("fd_fdstat_set_rights", vec![I32(5), I64(1 << 40), I64(0)]),
        (
            "fd_filestat_set_times",
            vec![I32(5), I64(0), I64(0), I32(16)],
        ),
        ("fd_seek", vec![I32(5), I64(0), I32(3), out(8, 8)]),
        (
            "path_filestat_get",
            vec![I32(4), I32(2), FILE, I32(4), out(64, 8)],
        ),
        (
            "path_filestat_set_times",
            vec![I32(4), I32(0), FILE, I32(4), I64(0), I64(0), I32(16)],
        ),
        (
            "path_link",
            vec![I32(4), I32(2), FILE, I32(4), I32(4), MADE, I32(4)],
        ),
        ("proc_raise", vec![I32(31)]),
        ("sock_shutdown", vec![I32(5), I32(4)]),
    ] {
        let ended = run(&engine, &module(function, &arguments)).await;
        assert!(
            matches!(ended, Err(SandboxError::Trapped { .. })),
            "{function}: {ended:?}"
        );
    }
    // What to open, by what flags and with what rights.
    for (at, wrong) in [(1, I32(2)), (4, I32(16)), (5, I64(1 << 40)), (7, I32(32))] {
        let open = calls()
            .into_iter()
            .find(|(function, _)| *function == "path_open");
        let (_, mut arguments) = open.unwrap();
        arguments[at] = wrong;
        let ended = run(&engine, &module("path_open", &arguments)).await;
        assert!(
            matches!(ended, Err(SandboxError::Trapped { .. })),
            "path_open, argument {at}: {ended:?}"
        );
    }
}

#[tokio::test]
async fn sockets_look_at_no_address() {
    let engine = Engine::new(&EngineOptions::default()).unwrap();
    let wrong = I32(u32::MAX);
    for (function, arguments) in [
        ("sock_accept", vec![I32(3), I32(0), wrong]),
        (
            "sock_recv",
            vec![I32(3), wrong, I32(9), I32(0), wrong, wrong],
        ),
        ("sock_send", vec![I32(3), wrong, I32(9), I32(0), wrong]),
        ("sock_shutdown", vec![I32(3), I32(3)]),
    ] {
        // No socket, or nothing at all.
        for (fd, number) in [(0, 57), (3, 57), (5, 57), (99, 8)] {
            let mut arguments = arguments.clone();
            arguments[0] = I32(fd);
            let ended = run(&engine, &module(function, &arguments)).await;
            assert!(
                matches!(ended, Ok(found) if found == number),
                "{function} on {fd}: {ended:?}"
            );
        }
    }
}

/// Public programs that do not fit what a guest is given: they look for the times that they set, and a guest sees one
/// time for all files.
const UNFIT: [&str; 3] = ["fd_filestat_set", "path_filestat", "symlink_filestat"];

/// `tests/<language>/testsuite/*.wasm`, and one folder deeper in later versions, where others are for other WASIs.
fn programs(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.to_string_lossy().into_owned();
        if path.is_dir() {
            programs(&path, found);
        } else if name.ends_with(".wasm") && !name.contains("wasip2") && !name.contains("wasip3") {
            found.push(path);
        }
    }
}

/// Runs a program of the suite in a guest's place, with a folder of its own as `/`. How it ended, if not as it should.
async fn difference(engine: &Engine, program: &Path) -> Option<String> {
    let specification: serde_json::Value = match std::fs::read(program.with_extension("json")) {
        Ok(text) => serde_json::from_slice(&text).unwrap(),
        Err(_) => serde_json::Value::Null,
    };
    let module = engine.load(program, &Trust::default()).unwrap();
    let (clock, log) = (GuestClock::default(), GuestLog::new(1 << 20));
    let mut world = WasiCtxBuilder::new();
    world
        .allow_blocking_current_thread(true)
        .arg(program.file_name().unwrap().to_string_lossy())
        .stdout(log.stream(Stream::Stdout))
        .stderr(log.stream(Stream::Stderr))
        .wall_clock(clock.clone())
        .monotonic_clock(clock.clone());
    for arg in specification["args"].as_array().into_iter().flatten() {
        world.arg(arg.as_str().unwrap());
    }
    for (name, value) in specification["env"].as_object().into_iter().flatten() {
        world.env(name, value.as_str().unwrap());
    }
    let root = tempfile::tempdir().unwrap();
    if let Some(name) = specification["root"].as_str() {
        copy(&program.with_file_name(name), root.path());
        world
            .preopened_dir(root.path(), "/", FsPerms::ReadWrite)
            .unwrap();
    }
    let ended = run_in(engine, &module, world.build_p1(), clock, &Limits::default()).await;
    let status = match ended.unwrap().0 {
        Ok(()) => 0,
        Err(error) => match error.downcast_ref::<Ended>() {
            Some(ended) => i64::from(ended.0),
            None => return Some(format!("{error:#}")),
        },
    };
    let expected = specification["exit_code"].as_i64().unwrap_or(0);
    (status != expected).then(|| format!("status {status}"))
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (from, to) = (
            entry.as_ref().unwrap().path(),
            to.join(entry.unwrap().file_name()),
        );
        if from.is_dir() {
            copy(&from, &to);
        } else {
            std::fs::copy(from, to).unwrap();
        }
    }
}

#[tokio::test]
async fn the_public_wasi_programs_run_in_a_guests_place() {
    let Some(suite) = std::env::var_os("WASI_TESTSUITE") else {
        // As tests/support says it, which the list of skipped tests is made from.
        use std::io::Write;
        let _ = std::io::stderr().write_all(
            b"SKIPPED the_public_wasi_programs_run_in_a_guests_place: WASI_TESTSUITE names no checkout of \
              WebAssembly/wasi-testsuite (its branch prod/testsuite-base)\n",
        );
        return;
    };
    let engine = Engine::new(&EngineOptions::default()).unwrap();
    let mut found = Vec::new();
    programs(&Path::new(&suite).join("tests"), &mut found);
    assert!(
        !found.is_empty(),
        "no tests/**/*.wasm in {}",
        suite.display()
    );
    let mut failed = Vec::new();
    for program in &found {
        let name = program.file_stem().unwrap().to_string_lossy();
        let unfit = UNFIT.contains(&name.as_ref());
        match difference(&engine, program).await {
            Some(difference) if !unfit => failed.push(format!("{name}: {difference}")),
            None if unfit => failed.push(format!("{name}: it fits after all")),
            _ => {}
        }
    }
    assert!(
        failed.is_empty(),
        "{} of {} programs:\n{}",
        failed.len(),
        found.len(),
        failed.join("\n")
    );
}
