//! What publishing and listing cost. Figures, no promises: a machine that is busy is slow, so CPU time stands beside the clock's.
//! `just bench-store` runs them, with any build of the runner.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/gcs/mod.rs"]
mod gcs;
#[path = "support/model.rs"]
mod model;
#[path = "support/server.rs"]
mod server;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use gcs::Gcs;
use model::Model;

/// The program that is measured: `RUNNER`, else the one that was built with this test.
fn runner() -> PathBuf {
    let named = std::env::var_os("RUNNER").map(PathBuf::from);
    named.unwrap_or_else(|| env!("CARGO_BIN_EXE_runner").into())
}

fn push(gcs: &Gcs) -> Command {
    let mut command = Command::new(runner());
    command
        .env_clear()
        .env("STORAGE_EMULATOR_HOST", &gcs.address)
        .args(["push", "--quiet", "--store", "gs://models/sales"]);
    command
}

/// User and system time so far of this process, and of its children that have ended.
fn cpu() -> (Duration, Duration) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .collect();
    // Fields 14 to 17 of proc(5), in hundredths of a second; the third is the first after the name.
    let ticks = |field: usize| fields[field - 3].parse::<u64>().unwrap() * 10;
    let time = |user, system| Duration::from_millis(ticks(user) + ticks(system));
    (time(14, 15), time(16, 17))
}

struct Measured {
    seconds: f64,
    /// The most memory that it took, in MiB.
    peak: u64,
}

/// Runs it and watches its memory.
fn measured(command: &mut Command) -> Measured {
    let begin = Instant::now();
    let mut child = command.spawn().unwrap();
    let mut peak = 0;
    let status = loop {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()));
        let high = status.unwrap_or_default().lines().find_map(|line| {
            let kibibytes = line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?;
            kibibytes.trim().parse::<u64>().ok()
        });
        peak = peak.max(high.unwrap_or(0));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(status.success());
    Measured {
        seconds: begin.elapsed().as_secs_f64(),
        peak: peak >> 10,
    }
}

#[test]
#[ignore = "a measurement: takes the whole machine"]
fn a_thousand_small_models_from_sixteen_pushes_at_a_time() {
    const MODELS: u32 = 1000;
    let gcs = Gcs::start();
    let home = tempfile::tempdir().unwrap();
    let folders: Vec<PathBuf> = (0..MODELS)
        .map(|version| {
            let model = Model::new("m", &version.to_string(), "a").write();
            let folder = home.path().join(&model.manifest().name);
            std::fs::rename(model.folder(), &folder).unwrap();
            folder
        })
        .collect();
    let left = Mutex::new(folders.iter());
    let (ours, theirs) = cpu();
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                loop {
                    let Some(folder) = left.lock().unwrap().next() else {
                        return;
                    };
                    assert!(push(&gcs).arg(folder).output().unwrap().status.success());
                }
            });
        }
    });
    let took = begin.elapsed();
    let (ours, theirs) = (cpu().0 - ours, cpu().1 - theirs);
    let names = gcs.names();
    let models = names.iter().filter(|name| name.ends_with("manifest.json"));
    assert_eq!(models.count(), MODELS as usize);
    let requests = gcs.state().seen.len();
    println!(
        "push: {:.0} models a second; {:.1} ms of CPU a push and {:.1} ms of this test and its server; {:.1} requests a push",
        f64::from(MODELS) / took.as_secs_f64(),
        theirs.as_secs_f64() * 1e3 / f64::from(MODELS),
        ours.as_secs_f64() * 1e3 / f64::from(MODELS),
        requests as f64 / f64::from(MODELS),
    );
}

#[test]
#[ignore = "a measurement: needs 3 GiB of memory and disk"]
fn a_gibibyte_in_little_memory() {
    let gcs = Gcs::start();
    gcs.state().quiet = true;
    let large = "0123456789abcdef".repeat(1 << 26);
    let model = Model::new("m", "1", "a").file("model.json", &large).write();
    drop(large);
    let Measured { seconds, peak } = measured(push(&gcs).arg(model.folder()));
    println!("1 GiB: {peak} MiB of memory at most, {seconds:.1} s");
    assert!(peak < 64, "{peak} MiB");
}

