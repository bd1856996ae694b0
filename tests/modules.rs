//! Modules that are compiled once, compiled ahead, pinned, interpreted, tried against the contract, and stopped.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};
use support::{Ended, Runner, assemble, workload};

const GOOD: &str = "keeps_the_contract";

/// `runner <verb> guest.wasm`.
fn runner(verb: &str, guest: &str) -> Runner {
    Runner::new(verb)
        .file("guest.wasm", assemble(guest))
        .file("rows.csv", "x,y\n1,1\n2,2\n3,2\n")
        .arg("guest.wasm")
}

fn train(guest: &str) -> Runner {
    runner("run", guest).args(["--data", "rows.csv", "--json"])
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect()
}

#[track_caller]
fn warns(ended: Ended) {
    ended.ends_with(0).says(["warning: "]);
}

#[test]
fn a_module_is_compiled_once_and_a_bad_entry_anew() {
    let home = tempfile::tempdir().unwrap();
    let cache = home.path().join("cache");
    let run = || train(GOOD).arg("--cache-dir").arg(&cache).run();
    run().ends_with(0);
    let [entry] = entries(&cache.join("compiled")).try_into().unwrap();
    let whole = fs::read(&entry).unwrap();
    let ended = run().ends_with(0);
    assert!(!ended.stderr().contains("warning"), "{}", ended.stderr());

    // Damaged, cut short, and another module's.
    let mut damaged = whole.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let mut foreign = whole.clone();
    // The digest lies behind the code.
    let digest = foreign.len() - 40;
    foreign[digest] ^= 1;
    for bad in [&damaged[..], &whole[..100], &foreign, b""] {
        fs::write(&entry, bad).unwrap();
        warns(run());
        assert_eq!(fs::read(&entry).unwrap(), whole);
    }

    // Where others can write, nothing is taken.
    fs::set_permissions(&entry, fs::Permissions::from_mode(0o666)).unwrap();
    warns(run());
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o777)).unwrap();
    warns(run());
}

#[test]
fn no_cache_keeps_nothing() {
    let home = tempfile::tempdir().unwrap();
    train(GOOD)
        .env("XDG_CACHE_HOME", home.path())
        .args(["--no-cache"])
        .run()
        .ends_with(0);
    assert_eq!(entries(home.path()).len(), 0);
    train(GOOD)
        .env("XDG_CACHE_HOME", home.path())
        .run()
        .ends_with(0);
    assert_eq!(entries(&home.path().join("runner/compiled")).len(), 1);
}

