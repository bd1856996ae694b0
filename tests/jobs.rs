//! The job files say what the runner, the documentation and the pipeline they replace say.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::Command;

use hcl::{Block, Body, Expression};

const JOB: &str = "sales-close-prediction.nomad.hcl";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_path_buf()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn parse(file: &str) -> Body {
    hcl::parse(&read(&format!("jobs/{file}")))
        .unwrap_or_else(|error| panic!("jobs/{file}: {error}"))
}

/// The blocks of that kind directly in `body`.
fn blocks<'a>(body: &'a Body, kind: &str) -> Vec<&'a Block> {
    body.blocks()
        .filter(|block| block.identifier() == kind)
        .collect()
}

fn block<'a>(body: &'a Body, kind: &str) -> &'a Body {
    match blocks(body, kind).as_slice() {
        [one] => &one.body,
        other => panic!("{} blocks `{kind}`, not one", other.len()),
    }
}

fn labelled<'a>(body: &'a Body, kind: &str, label: &str) -> &'a Body {
    let found = blocks(body, kind)
        .into_iter()
        .find(|block| block.labels().first().is_some_and(|l| l.as_str() == label));
    &found
        .unwrap_or_else(|| panic!("there is no {kind} {label:?}"))
        .body
}

fn value(body: &Body, name: &str) -> Expression {
    let found = body.attributes().find(|attribute| attribute.key() == name);
    found
        .unwrap_or_else(|| panic!("`{name}` is not set"))
        .expr()
        .clone()
}

fn strings(body: &Body, name: &str) -> Vec<String> {
    let Expression::Array(items) = value(body, name) else {
        panic!("`{name}` is no list");
    };
    items
        .iter()
        .map(|item| match item {
            Expression::String(text) => text.clone(),
            other => panic!("`{name}` holds {other:?}"),
        })
        .collect()
}

fn group(file: &Body) -> Body {
    let job = labelled(file, "job", "sales-close-prediction");
    labelled(job, "group", "trainAndSaveModel").clone()
}

#[test]
fn every_job_file_and_agent_configuration_parses() {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(root().join("jobs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".hcl") {
            parse(&name);
            files.push(name);
        }
    }
    assert!(files.len() >= 3, "{files:?}");
}

#[test]
fn names_are_those_of_the_pipeline_that_this_one_replaces() {
    let file = parse(JOB);
    let job = labelled(&file, "job", "sales-close-prediction");
    assert_eq!(value(job, "type"), Expression::from("batch"));
    let parameterized = block(job, "parameterized");
    assert_eq!(
        value(parameterized, "payload"),
        Expression::from("optional")
    );
    let mut required = strings(parameterized, "meta_required");
    required.sort();
    let expected = [
        "data_path",
        "data_url",
        "gcp_bucket_path",
        "model_version",
        "prediction_path",
        "save_path",
    ];
    assert_eq!(required, expected);
    let optional = strings(parameterized, "meta_optional");
    for key in ["batch_size", "epochs", "gcp_creds"] {
        assert!(
            optional.iter().any(|name| name == key),
            "{key} can't be dispatched"
        );
    }
    let group = group(&file);
    let train = labelled(&group, "task", "train");
    let lifecycle = block(train, "lifecycle");
    assert_eq!(value(lifecycle, "hook"), Expression::from("prestart"));
    assert_eq!(value(lifecycle, "sidecar"), Expression::from(false));
    assert_eq!(
        value(block(train, "dispatch_payload"), "file"),
        Expression::from("pipeline.toml")
    );
    let store = labelled(&group, "task", "storeModel_GCP");
    assert_eq!(value(store, "leader"), Expression::from(true));
}

/// Nomad cannot tell a bad specification from a network that is down: the runner retries, Nomad doesn't.
#[test]
fn nothing_is_started_twice_by_nomad() {
    let group = group(&parse(JOB));
    assert_eq!(
        value(block(&group, "restart"), "attempts"),
        Expression::from(0)
    );
    assert_eq!(
        value(block(&group, "reschedule"), "attempts"),
        Expression::from(0)
    );
    assert_eq!(
        value(block(&group, "reschedule"), "unlimited"),
        Expression::from(false)
    );
    for task in ["train", "storeModel_GCP"] {
        let task = labelled(&group, "task", task);
        assert_eq!(value(task, "driver"), Expression::from("exec"));
        assert!(blocks(task, "restart").is_empty());
        block(task, "logs");
        value(task, "kill_timeout");
    }
}

