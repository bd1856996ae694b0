//! The scripts and recipes around a build: what they ask for, show, and leave alone.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::checkout::output;
use crate::release::{Release, said, script};
use crate::support::{root, skipped};

#[test]
fn setting_up_replaces_nobodys_program() {
    let Some(release) = Release::new("setting_up_replaces_nobodys_program") else {
        return;
    };
    // An older `just` comes first in PATH, and the one that is compiled is not found.
    let programs = release.programs.path();
    script(&programs.join("just"), "echo just 1.0.0");
    script(&programs.join("python3"), "exit 1");
    let cargo = "mkdir -p $CARGO_HOME/bin && echo '#!/bin/sh' >$CARGO_HOME/bin/just && chmod +x $CARGO_HOME/bin/just";
    script(&programs.join("cargo"), cargo);
    let setup = release.path().join("setup.sh");
    let links = release.path().join("links");
    fs::create_dir(&links).unwrap();
    let text = fs::read_to_string(&setup).unwrap();
    fs::write(
        &setup,
        text.replace("/usr/local/bin", links.to_str().unwrap()),
    )
    .unwrap();
    let run = || {
        let mut command = release.command("setup.sh", "");
        command.env("CARGO_HOME", release.path().join("cargo-home"));
        let ended = command.output().unwrap();
        assert_eq!(ended.status.code(), Some(1));
        assert!(said(&ended).contains("first in PATH"), "{}", said(&ended));
    };
    script(&links.join("just"), "echo somebody's");
    run();
    let kept = fs::read_to_string(links.join("just")).unwrap();
    assert!(kept.contains("somebody's"), "{kept}");
    fs::remove_file(links.join("just")).unwrap();
    run();
    assert!(
        fs::symlink_metadata(links.join("just"))
            .unwrap()
            .is_symlink()
    );
}

#[test]
fn every_recipe_that_compiles_asks_for_the_toolchain() {
    let dump = Command::new("just")
        .args(["--dump", "--dump-format", "json", "--justfile"])
        .arg(root().join("justfile"))
        .output();
    let Some(dump) = dump.ok().filter(|dump| dump.status.success()) else {
        skipped(
            "every_recipe_that_compiles_asks_for_the_toolchain",
            "there is no just",
        );
        return;
    };
    let dump: serde_json::Value = serde_json::from_slice(&dump.stdout).unwrap();
    let recipes = dump["recipes"].as_object().unwrap();
    // The scripts that ask for it themselves, before anything else.
    let asks = [
        "./setup.sh --toolchain",
        "@.ci/guest",
        "@.ci/demo",
        ".ci/runner amd64",
    ];
    fn reaches(
        recipes: &serde_json::Map<String, serde_json::Value>,
        name: &str,
        asks: &[&str],
    ) -> bool {
        let body = recipes[name]["body"].to_string();
        let mut needed = recipes[name]["dependencies"].as_array().unwrap().iter();
        asks.iter().any(|ask| body.contains(ask))
            || needed.any(|one| reaches(recipes, one["recipe"].as_str().unwrap(), asks))
    }
    let mut compile = Vec::new();
    for (name, recipe) in recipes {
        let body = recipe["body"].to_string();
        if body.contains("cargo ") || body.contains(".ci/package") || body.contains(".ci/sizes") {
            compile.push(name.as_str());
            assert!(reaches(recipes, name, &asks), "{name} needs _toolchain");
        }
    }
    for name in [
        "fuzz",
        "bench",
        "bench-store",
        "bench-guard",
        "soak",
        "package",
    ] {
        assert!(compile.contains(&name), "{name}");
    }
    for script in ["runner", "guest"] {
        let text = fs::read_to_string(root().join(".ci").join(script)).unwrap();
        let at = |what: &str| text.find(what).unwrap();
        assert!(
            at("./setup.sh --toolchain") < at("./setup.sh --route"),
            "{script}"
        );
    }
}

/// A checkout whose demo builds from source, by programs that are none: `just build` and the module's build are these.
fn building(release: &Release, just: &str, guest: &str) -> Command {
    let stub = |name: &str, body: &str| script(&release.path().join(name), body);
    stub(".ci/prebuilt", "exit 1");
    stub("setup.sh", "exit 0");
    stub(".ci/guest", guest);
    fs::create_dir_all(release.path().join("dist")).unwrap();
    stub("dist/runner", "echo trained");
    script(&release.programs.path().join("just"), just);
    let mut command = release.command(".ci/demo", "");
    command
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is() {
        assert!(begin.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_signal_to_the_demo_alone_ends_it_and_all_that_it_started() {
    let test = "a_signal_to_the_demo_alone_ends_it_and_all_that_it_started";
    let Some(release) = Release::new(test) else {
        return;
    };
    let waits = |name: &str| {
        format!(
            "cd {} && echo $$ >{name}.new && mv {name}.new {name} && exec sleep 60",
            release.path().display()
        )
    };
    let mut demo = building(&release, &waits("just.pid"), &waits("guest.pid"))
        .spawn()
        .unwrap();
    let pids = ["just.pid", "guest.pid"].map(|name| release.path().join(name));
    eventually("both are built", || pids.iter().all(|pid| pid.exists()));
    let begin = Instant::now();
    output(Command::new("kill").args(["-TERM", &demo.id().to_string()]));
    assert_eq!(demo.wait().unwrap().code(), Some(143));
    assert!(begin.elapsed() < Duration::from_secs(10));
    for pid in pids {
        let pid = fs::read_to_string(pid).unwrap();
        // Of a process that has ended nothing is left, or its name without a command line.
        let line = Path::new("/proc").join(pid.trim()).join("cmdline");
        eventually("what it started has ended", || {
            fs::read(&line).unwrap_or_default().is_empty()
        });
    }
}

#[test]
fn the_demo_shows_the_build_that_it_waits_for() {
    let Some(release) = Release::new("the_demo_shows_the_build_that_it_waits_for") else {
        return;
    };
    let go = release.path().join("go");
    let guest = format!(
        "echo Compiling the first; until [ -e {0} ]; do sleep 0.1; done; echo Compiling the last",
        go.display()
    );
    let mut demo = building(&release, "exit 0", &guest).spawn().unwrap();
    let (send, lines) = std::sync::mpsc::channel();
    let shown = BufReader::new(demo.stderr.take().unwrap());
    std::thread::spawn(move || {
        shown
            .lines()
            .map_while(Result::ok)
            .try_for_each(|line| send.send(line))
    });
    let mut seen = String::new();
    let mut next = |text: &str| {
        while !seen.contains(text) {
            let line = lines.recv_timeout(Duration::from_secs(20));
            seen.push_str(&line.unwrap_or_else(|error| panic!("{text}: {error}")));
        }
    };
    next("waiting for the module");
    next("Compiling the first");
    fs::write(&go, "").unwrap();
    next("2 of 2");
    let ended = demo.wait_with_output().unwrap();
    assert!(ended.status.success());
    assert_eq!(ended.stdout, b"trained\n");
}
