//! Models as ONNX: proven equal before they are published, and used.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/onnx.rs"]
mod onnx;
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use onnx::{Graph, leaves, leaves_in_turn};
use serde_json::{Value, json};
use support::{Ended, Runner, data, models, read_json, root, skipped, workload};

const METRICS: &str = r#"{"contract":1,"task":"regression","rows":{"read":3,"kept":3,"train":2,"held_out":1},
    "held_out":{"rmse":0.5},"primary":{"name":"rmse","higher_is_better":false,"held_out":0.5}}"#;

const WINE: &str = "target = \"cultivar\"\n";

/// What a module says of three rows whose only column it predicts.
const CHECK: &str =
    r#"{"columns":[{"name":"x","values":{"number":[1.0,2.5,-3.0]}}],"predictions":[1.0,2.5,-3.0]}"#;

/// A training by a module that leaves these two files.
fn train(model: &[u8], check: &str) -> Runner {
    let files: [(&str, &[u8]); 5] = [
        ("model.json", b"{}"),
        ("metrics.json", METRICS.as_bytes()),
        ("predictions.csv", b"row,predicted\n1,1\n"),
        ("model.onnx", model),
        ("check.json", check.as_bytes()),
    ];
    Runner::new("run")
        .file("guest.wasm", leaves(&files))
        .args(["guest.wasm", "--data", "rows.csv", "--json"])
        .file("rows.csv", "x\n1\n2\n3\n")
}

fn parity(ended: &Ended) -> Value {
    ended.json()["parity"].clone()
}

#[test]
fn a_model_that_says_what_its_module_says_is_kept_and_its_manifest_tells() {
    let ended = train(&Graph::identity("x").bytes(), CHECK)
        .run()
        .ends_with(0);
    if !cfg!(feature = "score") {
        let reason = "this runner was built without the feature `score`";
        let expected = json!({"status": "not_checked", "reason": reason});
        assert_eq!(parity(&ended), expected);
        return;
    }
    assert_eq!(
        parity(&ended),
        json!({"status": "equal", "rows": 3, "ties": 0, "largest_difference": 0.0})
    );
    let ended = Runner::new("run")
        .arg(workload())
        .args(["--data", "rows.csv", "--spec", "wine.toml"])
        .file("rows.csv", std::fs::read(data("wine.csv")).unwrap())
        .file("wine.toml", WINE)
        .run()
        .ends_with(0);
    assert!(
        ended.stdout().contains("\nparity    "),
        "{}",
        ended.stdout()
    );
}

#[test]
fn without_a_second_form_nothing_is_checked_and_the_manifest_says_so() {
    for (name, said) in [
        ("model.onnx", "no model.onnx"),
        ("check.json", "no check.json"),
    ] {
        let model = Graph::identity("x").bytes();
        let files: [(&str, &[u8]); 5] = [
            ("model.json", b"{}"),
            ("metrics.json", METRICS.as_bytes()),
            ("predictions.csv", b"row,predicted\n1,1\n"),
            ("model.onnx", &model),
            ("check.json", CHECK.as_bytes()),
        ];
        let files: Vec<_> = files.into_iter().filter(|file| file.0 != name).collect();
        let ended = train(&model, CHECK)
            .file("guest.wasm", leaves(&files))
            .run()
            .ends_with(0);
        let parity = parity(&ended);
        assert_eq!(parity["status"], "not_checked");
        assert!(
            parity["reason"].as_str().unwrap().contains(said),
            "{parity}"
        );
    }
}

#[test]
fn a_module_that_lies_misses_the_gate() {
    if !cfg!(feature = "score") {
        return skipped("lying modules", "built without the feature `score`");
    }
    let lie = CHECK.replace("\"predictions\":[1.0,2.5,", "\"predictions\":[1.0,7.5,");
    let model = Graph::identity("x").bytes();
    let ended = train(&model, &lie)
        .args(["--store", "store"])
        .run()
        .ends_with(5);
    let ended = ended.says(["parity NOT met", "differs on 1 of 3 rows"]);
    let found = parity(&ended);
    assert_eq!(
        (&found["status"], &found["differing"]),
        (&json!("differs"), &json!(1))
    );
    let worst = found["worst"][0].as_str().unwrap();
    assert_eq!(worst, "check row 2: 7.5 by the module, 2.5 by model.onnx");
    assert_eq!(ended.json()["status"], "gate_not_met");
    assert_eq!(models(&ended.path("store")).len(), 0);
    let records = std::fs::read_dir(ended.path("store/_rejected")).unwrap();
    assert_eq!(records.count(), 1);

    // The verdict of whoever publishes is the same.
    let ended = train(&model, &lie).arg("--defer-gate").run().ends_with(0);
    let kept = models(&ended.path("runs"));
    let pushed = Runner::new("push")
        .arg(&kept[0])
        .args(["--store", "store"])
        .run()
        .ends_with(5);
    assert_eq!(models(&pushed.path("store")).len(), 0);

    // An operator may let it pass, and the manifest tells.
    let ended = train(&model, &lie).arg("--no-parity").run().ends_with(0);
    assert_eq!(parity(&ended)["status"], "not_checked");
}