/// The bucket is the second task's business, and so are the credentials for it.
#[test]
fn the_task_that_trains_sees_neither_the_store_nor_its_credentials() {
    let group = group(&parse(JOB));
    let train = hcl::to_string(labelled(&group, "task", "train")).unwrap();
    for word in [
        "var.store ",
        "var.store_volume",
        "gcp_bucket_path",
        "gcp_audience",
        "gcp_credentials",
        "gcp_creds",
    ] {
        assert!(!train.contains(word), "task train names {word}");
    }
}

#[test]
fn every_downloaded_file_is_checked_against_a_digest_of_the_operators() {
    let group = group(&parse(JOB));
    for name in ["train", "storeModel_GCP"] {
        let task = labelled(&group, "task", name);
        let dynamic = blocks(task, "dynamic")
            .into_iter()
            .filter(|block| block.labels()[0].as_str() == "artifact");
        let artifacts: Vec<&Body> = dynamic
            .map(|block| self::block(&block.body, "content"))
            .chain(
                blocks(task, "artifact")
                    .into_iter()
                    .map(|block| &block.body),
            )
            .collect();
        assert!(!artifacts.is_empty(), "task {name} downloads nothing");
        for artifact in artifacts {
            assert_eq!(value(artifact, "mode"), Expression::from("file"));
            let checksum =
                hcl::format::to_string(&value(block(artifact, "options"), "checksum")).unwrap();
            assert!(checksum.starts_with("\"sha256:${var.sha256["), "{checksum}");
        }
    }
}

#[test]
fn every_variable_is_described_and_documented() {
    let docs = read("docs/nomad.md");
    for file in [JOB, "doctor.nomad.hcl"] {
        for variable in blocks(&parse(file), "variable") {
            let name = variable.labels()[0].as_str();
            let Expression::String(description) = value(&variable.body, "description") else {
                panic!("variable {name} has no plain description");
            };
            assert!(description.len() > 15, "variable {name}: {description:?}");
            assert!(
                docs.contains(&format!("| `{name}` |")) || docs.contains(&format!("-var={name}=")),
                "docs/nomad.md says nothing of variable {name} of {file}"
            );
        }
    }
}

#[test]
fn every_key_of_a_dispatch_is_documented() {
    let docs = read("docs/nomad.md");
    let file = parse(JOB);
    let parameterized = block(
        labelled(&file, "job", "sales-close-prediction"),
        "parameterized",
    );
    for list in ["meta_required", "meta_optional"] {
        for key in strings(parameterized, list) {
            assert!(
                docs.contains(&format!("| `{key}` |")),
                "docs/nomad.md says nothing of key {key}"
            );
        }
    }
}

fn help(verb: &str) -> String {
    let runner = Command::new(env!("CARGO_BIN_EXE_runner"))
        .args([verb, "--help"])
        .output()
        .unwrap();
    assert!(runner.status.success(), "runner {verb} --help");
    String::from_utf8(runner.stdout).unwrap()
}

/// Every `--flag` in a piece of HCL.
fn flags(body: &Body) -> Vec<String> {
    let text = hcl::to_string(body).unwrap();
    let quoted = text.split('"').filter(|part| part.starts_with("--"));
    let flags: Vec<String> = quoted.map(str::to_owned).collect();
    assert!(!flags.is_empty(), "no flag in\n{text}");
    flags
}

#[test]
fn every_flag_that_a_job_gives_is_one_of_the_runners() {
    let training = group(&parse(JOB));
    let doctor = parse("doctor.nomad.hcl");
    let doctor = labelled(&doctor, "job", "doctor");
    let doctor = labelled(doctor, "group", "doctor");
    for (group, task, verb) in [
        (&training, "train", "run"),
        (&training, "storeModel_GCP", "push"),
        (doctor, "runner", "doctor"),
    ] {
        let help = help(verb);
        let config = block(labelled(group, "task", task), "config");
        for flag in flags(config) {
            assert!(
                help.contains(&format!("{flag} ")) || help.contains(&format!("{flag}\n")),
                "task {task} gives {flag}, which `runner {verb}` does not know"
            );
        }
    }
}

