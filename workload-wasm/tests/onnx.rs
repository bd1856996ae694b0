//! Every learner's `model.onnx` says in onnxruntime what the module says, on held-out rows and on strange ones.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::Path;
use std::process::Command;

use contract::Task;
use support::onnx::{forms, strange_rows, table, training};
use support::python::python;
use support::{Fixture, sample, skipped};
use tempfile::TempDir;
use workload::export::{Model, check};
use workload::learners;

/// Parameters that keep slow learners quick.
fn params(algorithm: &str, engine: &str) -> &'static str {
    match (algorithm, engine) {
        ("svc", "smartcore") => "[params]\nkernel = \"rbf\"\nepoch = 1",
        ("svr", "smartcore") => "[params]\nkernel = \"rbf\"",
        ("mlp", _) => "[params]\nepochs = 5\nhidden_layer_sizes = [16, 8]",
        ("random_forest" | "extra_trees" | "xgboost" | "gradient_boosting", _) => {
            "[params]\nn_estimators = 20"
        }
        ("lasso" | "elastic_net", _) => "[params]\nalpha = 0.1",
        _ => "",
    }
}

/// Trains, and leaves a case for `compare.py`: the model, and rows with what the module says of them.
fn case(cases: &Path, name: &str, task: Task, specification: &str) {
    let target = match task {
        Task::Binary => "won",
        Task::Multiclass => "stage",
        // A number that single precision tells, and one that only double precision does.
        Task::Regression if name.contains("double") => "far",
        Task::Regression => "amount",
    };
    let others: Vec<String> = ["won", "stage", "amount", "far"]
        .into_iter()
        .filter(|other| *other != target)
        .map(|other| format!("\"{other}\""))
        .collect();
    let fixture = Fixture::new("train.csv", training())
        .specification(&format!(
            "target = \"{target}\"\ndrop = [{}]\nimportance = 0\n{specification}\n\
             [types]\nplan = \"category\"\n\
             [derive]\ntotal = {{ sum = [\"seats\", \"usage\", \"active\"] }}\nper_seat = {{ ratio = [\"usage\", \"seats\"] }}\n\
             [split]\ntest = 0.25\n[gate]\nbaseline = false",
            others.join(", "),
        ))
        .trained();
    let onnx = fixture.path("model/model.onnx");
    if !onnx.is_file() {
        let reason = fixture.metrics().onnx_left_out;
        assert!(
            reason.is_some(),
            "{name} has neither model.onnx nor a reason"
        );
        assert!(name.starts_with("knn"), "{name}: {reason:?}");
        return;
    }
    assert_eq!(fixture.metrics().onnx_left_out, None);
    let folder = cases.join(name);
    std::fs::create_dir(&folder).unwrap();
    for file in ["model.onnx", "metrics.json"] {
        std::fs::copy(fixture.path(&format!("model/{file}")), folder.join(file)).unwrap();
    }
    std::fs::copy(
        fixture.path("model/check.json"),
        folder.join("held-out.rows.json"),
    )
    .unwrap();
    let model = Model::from_json(fixture.read("model/model.json").as_bytes()).unwrap();
    let strange = table(&model, &strange_rows());
    let rows: Vec<u32> = (0..strange.rows as u32).collect();
    let said = serde_json::to_vec(&check(
        &strange,
        &model,
        &rows,
        &model.predict(&strange, &rows),
    ))
    .unwrap();
    std::fs::write(folder.join("strange.rows.json"), said).unwrap();
}