#[test]
fn a_model_is_scored_while_its_module_goes_on_and_judged_by_what_is_there_in_the_end() {
    if !cfg!(feature = "score") {
        return skipped("early scoring", "built without the feature `score`");
    }
    let honest = Graph::identity("x").bytes();
    let lie = CHECK.replace("\"predictions\":[1.0,2.5,", "\"predictions\":[1.0,7.5,");
    let end = ("predictions.csv", &b"row,predicted\n1,1\n"[..]);
    let other = ("model.onnx", &b"no model"[..]);
    for (first, later, verdict, early) in [
        (&honest[..], end, "equal", true),
        (b"no model", ("model.onnx", &honest[..]), "equal", false),
        (&honest, other, "failed", false),
        (&honest, ("check.json", lie.as_bytes()), "differs", false),
    ] {
        let files: [(&str, &[u8]); 5] = [
            ("model.json", b"{}"),
            ("metrics.json", METRICS.as_bytes()),
            end,
            ("check.json", CHECK.as_bytes()),
            ("model.onnx", first),
        ];
        let ended = train(first, CHECK)
            .file("guest.wasm", leaves_in_turn(&files, &[later]))
            .arg("-v")
            .run();
        let ended = ended.ends_with(if verdict == "equal" { 0 } else { 5 });
        assert_eq!(parity(&ended)["status"], verdict, "then {later:?}");
        let says = ended.stderr().contains("scored while the module went on");
        assert_eq!(says, early, "{}", ended.stderr());
    }
}

#[test]
fn a_model_that_cannot_be_scored_misses_the_gate_and_harms_nothing() {
    if !cfg!(feature = "score") {
        return skipped("hostile models", "built without the feature `score`");
    }
    let identity = Graph::identity("x").bytes();
    for (what, model, said) in [
        ("no protobuf", b"\xff\xff\xff\xff\xff\xff".to_vec(), ""),
        ("empty", Vec::new(), "no graph"),
        ("cut short", identity[..identity.len() / 2].to_vec(), ""),
        (
            "another column",
            Graph::identity("y").bytes(),
            "no column `y`",
        ),
        (
            "an operator of nobody's",
            Graph::unknown().bytes(),
            "Nonesuch",
        ),
        (
            "a file of the host's",
            Graph::external("/etc/passwd").bytes(),
            "external data",
        ),
        ("four terabytes", Graph::huge().bytes(), ""),
        (
            "an output that nothing makes",
            Graph::dangling().bytes(),
            "nothing makes",
        ),
    ] {
        let ended = train(&model, CHECK).run().ends_with(5);
        let parity = parity(&ended);
        assert_eq!(parity["status"], "failed", "{what}: {parity}");
        let reason = parity["reason"].as_str().unwrap();
        assert!(reason.contains(said), "{what}: {reason}");
        assert!(!reason.contains("root:"), "{what}: {reason}");
    }
}

#[test]
fn little_memory_of_a_module_and_lower_limits_from_outside_are_no_missed_gate() {
    if !cfg!(feature = "score") {
        return skipped("limits", "built without the feature `score`");
    }
    let equal = |run: Runner| {
        let ended = run.run().ends_with(0);
        let parity = parity(&ended);
        assert_eq!(parity["status"], "equal", "{parity}");
    };
    let model = Graph::identity("x").bytes();
    equal(train(&model, CHECK).args(["--memory", "1MiB"]));
    // Less than the 4 GiB that are asked for.
    let mut run = train(&model, CHECK);
    let program = run.command.get_program().to_owned();
    let args: Vec<_> = run.command.get_args().map(ToOwned::to_owned).collect();
    let mut limited = Command::new("sh");
    // Whoever may raise limits would not notice.
    let weak = if rustix::process::geteuid().is_root() {
        "setpriv --bounding-set=-sys_resource"
    } else {
        ""
    };
    limited
        .args(["-c", &format!("ulimit -d 3000000 && exec {weak} \"$@\"")])
        .arg("sh")
        .arg(program)
        .args(args)
        .current_dir(run.folder.path());
    for (name, value) in run.command.get_envs() {
        limited.env(name, value.unwrap());
    }
    run.command = limited;
    equal(run);
}

