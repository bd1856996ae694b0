//! What a cluster downloads: `just package` lays it out, and these hold of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/checkout.rs"]
mod checkout;
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use checkout::{check_out, output};
use serde_json::Value;
use sha2::{Digest, Sha256};
use support::{data, files_below, models, read_json, root, skipped, workload};
use tempfile::TempDir;

fn sha256(file: &Path) -> String {
    let digest = Sha256::digest(fs::read(file).unwrap());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
#[ignore = "builds the module a second time; `just same-guest` runs it"]
fn the_module_is_the_same_wherever_it_is_built() {
    if !root().join(".git").exists() {
        skipped(
            "the_module_is_the_same_wherever_it_is_built",
            "no git checkout",
        );
        return;
    }
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("another-checkout");
    check_out(&place);
    let module = place.join("workload.wasm");
    output(
        Command::new(place.join(".ci/guest"))
            .arg(&module)
            .env("CARGO_TARGET_DIR", place.join("the target"))
            .current_dir(&place),
    );
    assert_eq!(
        sha256(&module),
        sha256(&workload()),
        "{} and {} differ: where they were built shows, or `just guest` was not run after a change",
        module.display(),
        workload().display()
    );
}

/// A program of the test servers' environment that validates bills of materials against CycloneDX's own schema.
const VALIDATE: &str = "
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
sys.exit(str(JsonStrictValidator(SchemaVersion.V1_5).validate_str(sys.stdin.read()) or '') or 0)
";

/// The Python that has the validator, where there is one.
fn validator() -> Option<PathBuf> {
    let python = PathBuf::from(std::env::var_os("NOMAD_RUNNER_VENV")?).join("bin/python");
    let works = Command::new(&python)
        .args(["-c", "import cyclonedx.validation.json, jsonschema"])
        .output()
        .is_ok_and(|output| output.status.success());
    works.then_some(python)
}

#[test]
fn the_bills_of_materials_are_valid_and_whole() {
    let name = "the_bills_of_materials_are_valid_and_whole";
    let Some(python) = validator() else {
        skipped(
            name,
            "no cyclonedx-python-lib in $NOMAD_RUNNER_VENV (`just venv` installs it)",
        );
        return;
    };
    for (package, target, features, inside) in [
        (
            "runner",
            "x86_64-unknown-linux-gnu",
            "score,s3,azblob",
            ["wasmtime", "opendal"],
        ),
        (
            "workload-wasm",
            "wasm32-wasip1",
            "",
            ["smartcore", "records"],
        ),
    ] {
        let bill = output(
            Command::new(root().join(".ci/materials.py"))
                .args(["sbom", package, target, features])
                .arg(workload())
                .env("SOURCE_DATE_EPOCH", "1"),
        );
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("bill.json");
        fs::write(&file, &bill).unwrap();
        output(
            Command::new(&python)
                .args(["-c", VALIDATE])
                .stdin(fs::File::open(&file).unwrap()),
        );
        let bill: Value = serde_json::from_slice(&bill).unwrap();
        let names: Vec<&str> = bill["components"]
            .as_array()
            .unwrap()
            .iter()
            .map(|component| component["name"].as_str().unwrap())
            .collect();
        for name in inside {
            assert!(names.contains(&name), "{name} is not among {names:?}");
        }
        assert!(!names.contains(&"wat"), "what only tests use is listed");
    }
}

/// The folder that `just package` made of this version.
fn package() -> Option<PathBuf> {
    let folder = root().join("dist").join(env!("CARGO_PKG_VERSION"));
    folder.join("SHA256SUMS").exists().then_some(folder)
}

#[test]
fn every_file_of_the_package_is_listed_and_whole() {
    let Some(package) = package() else {
        skipped(
            "every_file_of_the_package_is_listed_and_whole",
            "`just package` was not run",
        );
        return;
    };
    let sums = fs::read_to_string(package.join("SHA256SUMS")).unwrap();
    let mut listed = vec!["SHA256SUMS".to_owned()];
    for line in sums.lines() {
        let (digest, name) = line.split_once("  ").unwrap();
        assert_eq!(sha256(&package.join(name)), digest, "{name}");
        listed.push(name.to_owned());
    }
    let mut found = files_below(&package);
    found.sort();
    listed.sort();
    assert_eq!(found, listed);
    for file in ["runner-amd64", "runner-arm64", "workload"] {
        let bill = read_json(&package.join(format!("{file}.cdx.json")));
        let described = bill["metadata"]["component"]["name"].as_str().unwrap();
        assert_eq!(
            bill["metadata"]["component"]["hashes"][0]["content"],
            sha256(&package.join(described)).as_str()
        );
    }
}

#[test]
fn the_packaged_code_runs_by_the_runner_of_its_architecture() {
    let name = "the_packaged_code_runs_by_the_runner_of_its_architecture";
    let Some(package) = package() else {
        skipped(name, "`just package` was not run");
        return;
    };
    let mut trained = Vec::new();
    for (arch, cpu) in [("amd64", "x86_64"), ("arm64", "aarch64")] {
        let runner = package.join(format!("runner-{arch}"));
        let emulator = format!("qemu-{cpu}-static");
        let mut command = if cpu == std::env::consts::ARCH {
            Command::new(runner)
        } else if Command::new(&emulator).arg("--version").output().is_ok() {
            let mut command = Command::new(emulator);
            command.args(["-L", "/"]).arg(runner);
            command
        } else {
            skipped(name, &format!("{arch}: no {emulator}"));
            continue;
        };
        let folder = TempDir::new().unwrap();
        let out = folder.path().join("out");
        let specification = folder.path().join("pipeline.toml");
        fs::write(&specification, "target = \"cultivar\"\n").unwrap();
        let ended = command
            .arg("run")
            .arg(package.join(format!("workload-{arch}.cwasm")))
            // An emulator cannot start the process that scores.
            .args(["--no-parity", "--trust-compiled", "--no-cache"])
            .args(["--seed", "7", "--data"])
            .arg(data("wine.csv"))
            .arg("--spec")
            .arg(&specification)
            .arg("--out")
            .arg(&out)
            .env_clear()
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(ended.status.success(), "{arch}: {said}");
        assert!(!said.contains("is not used"), "{arch}: {said}");
        trained.push(read_json(&models(&out)[0].join("manifest.json"))["files"].clone());
    }
    assert!(trained.windows(2).all(|pair| pair[0] == pair[1]));
}