#[cfg(any(feature = "s3", feature = "azblob"))]
fn large_file_to(store: &str, env: &[(&str, String)]) {
    const MEBIBYTES: usize = 300;
    let large = "0123456789abcdef".repeat(MEBIBYTES << 16);
    let model = Model::new("m", "1", "a").file("model.json", &large).write();
    drop(large);
    let mut push = Command::new(runner());
    push.env_clear()
        .envs(env.iter().map(|(name, value)| (name, value)))
        .args(["push", "--quiet", "--store", store])
        .arg(model.folder());
    let Measured { seconds, peak } = measured(&mut push);
    println!("{MEBIBYTES} MiB to {store}: {peak} MiB of memory at most, {seconds:.1} s");
    // Whatever the size of the file.
    assert!(peak < 96, "{peak} MiB");
}

#[cfg(feature = "s3")]
#[test]
#[ignore = "a measurement: needs 1 GiB of memory and disk"]
fn a_large_file_to_s3_in_little_memory() {
    if let Some((_server, env)) = server::moto() {
        large_file_to("s3://models/sales", &env);
    }
}

#[cfg(feature = "azblob")]
#[test]
#[ignore = "a measurement: needs 1 GiB of memory and disk"]
fn a_large_file_to_azure_in_little_memory() {
    if let Some((_server, env)) = server::azurite() {
        large_file_to("az://models/sales", &env);
    }
}

const LISTED: u32 = 10_000;

/// Hands the manifests of as many models to `put`, with what their names are.
fn manifests(mut put: impl FnMut(&str, Vec<u8>)) {
    let template = Model::new("m", "VERSION", "a").write();
    let text = std::fs::read_to_string(template.folder().join("manifest.json")).unwrap();
    for version in 0..LISTED {
        let text = text.replace("VERSION", &version.to_string());
        put(&format!("m_v{version}_a"), text.into_bytes());
    }
}

fn listed(what: &str, store: &str, gcs: &Gcs) {
    let out = tempfile::NamedTempFile::new().unwrap();
    for (how, args) in [
        ("table", &["list"][..]),
        ("JSON, sorted", &["list", "--json", "--sort", "roc_auc"]),
        (
            "one version",
            &["list", "--save-path", "m", "--version", "77"],
        ),
    ] {
        let before = cpu().1;
        let mut command = Command::new(runner());
        command
            .env_clear()
            .env("STORAGE_EMULATOR_HOST", &gcs.address)
            .args(args)
            .args(["--store", store])
            .stdout(Stdio::from(out.reopen().unwrap()));
        let Measured { seconds, peak } = measured(&mut command);
        let cpu = (cpu().1 - before).as_secs_f64();
        println!(
            "list of {LISTED} in {what}, {how}: {seconds:.1} s ({cpu:.1} s of CPU), {peak} MiB of memory at most"
        );
    }
    let listed = std::fs::read_to_string(out.path()).unwrap();
    assert!(listed.contains("m_v77_a"), "{listed}");
}

#[test]
#[ignore = "a measurement: takes the whole machine"]
fn ten_thousand_models_are_listed() {
    let gcs = Gcs::start();
    gcs.state().quiet = true;
    manifests(|name, manifest| {
        for file in ["metrics.json", "model.json", "predictions.txt"] {
            gcs.put(&format!("sales/{name}/{file}"), "{}", 1);
        }
        gcs.put(&format!("sales/{name}/manifest.json"), manifest, 2);
    });
    listed("a bucket", "gs://models/sales", &gcs);

    let home = tempfile::tempdir().unwrap();
    manifests(|name, manifest| {
        let folder: &Path = &home.path().join(name);
        std::fs::create_dir(folder).unwrap();
        for file in ["metrics.json", "model.json", "predictions.txt"] {
            std::fs::write(folder.join(file), "{}").unwrap();
        }
        std::fs::write(folder.join("manifest.json"), manifest).unwrap();
    });
    listed("a folder", home.path().to_str().unwrap(), &gcs);
}