#[test]
fn a_graph_without_end_meets_the_time_limit_and_misses_the_gate() {
    if !cfg!(feature = "score") {
        return skipped("endless graphs", "built without the feature `score`");
    }
    let ended = train(&Graph::endless().bytes(), CHECK)
        .args(["--timeout", "3s"])
        .run()
        .ends_with(5);
    let parity = parity(&ended);
    assert_eq!(
        parity,
        json!({"status": "failed", "reason": "it took longer than 3 s"})
    );
}

#[test]
fn a_signal_ends_a_run_at_its_gate_and_leaves_nothing() {
    if !cfg!(feature = "score") {
        return skipped("signals", "built without the feature `score`");
    }
    for (signal, status) in [("-INT", 130), ("-TERM", 143)] {
        let run = train(&Graph::endless().bytes(), CHECK);
        let mut run = run.args(["--store", "store", "--no-cache"]);
        let left = ["guest.wasm", "rows.csv"];
        support::is_stopped_while_it_scores(&mut run, signal, status, &left);
    }
}

/// The Python that `just venv` makes.
fn python(test: &str) -> Option<PathBuf> {
    let python = Path::new(&std::env::var_os("NOMAD_RUNNER_VENV")?).join("bin/python");
    let found = Command::new(&python)
        .args(["-c", "import onnx, onnxruntime"])
        .output();
    if found.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    skipped(test, "no Python with onnxruntime: run `just venv`");
    None
}

#[test]
fn tree_ensembles_of_every_mode_score_as_in_onnxruntime() {
    if !cfg!(feature = "score") {
        return skipped("ensembles", "built without the feature `score`");
    }
    let Some(python) = python("tree_ensembles_of_every_mode_score_as_in_onnxruntime") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let cases = folder.path().join("cases");
    let made = Command::new(python)
        .arg(root().join("tests/score/ensembles.py"))
        .arg(&cases)
        .status();
    assert!(made.unwrap().success());
    let mut count = 0;
    for case in std::fs::read_dir(&cases).unwrap() {
        let case = case.unwrap().path();
        let expected = read_json(&case.join("expected.json"));
        let ended = Runner::new("predict")
            .arg(case.join("model.onnx"))
            .arg("--data")
            .arg(case.join("rows.csv"))
            .run();
        if let Some(said) = expected["error"].as_str() {
            ended.ends_with(15).says([said]);
        } else {
            compare(&case, &ended.ends_with(0), &expected);
        }
        count += 1;
    }
    assert!(count > 100, "{count}");
}

fn compare(case: &Path, ended: &Ended, expected: &Value) {
    let stdout = ended.stdout();
    let mut lines = stdout.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let labels = expected["labels"].as_array().unwrap();
    let scores = expected["scores"].as_array().unwrap();
    let first = if labels.is_empty() { 1 } else { 2 };
    let mut rows = 0;
    for (row, line) in lines.enumerate() {
        let cells: Vec<&str> = line.split(',').collect();
        if let Some(label) = labels.get(row) {
            assert_eq!(
                cells[1],
                label.as_str().unwrap(),
                "{} row {row}",
                case.display()
            );
        }
        let expected = scores[row].as_array().unwrap();
        assert_eq!(
            header.len() - first - 2,
            expected.len(),
            "{}",
            case.display()
        );
        for (cell, expected) in cells[first..].iter().zip(expected) {
            // JSON has no NaN, and Python writes one all the same; no case makes any.
            let (found, expected): (f64, f64) = (cell.parse().unwrap(), expected.as_f64().unwrap());
            let within = (found - expected).abs() <= 1e-5 * expected.abs().max(1.0);
            assert!(
                within,
                "{} row {row}: {found} and {expected}",
                case.display()
            );
        }
        rows += 1;
    }
    assert_eq!(rows, scores.len());
}
