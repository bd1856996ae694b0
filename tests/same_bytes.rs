//! One module gives one model: byte for byte, whatever executes it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use contract::Task;
use support::{data, files_below, root, skipped, workload};
use tempfile::TempDir;
use workload::learners;

/// What executes the module.
struct Executor {
    name: &'static str,
    command: Vec<PathBuf>,
    engine: &'static str,
}

impl Executor {
    /// The runner under test, with machine code.
    fn this() -> Self {
        Self {
            name: "this machine's code",
            command: vec![env!("CARGO_BIN_EXE_runner").into()],
            engine: "compiler",
        }
    }

    fn interpreter() -> Self {
        Self {
            name: "interpreter",
            engine: "interpreter",
            ..Self::this()
        }
    }

    /// A runner that was built for shipping; one for another CPU is started by an emulator.
    fn shipped(name: &'static str, cpu: &str) -> Result<Self, String> {
        let runner = root().join("dist").join(format!("runner-{name}"));
        if !runner.exists() {
            return Err(format!("no dist/runner-{name}; `just dist` builds it"));
        }
        let mut command = vec![runner];
        if cpu != std::env::consts::ARCH {
            let emulator = format!("qemu-{cpu}-static");
            if Command::new(&emulator).arg("--version").output().is_err() {
                return Err(format!(
                    "no {emulator}; `./setup.sh --emulator {cpu}` installs it"
                ));
            }
            // With another root, the threads of a guest hang.
            command.splice(0..0, [emulator.into(), "-L".into(), "/".into()]);
        }
        Ok(Self {
            name,
            command,
            engine: "compiler",
        })
    }

    /// The files of the model that `specification` gives, by path, and how long the run took.
    fn train(&self, dataset: &Path, specification: &str) -> (BTreeMap<String, Vec<u8>>, Duration) {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("pipeline.toml"), specification).unwrap();
        let start = Instant::now();
        let output = Command::new(&self.command[0])
            .args(&self.command[1..])
            .arg("run")
            .arg(workload())
            .arg("--data")
            .arg(dataset)
            // An emulator cannot start the process that scores.
            .args(["--spec", "pipeline.toml", "--no-parity"])
            .args(["--engine", self.engine])
            .args(["--seed", "7", "--out", "out", "--cache-dir"])
            .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"))
            .env_clear()
            .current_dir(folder.path())
            .output()
            .unwrap();
        let took = start.elapsed();
        assert!(
            output.status.success(),
            "{} on {}, with\n{specification}\n{}",
            self.name,
            dataset.display(),
            String::from_utf8_lossy(&output.stderr)
        );
        (model(&folder.path().join("out")), took)
    }
}

/// The files of the one model below `folder`. The manifest says when and on what it was made, so it is none of them.
fn model(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let models = support::models(folder);
    assert_eq!(models.len(), 1, "models in {}", folder.display());
    files_below(&models[0])
        .into_iter()
        .filter(|path| path != "manifest.json")
        .map(|path| {
            let bytes = std::fs::read(models[0].join(&path)).unwrap();
            (path, bytes)
        })
        .collect()
}

/// What is learned from which file of tests/data.
struct Problem {
    task: Task,
    file: &'static str,
    target: &'static str,
    /// What the specification says besides target and learner.
    more: &'static str,
}

const OPPORTUNITIES: &str = r#"
keep = "IsClosed = true"
drop = ["StageName", "Probability", "ForecastCategory", "ExpectedRevenue", "LossReason__c", "SignedDate__c"]
importance = 1
[derive]
days_open = { difference = ["CloseDate", "CreatedDate"] }
[split]
time = "CloseDate"
"#;

const WINE: Problem = Problem {
    task: Task::Multiclass,
    file: "wine.csv",
    target: "cultivar",
    more: "",
};

const PROBLEMS: [Problem; 4] = [
    Problem {
        task: Task::Binary,
        file: "opportunityHistory.json",
        target: "IsWon",
        more: OPPORTUNITIES,
    },
    WINE,
    Problem {
        task: Task::Regression,
        file: "opportunityHistory.json",
        target: "Amount",
        more: OPPORTUNITIES,
    },
    Problem {
        task: Task::Regression,
        file: "diabetes.csv",
        target: "progression",
        more: "",
    },
];

