//! The modules of examples/ keep the contract.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::process::Command;

use support::{Runner, root, skipped};

/// The second number of `go version go1.26.8 linux/amd64`; `None` where there is no Go.
fn go_minor_version() -> Option<u32> {
    let output = Command::new("go").arg("version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.split("go1.")
        .nth(1)?
        .split(['.', ' '])
        .next()?
        .parse()
        .ok()
}

#[test]
fn the_go_module_keeps_the_contract() {
    if go_minor_version().is_none_or(|version| version < 21) {
        skipped("the_go_module_keeps_the_contract", "needs Go 1.21 or later");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let module = folder.path().join("workload.wasm");
    let built = Command::new("go")
        .args(["build", "-o"])
        .arg(&module)
        .arg(".")
        .current_dir(root().join("examples/go"))
        .env("GOOS", "wasip1")
        .env("GOARCH", "wasm")
        .env("GOTOOLCHAIN", "local")
        .env(
            "GOCACHE",
            std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("go"),
        )
        .output()
        .unwrap();
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
    let ended = Runner::new("check").arg(&module).run().ends_with(0);
    assert!(!ended.stdout().contains("BREAKS"), "{}", ended.stdout());
}
