//! A thousand small models from sixteen pushes at a time, and a large file in little memory. Figures, no promises:
//! a machine that is busy is slow. Run it with `cargo test -p runner --all-features --test throughput -- --ignored`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/gcs/mod.rs"]
mod gcs;
#[path = "support/model.rs"]
mod model;

use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::time::Instant;

use gcs::Gcs;
use model::Model;

fn push(gcs: &Gcs) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runner"));
    command
        .env_clear()
        .env("STORAGE_EMULATOR_HOST", &gcs.address)
        .args(["push", "--quiet", "--store", "gs://models/sales"]);
    command
}

#[test]
#[ignore = "a measurement: takes the whole machine"]
fn a_thousand_small_models_from_sixteen_pushes_at_a_time() {
    let gcs = Gcs::start();
    gcs.state().quiet = true;
    let home = tempfile::tempdir().unwrap();
    let folders: Vec<PathBuf> = (0..1000)
        .map(|version| {
            let model = Model::new("m", &version.to_string(), "a").write();
            let folder = home.path().join(&model.manifest().name);
            std::fs::rename(model.folder(), &folder).unwrap();
            folder
        })
        .collect();
    let left = Mutex::new(folders.iter());
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
    let names = gcs.names();
    let models = names.iter().filter(|name| name.ends_with("manifest.json"));
    assert_eq!(models.count(), 1000);
    println!("{:.0} models a second", 1000.0 / took.as_secs_f64());
}

#[test]
#[ignore = "a measurement: needs 3 GiB of memory and disk"]
fn a_gibibyte_in_little_memory() {
    let gcs = Gcs::start();
    gcs.state().quiet = true;
    let large = "0123456789abcdef".repeat(1 << 26);
    let model = Model::new("m", "1", "a").file("model.json", &large).write();
    drop(large);
    let begin = Instant::now();
    let mut child = push(&gcs).arg(model.folder()).spawn().unwrap();
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
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    assert!(status.success());
    println!(
        "{} MiB at most, {:.1} s",
        peak >> 10,
        begin.elapsed().as_secs_f64()
    );
    assert!(peak < 64 << 10, "{peak} KiB");
}
