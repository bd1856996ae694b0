//! `runner exec` runs any WASI program: real clocks, streams and statuses, and the folders that it was given.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::Write;
use std::process::Stdio;

use support::{Runner, assemble};

fn exec(name: &str) -> Runner {
    Runner::new("exec")
        .file("program.wasm", assemble(name))
        .arg("program.wasm")
}

#[test]
fn streams_are_the_callers_own() {
    let mut runner = exec("echoes");
    let mut child = runner
        .command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"to and fro")
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.stdout, b"to and fro");
    assert_eq!(output.stderr, b"");
    assert!(output.status.success());
}

#[test]
fn the_programs_status_is_the_processs() {
    exec("leaves_nothing").run().ends_with(0);
    exec("exits_7").run().ends_with(7);
}

#[test]
fn a_status_that_no_process_can_have_is_an_error_and_no_success() {
    exec("exits_256").run().ends_with(14).says(["status 256"]);
    exec("exits_300").run().ends_with(14).says(["status 300"]);
}

#[test]
fn its_clock_is_the_real_one() {
    exec("reads_the_clock").run().ends_with(0);
}

#[test]
fn sleeping_and_waiting_count_as_time() {
    for name in ["sleeps_for_ever", "endless_loop", "endless_start_function"] {
        exec(name)
            .args(["--timeout", "200ms"])
            .run()
            .ends_with(13)
            .says(["--timeout"]);
    }
    // Nobody ever writes to this pipe.
    let mut runner = exec("echoes").args(["--timeout", "200ms"]);
    let (_writer, reader) = pipe();
    let output = runner.command.stdin(reader).output().unwrap();
    assert_eq!(output.status.code(), Some(13));
}

fn pipe() -> (std::io::PipeWriter, std::io::PipeReader) {
    let (reader, writer) = std::io::pipe().unwrap();
    (writer, reader)
}

#[test]
fn memory_and_stack_are_limited() {
    exec("memory_without_end")
        .args(["--memory", "64MiB"])
        .run()
        .ends_with(13)
        .says(["--memory"]);
    exec("endless_recursion")
        .run()
        .ends_with(13)
        .says(["--stack"]);
    exec("traps").run().ends_with(12).says(["divide by zero"]);
}

#[test]
fn it_sees_its_arguments_and_variables_and_no_others() {
    let ended = exec("prints_its_environment")
        .env("VAULT_TOKEN", "secret")
        .args(["--env", "A=1", "--env", "B=two=2", "--", "one", "--two"])
        .run()
        .ends_with(0);
    assert_eq!(ended.stdout(), "program.wasm\none\n--two\nA=1\nB=two=2\n");
}

#[test]
fn it_stays_in_its_folders() {
    let runner = exec("reads_etc_passwd").args(["--dir", "in::/in", "--dir", "out::/out"]);
    for folder in ["in", "out"] {
        std::fs::create_dir(runner.folder.path().join(folder)).unwrap();
    }
    runner.run().ends_with(42);
    exec("leaves_nothing")
        .args(["--dir", "nowhere"])
        .run()
        .ends_with(1)
        .says(["nowhere"]);
}

#[test]
fn a_program_that_cannot_run_is_told_so() {
    exec("unknown_import")
        .run()
        .ends_with(11)
        .says(["`env.http_get`"]);
    Runner::new("exec")
        .arg("missing.wasm")
        .run()
        .ends_with(1)
        .says(["missing.wasm"]);
}