#[test]
fn onnxruntime_says_what_the_module_says() {
    let Some(python) = python("numpy, onnx, onnxruntime") else {
        let name = "onnxruntime_says_what_the_module_says";
        skipped(
            name,
            "no Python with onnx and onnxruntime; `just venv` installs them",
        );
        return;
    };
    let cases = TempDir::new().unwrap();
    for (algorithm, engine, task) in learners::list() {
        let name = format!("{algorithm}-{engine}-{task:?}").to_lowercase();
        let params = params(algorithm, engine);
        let specification = format!("algorithm = \"{algorithm}\"\nengine = \"{engine}\"\n{params}");
        case(cases.path(), &name, task, &specification);
    }
    for algorithm in ["ridge", "gradient_boosting", "mlp", "svr"] {
        let name = format!("{algorithm}-double");
        let params = params(algorithm, "builtin");
        let specification = format!("algorithm = \"{algorithm}\"\n{params}");
        case(cases.path(), &name, Task::Regression, &specification);
    }
    for kernel in ["linear", "poly", "sigmoid"] {
        for (algorithm, task) in [("svc", Task::Binary), ("svr", Task::Regression)] {
            let specification =
                format!("algorithm = \"{algorithm}\"\n[params]\nkernel = \"{kernel}\"");
            case(
                cases.path(),
                &format!("{algorithm}-{kernel}"),
                task,
                &specification,
            );
        }
    }
    forms(cases.path());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/onnx/compare.py");
    let output = Command::new(&python)
        .arg(&script)
        .arg(cases.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let failed = String::from_utf8_lossy(&output.stderr);
    println!("{said}");
    if !output.status.success() {
        // For a look at what differs.
        println!("the models are in {}", cases.keep().display());
    }
    assert!(output.status.success(), "{said}{failed}");
}

#[test]
fn equal_trainings_give_equal_files_that_name_the_version_and_no_run() {
    let train = |version: &str| {
        Fixture::of_sample("breast_cancer.csv")
            .specification("target = \"diagnosis\"\nalgorithm = \"decision_tree\"")
            .variable("VERSION", version)
            .trained()
            .bytes("model/model.onnx")
    };
    let first = train("3_some-run");
    assert_eq!(first, train("3_another-run"));
    let holds = |text: &str| {
        first
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    };
    assert!(holds("trainedWinPrediction"));
    assert!(!holds("some-run"));
}

/// The first block of `language` in docs/onnx.md.
fn documented(language: &str) -> String {
    let page = std::fs::read_to_string(sample("../../docs/onnx.md")).unwrap();
    let start = format!("```{language}\n");
    let block = page.split_once(&start).unwrap().1;
    block.split_once("\n```").unwrap().0.to_owned()
}

/// What a program prints that runs in the model's folder.
fn prints(mut program: Command, folder: &Path) -> String {
    let output = program.current_dir(folder).output().unwrap();
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program:?}: {failed}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_documented_programs_give_the_same_answers_to_the_same_rows() {
    let name = "the_documented_programs_give_the_same_answers_to_the_same_rows";
    let Some(python) = python("numpy, onnx, onnxruntime") else {
        return skipped(
            name,
            "no Python with onnx and onnxruntime; `just venv` installs them",
        );
    };
    let packages = std::env::var_os("NOMAD_RUNNER_VENV")
        .map(|venv| Path::new(&venv).join("node_modules"))
        .filter(|packages| packages.join("onnxruntime-node").is_dir());
    let (Some(packages), Ok(_)) = (packages, Command::new("node").arg("--version").output()) else {
        return skipped(
            name,
            "no Node.js with onnxruntime-node; `just venv` installs it where npm is",
        );
    };
    let specification = std::fs::read_to_string(sample("pipeline.toml")).unwrap();
    let fixture = Fixture::of_sample("opportunityHistory.json")
        .specification(&specification.replace("n_estimators = 100", "n_estimators = 20"))
        .trained();
    let model = fixture.path("model");
    let (in_python, in_javascript) = (model.join("use.py"), model.join("use.js"));
    std::fs::write(&in_python, documented("python")).unwrap();
    std::fs::write(&in_javascript, documented("js")).unwrap();
    let mut program = Command::new(python);
    program.arg(&in_python);
    let answers = prints(program, &model);
    let mut program = Command::new("node");
    program.arg(&in_javascript).env("NODE_PATH", packages);
    assert_eq!(answers, prints(program, &model));
    assert_eq!(answers, module_answers(&fixture));
}

/// The answers of mode `predict` to the documented rows, as the programs print them.
fn module_answers(fixture: &Fixture) -> String {
    let rows = r#"
        {"Amount": 12000, "Account.Industry": "Banking", "Type": "New Business", "CreatedDate": "2024-03-02T16:07:45Z", "CloseDate": "2024-05-19"}
        {"Amount": 250000, "Account.Industry": "Beekeeping", "CreatedDate": "2024-01-31", "CloseDate": "2024-02-29"}
    "#;
    // Mode `predict` wants every column to be there.
    let model = Model::from_json(fixture.read("model/model.json").as_bytes()).unwrap();
    let nothing: Vec<String> = model
        .inputs
        .iter()
        .map(|input| format!("\"{}\": null", input.name))
        .collect();
    let rows = format!("{}\n{{{}}}", rows.trim(), nothing.join(", "));
    let finished = fixture.predict("rows.ndjson", rows);
    assert_eq!(finished.status, 0, "{}", finished.stderr);
    let csv = fixture.read("predictions/predictions.csv");
    let mut answers = String::new();
    for line in csv.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let shares = cells[2..].iter().map(|share| {
            let share: f64 = share.parse().unwrap();
            format!("{share:.4}")
        });
        answers += &format!("{} {}\n", cells[1], shares.collect::<Vec<_>>().join(" "));
    }
    answers
}