#[test]
fn fifty_processes_share_a_cache() {
    let home = tempfile::tempdir().unwrap();
    let cache = home.path().join("cache");
    let mut running: Vec<_> = (0..50)
        .map(|_| {
            let mut runner = train(GOOD).arg("--cache-dir").arg(&cache);
            let child = runner
                .command
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            (child, runner.folder)
        })
        .collect();
    for (child, _) in &mut running {
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
    assert_eq!(entries(&cache.join("compiled")).len(), 1);
}

#[test]
fn the_operator_pins_what_runs() {
    let digest = sha256(&assemble(GOOD));
    let other = "0".repeat(64);
    train(GOOD)
        .args(["--module-sha256", &other, "--module-sha256", &digest])
        .run()
        .ends_with(0);
    train(GOOD)
        .args(["--module-sha256", &other])
        .run()
        .ends_with(18)
        .says(["--module-sha256", &digest]);
    train(GOOD)
        .args(["--module-sha256", "12"])
        .run()
        .ends_with(2)
        .says(["sha256sum"]);
}

#[test]
fn compiled_code_runs_beside_its_module_and_by_its_own_digest() {
    let folder = tempfile::tempdir().unwrap();
    let module = folder.path().join("guest.wasm");
    let compiled = folder.path().join("guest.cwasm");
    fs::write(&module, assemble(GOOD)).unwrap();
    let ended = Runner::new("compile").arg(&module).run().ends_with(0);
    let digest = sha256(&fs::read(&compiled).unwrap());
    // It is served to others: as any file that is made here.
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    let any = folder.path().join("any");
    fs::write(&any, "").unwrap();
    assert_eq!(mode(&compiled), mode(&any));
    assert!(ended.stdout().contains(&digest), "{}", ended.stdout());

    let run = || {
        Runner::new("run")
            .file("rows.csv", "x,y\n1,1\n")
            .arg(&compiled)
            .args(["--data", "rows.csv", "--json", "--no-cache"])
    };
    run()
        .run()
        .ends_with(18)
        .says([&digest, "--compiled-sha256", "--trust-compiled"]);
    let ended = run().args(["--trust-compiled"]).run().ends_with(0);
    assert!(!ended.stderr().contains("warning"), "{}", ended.stderr());
    let ended = run()
        .args(["--compiled-sha256", &digest])
        .run()
        .ends_with(0);
    // What was trained with is the module, whoever compiled it.
    let manifest =
        support::read_json(&support::models(&ended.path("runs"))[0].join("manifest.json"));
    assert_eq!(manifest["module"]["sha256"], sha256(&assemble(GOOD)));
    assert_eq!(manifest["module"]["file"], "guest.wasm");

    // As `just package` lays it out: one for each architecture, beside the one module.
    let packaged = folder.path().join("guest-arm64.cwasm");
    fs::copy(&compiled, &packaged).unwrap();
    Runner::new("run")
        .file("rows.csv", "x,y\n1,1\n")
        .arg(&packaged)
        .args(["--data", "rows.csv", "--no-cache", "--trust-compiled"])
        .args(["--store", "models"])
        .run()
        .ends_with(0);

    // Of another module: not executed.
    fs::write(&module, assemble("leaves_nothing")).unwrap();
    run()
        .args(["--trust-compiled"])
        .run()
        .ends_with(15)
        .says(["compiled from another module"]);
    fs::remove_file(&module).unwrap();
    run()
        .args(["--trust-compiled"])
        .run()
        .ends_with(1)
        .says(["beside"]);
}

#[test]
fn a_target_that_this_runner_cannot_compile_for_is_a_wrong_command() {
    runner("compile", GOOD)
        .args(["--target", "sparc-unknown-none"])
        .run()
        .ends_with(2)
        .says(["sparc-unknown-none"]);
}

/// Compiling is refused or ended, and no code is there.
#[track_caller]
fn not_compiled(run: Runner, said: &str) {
    let ended = run.run().ends_with(13).says([said]);
    let mut left = support::files_below(ended.folder.path());
    left.retain(|file| file.ends_with("wasm"));
    assert_eq!(left, ["guest.wasm"]);
}

#[test]
fn compiling_ahead_has_the_limits_that_compiling_has() {
    let many = |functions: usize| {
        let function = "(func (result i64) i64.const 1 (i64.mul (i64.const 3)) drop i64.const 2)";
        let text = format!(
            r#"(module (memory (export "memory") 1) (func (export "_start")) {})"#,
            function.repeat(functions)
        );
        runner("compile", GOOD).file("guest.wasm", wat::parse_str(text).unwrap())
    };
    not_compiled(many(50_000).args(["--timeout", "10ms"]), "--timeout");
    // An estimate of some 2 GiB: within the 4 that are the limit by default, but not in a task that has no more than one.
    let large = |timeout| many(300_000).args(["--timeout", timeout]);
    not_compiled(large("1s"), "--timeout");
    not_compiled(
        large("60s").args(["--memory", "64MiB"]),
        "1 GiB is the limit",
    );
    let small = large("60s")
        .env("NOMAD_ALLOC_ID", "a")
        .env("NOMAD_MEMORY_LIMIT", "512");
    not_compiled(small, "1 GiB is the limit");
}

#[test]
fn the_interpreter_makes_the_same_model() {
    let files = |engine: &str| {
        let ended = train(GOOD).args(["--engine", engine]).run().ends_with(0);
        let model = &support::models(&ended.path("runs"))[0];
        support::read_json(&model.join("manifest.json"))["files"].clone()
    };
    assert_eq!(files("compiler"), files("interpreter"));
}

#[test]
fn little_address_space_is_enough() {
    let mut runner = train(GOOD);
    let program = runner.command.get_program().to_owned();
    let args: Vec<_> = runner.command.get_args().map(ToOwned::to_owned).collect();
    let output = Command::new("sh")
        .args(["-c", "ulimit -v 1048576 && exec \"$0\" \"$@\" --no-cache"])
        .arg(program)
        .args(args)
        .current_dir(runner.folder.path())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    runner.command.arg("--no-cache");
    runner.run().ends_with(0);
}

#[test]
fn check_says_what_a_module_keeps_and_breaks() {
    let ended = Runner::new("check").arg(workload()).run().ends_with(0);
    assert!(!ended.stdout().contains("BREAKS"), "{}", ended.stdout());
    assert_eq!(ended.stdout().matches("keeps ").count(), 6);

    let ended = runner("check", GOOD).run().ends_with(15);
    let said = ended.stdout();
    assert!(
        said.contains("keeps   equal inputs give equal bytes"),
        "{said}"
    );
    assert!(
        said.contains("BREAKS  bad data ends with status 4"),
        "{said}"
    );
    let ended = runner("check", "exits_7").run().ends_with(15);
    assert!(ended.stdout().contains("status 7"), "{}", ended.stdout());
    runner("check", "no_start").run().ends_with(11);
}

#[test]
fn doctor_names_what_is_missing_and_the_remedy() {
    let ended = Runner::new("doctor").run();
    assert!(
        ended.stdout().contains("sandbox: wasmtime"),
        "{}",
        ended.stdout()
    );
    let ended = Runner::new("doctor")
        .env("SSL_CERT_FILE", "/nowhere/roots.pem")
        .env("TMPDIR", "/nowhere")
        .args(["--data", "http://127.0.0.1:1/data.json"])
        .run()
        .ends_with(1);
    for words in [
        "TROUBLE  certificates: SSL_CERT_FILE",
        "TROUBLE  temporary files",
        "TROUBLE  data: 127.0.0.1:1",
    ] {
        assert!(ended.stdout().contains(words), "{}", ended.stdout());
    }
}

#[test]
fn doctor_asks_what_a_run_may_ask() {
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let doctor = |url: &str, by_dispatch: bool| {
        let named = if by_dispatch {
            url
        } else {
            "https://example.com/"
        };
        let ended = Runner::new("doctor")
            .env("NOMAD_ALLOC_ID", "0c3f0b6e-5a52-4a6f-9d5e-0f1c2d3e4f50")
            .env("NOMAD_META_data_url", named)
            .args(["--data", url])
            .run();
        let said = ended.stdout();
        said.lines()
            .find(|line| line.contains(" data: "))
            .unwrap()
            .to_owned()
    };
    let url = format!("http://127.0.0.1:{port}/");
    assert!(doctor(&url, false).starts_with("well "));
    assert!(doctor(&url, true).contains("is not asked"));
    let Ok(server) = std::net::TcpListener::bind("[::1]:0") else {
        support::skipped("doctor_asks_what_a_run_may_ask", "there is no IPv6 here");
        return;
    };
    let url = format!("http://[::1]:{}/", server.local_addr().unwrap().port());
    let said = doctor(&url, false);
    assert!(
        said.starts_with("well ") && said.contains("[::1]:"),
        "{said}"
    );
}

#[test]
fn a_pipe_in_place_of_a_file_is_not_waited_for() {
    let ended = |runner: Runner, status: i32, text: &str| {
        let home = runner.folder.path().join("home/.aws");
        fs::create_dir_all(&home).unwrap();
        let pipes = [runner.folder.path().join("pipe"), home.join("credentials")];
        assert!(
            Command::new("mkfifo")
                .args(&pipes)
                .status()
                .unwrap()
                .success()
        );
        let mut limited = Command::new("timeout");
        limited
            .args(["--signal=KILL", "20"])
            .arg(runner.command.get_program())
            .args(runner.command.get_args())
            .current_dir(runner.folder.path())
            .env_clear();
        for (name, value) in runner.command.get_envs() {
            limited.env(name, value.unwrap_or_default());
        }
        let output = limited.output().unwrap();
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        assert_eq!(output.status.code(), Some(status), "{text}: {said:?}");
        let is_said = |said: &String| said.contains(text) && said.contains("a named pipe");
        assert!(said.iter().any(is_said), "{text}: {said:?}");
    };
    let train = || train(GOOD);
    let list = |store: &str| Runner::new("list").args(["--store", store, "--store-timeout", "5s"]);
    for (runner, status, text) in [
        (
            Runner::new("doctor").env("SSL_CERT_FILE", "pipe"),
            1,
            "SSL_CERT_FILE names",
        ),
        (
            Runner::new("doctor").env("GOOGLE_APPLICATION_CREDENTIALS", "pipe"),
            1,
            "GOOGLE_APPLICATION_CREDENTIALS names",
        ),
        (
            runner("run", GOOD)
                .args(["--data", "http://127.0.0.1:9/", "--data-retries", "0"])
                .env("SSL_CERT_FILE", "pipe"),
            10,
            "SSL_CERT_FILE=",
        ),
        (
            train().args(["--data-token-file", "pipe"]),
            10,
            "--data-token-file",
        ),
        (
            train().args(["--data-header-file", "pipe"]),
            10,
            "--data-header-file",
        ),
        (
            train().args(["--data-oauth-file", "pipe"]),
            10,
            "--data-oauth-file",
        ),
        (
            list("s3://models").env("HOME", "home"),
            16,
            ".aws/credentials",
        ),
        (train().args(["--spec", "pipe"]), 3, "specification"),
        (Runner::new("check").arg("pipe"), 1, "the module pipe"),
        (
            list("gs://models").args(["--credentials", "pipe"]),
            16,
            "--credentials",
        ),
        (
            list("gs://models").env("GOOGLE_APPLICATION_CREDENTIALS", "pipe"),
            16,
            "GOOGLE_APPLICATION_CREDENTIALS",
        ),
        #[cfg(feature = "s3")]
        (
            list("s3://models").env("AWS_SHARED_CREDENTIALS_FILE", "pipe"),
            16,
            "AWS_SHARED_CREDENTIALS_FILE",
        ),
        #[cfg(feature = "azblob")]
        (
            list("az://models")
                .env("AZURE_STORAGE_ACCOUNT", "a")
                .env("AZURE_FEDERATED_TOKEN_FILE", "pipe"),
            16,
            "AZURE_FEDERATED_TOKEN_FILE",
        ),
        (
            Runner::new("dispatch")
                .args([
                    "--data",
                    "http://192.0.2.1/",
                    "--model-version",
                    "1",
                    "--gcp-bucket-path",
                    "models",
                ])
                .env("NOMAD_ADDR", "https://127.0.0.1:9")
                .env("NOMAD_CACERT", "pipe"),
            1,
            "pipe",
        ),
    ] {
        ended(runner, status, text);
    }
}

#[test]
fn a_signal_stops_the_guest_and_leaves_nothing() {
    for (signal, status) in [("-INT", 130), ("-TERM", 143)] {
        let mut runner = train("endless_loop");
        let mut child = runner
            .command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let runs = runner.folder.path().join("runs");
        while !runs.exists() {
            std::thread::yield_now();
        }
        let killed = Command::new("kill")
            .args([signal, &child.id().to_string()])
            .status()
            .unwrap();
        assert!(killed.success());
        assert_eq!(child.wait().unwrap().code(), Some(status));
        assert_eq!(entries(&runs).len(), 0);
    }
}
