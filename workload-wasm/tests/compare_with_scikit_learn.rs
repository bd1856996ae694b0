//! The short form of `just compare-learners`: the quick learners on the public datasets, with few seeds.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::Path;
use std::process::Command;

use support::python::python;

#[test]
fn learners_score_as_scikit_learn_does() {
    let Some(python) = python("sklearn, lightgbm") else {
        println!(
            "SKIPPED learners_score_as_scikit_learn_does: no Python with scikit-learn and LightGBM; `just compare-learners` installs one"
        );
        return;
    };
    // Cargo builds the example beside the tests: target/<profile>/examples.
    let test = std::env::current_exe().unwrap();
    let fit = test
        .parent()
        .unwrap()
        .with_file_name("examples")
        .join("fit");
    assert!(
        fit.is_file(),
        "no {}: run `cargo build -p workload-wasm --examples`",
        fit.display()
    );
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/learners/compare.py");
    let output = Command::new(&python)
        .arg(&script)
        .args(["--fit".as_ref(), fit.as_os_str()])
        // Those whose fit is no matter of luck: three seeds are few.
        .args([
            "--only",
            "logistic_regression,gradient_boosting,knn,ridge,lasso,svc,svr",
        ])
        .args(["--seeds", "3", "--small"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{failed}");
}