#[test]
fn every_key_of_a_dispatch_is_one_that_the_runner_reads() {
    let help = help("run") + &help("push");
    let file = parse(JOB);
    let job = labelled(&file, "job", "sales-close-prediction");
    for list in ["meta_required", "meta_optional"] {
        for key in strings(block(job, "parameterized"), list) {
            assert!(
                help.contains(&format!("$NOMAD_META_{key}")),
                "{key} is dispatched, and no help tells of it"
            );
        }
    }
}

/// Runs jobs/dispatch.sh with a `nomad` that only prints what it was asked.
fn dispatch(arguments: &[&str], environment: &[(&str, &str)]) -> (i32, String, String) {
    let folder = tempfile::TempDir::new().unwrap();
    let nomad = folder.path().join("nomad");
    std::fs::write(&nomad, "#!/bin/sh\nprintf '%s\\n' \"$@\"\n").unwrap();
    std::fs::set_permissions(&nomad, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let output = Command::new(root().join("jobs/dispatch.sh"))
        .args(arguments)
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", folder.path().display()))
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn the_dispatch_script_gives_every_key_that_the_job_requires() {
    let environment = [
        ("DATA_URL", "https://example.com/h"),
        ("GCP_BUCKET_PATH", "bucket/models"),
        ("EPOCHS", "5"),
    ];
    let (status, asked, stderr) = dispatch(&["7"], &environment);
    assert_eq!(status, 0, "{stderr}");
    let file = parse(JOB);
    let parameterized = block(
        labelled(&file, "job", "sales-close-prediction"),
        "parameterized",
    );
    for key in strings(parameterized, "meta_required") {
        assert!(
            asked.contains(&format!("-meta\n{key}=")),
            "{key} is missing in\n{asked}"
        );
    }
    assert!(asked.starts_with("job\ndispatch\n"), "{asked}");
    assert!(
        asked.contains("save_path=trainedWinPrediction\n"),
        "{asked}"
    );
    assert!(asked.contains("model_version=7\n"), "{asked}");
    assert!(asked.contains("epochs=5\n"), "{asked}");
    assert!(!asked.contains("batch_size"), "{asked}");
    assert!(asked.ends_with("\nsales-close-prediction\n"), "{asked}");
}

#[test]
fn the_dispatch_script_says_what_is_missing() {
    let (status, asked, stderr) = dispatch(&["7"], &[("GCP_BUCKET_PATH", "bucket")]);
    assert_eq!((status, asked.as_str()), (2, ""));
    assert!(stderr.contains("set DATA_URL"), "{stderr}");
    let (status, _, stderr) = dispatch(&[], &[]);
    assert_eq!(status, 2);
    assert!(stderr.contains("jobs/dispatch.sh VERSION"), "{stderr}");
}

#[test]
fn the_variables_script_writes_the_digests_of_a_package() {
    let folder = tempfile::TempDir::new().unwrap();
    let digest = "0123456789abcdef".repeat(4);
    let sums = format!("{digest}  runner-amd64\n{digest} *workload.wasm\n");
    std::fs::write(folder.path().join("SHA256SUMS"), sums).unwrap();
    let output = Command::new(root().join("jobs/variables.sh"))
        .arg(folder.path())
        .arg("https://example.com/0.1.0/")
        .output()
        .unwrap();
    assert!(output.status.success());
    let variables: hcl::Value =
        hcl::from_str(std::str::from_utf8(&output.stdout).unwrap()).unwrap();
    let object = variables.as_object().unwrap();
    assert_eq!(
        object["artifacts"].as_str(),
        Some("https://example.com/0.1.0")
    );
    let sha256 = object["sha256"].as_object().unwrap();
    assert_eq!(sha256.len(), 2);
    assert_eq!(sha256["workload.wasm"].as_str(), Some(digest.as_str()));
}