/// Learners that would keep an emulator and an interpreter busy for an hour: parameters that make them smaller, and
/// whether the newest tenth of the opportunities must do. All others are as they are by default.
const SMALLER: [(&str, &str, &str, bool); 5] = [
    ("extra_trees", "smartcore", "n_estimators = 5", false),
    ("random_forest", "smartcore", "n_estimators = 5", false),
    ("xgboost", "smartcore", "n_estimators = 5", false),
    ("svc", "smartcore", "", true),
    ("svr", "smartcore", "", true),
];

impl Problem {
    fn specification(&self, algorithm: &str, engine: &str) -> String {
        let (_, _, parameters, few_rows) = SMALLER
            .into_iter()
            .find(|(name, by, ..)| (*name, *by) == (algorithm, engine))
            .unwrap_or_default();
        let more = if few_rows {
            let keep = r#"keep = ["IsClosed = true", "CloseDate >= 2024-10-07"]"#;
            self.more.replace(r#"keep = "IsClosed = true""#, keep)
        } else {
            self.more.to_owned()
        };
        format!(
            "target = {:?}\nalgorithm = {algorithm:?}\nengine = {engine:?}\n{more}[params]\n{parameters}\n[gate]\nbaseline = false\n",
            self.target
        )
    }
}

/// Trains by each executor and compares each with the first. One line about times, or what differs.
fn compare(
    executors: &[Executor],
    problem: &Problem,
    algorithm: &str,
    engine: &str,
) -> Result<String, String> {
    let path = data(problem.file);
    let specification = &problem.specification(algorithm, engine);
    let (expected, base) = executors[0].train(&path, specification);
    let mut line = format!("{} {:.1} s", executors[0].name, base.as_secs_f64());
    for executor in &executors[1..] {
        let (found, took) = executor.train(&path, specification);
        write!(line, ", {} {:.1} s", executor.name, took.as_secs_f64()).unwrap();
        let differing: Vec<&String> = expected
            .keys()
            .chain(found.keys())
            .filter(|path| expected.get(*path) != found.get(*path))
            .collect();
        if !differing.is_empty() {
            return Err(format!(
                "{} and {} differ in {differing:?}, with\n{specification}",
                executors[0].name, executor.name
            ));
        }
    }
    Ok(line)
}

/// One learner for each form that a fitted model can have.
const FORMS: [(&str, &str); 6] = [
    ("Linear", "logistic_regression"),
    ("Trees", "random_forest"),
    ("NaiveBayes", "gaussian_nb"),
    ("Neighbors", "knn"),
    ("Kernel", "svc"),
    ("Network", "mlp"),
];

fn compare_every_form(executors: &[Executor]) {
    for (form, algorithm) in FORMS {
        let (_, engine, _) = learners::list()
            .find(|(name, ..)| *name == algorithm)
            .unwrap();
        if let Err(difference) = compare(executors, &WINE, algorithm, engine) {
            panic!("{form}: {difference}");
        }
    }
}

#[test]
fn machine_code_and_the_interpreter_give_the_same_model_of_every_form() {
    compare_every_form(&[Executor::this(), Executor::interpreter()]);
}

#[test]
fn arm64_gives_the_same_model_of_every_form() {
    match Executor::shipped("arm64", "aarch64") {
        Ok(arm64) => compare_every_form(&[Executor::this(), arm64]),
        Err(reason) => skipped("arm64_gives_the_same_model_of_every_form", &reason),
    }
}

#[test]
#[ignore = "takes long; `just same-bytes` runs it"]
fn every_learner_gives_the_same_model_on_every_architecture() {
    let executors = [
        Executor::shipped("amd64", "x86_64").unwrap(),
        Executor::shipped("arm64", "aarch64").unwrap(),
        Executor::interpreter(),
    ];
    // Some of them, for a change that touches no others: LEARNERS=svc,mlp.
    let only = std::env::var("LEARNERS").unwrap_or_default();
    let chosen = |name: &str| only.is_empty() || only.split(',').any(|chosen| chosen == name);
    let mut differences = Vec::new();
    let mut compared = 0;
    for (algorithm, engine, task) in learners::list() {
        if !chosen(algorithm) {
            continue;
        }
        for problem in PROBLEMS.iter().filter(|problem| problem.task == task) {
            compared += 1;
            match compare(&executors, problem, algorithm, engine) {
                Ok(line) => println!("{algorithm} ({engine}), {}: {line}", problem.file),
                Err(difference) => differences.push(difference),
            }
        }
    }
    assert!(compared > 0, "LEARNERS={only} names no learner");
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
}
