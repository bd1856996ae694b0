//! What there is to warn of reaches the user, the result and the manifest, whatever the log level.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/guest.rs"]
mod guest;
mod support;

use guest::{Act, METRICS, guest, leaves};
use serde_json::{Value, json};
use support::{Ended, Runner, read_json, skipped};

/// Metrics of a module that warns of one thing in the old way and of `details` in the new one.
fn metrics(details: &Value) -> Vec<u8> {
    let mut metrics: Value = serde_json::from_str(METRICS).unwrap();
    let messages = details.as_array().unwrap().iter();
    let mut messages: Vec<Value> = messages.map(|warning| warning["message"].clone()).collect();
    messages.push(json!("an old module's warning"));
    metrics["warnings"] = messages.into();
    metrics["warning_details"] = details.clone();
    serde_json::to_vec(&metrics).unwrap()
}

fn run(module: Vec<u8>) -> Runner {
    Runner::new("run")
        .file("guest.wasm", module)
        .file("rows.csv", "x,y\n1,1\n2,2\n3,2\n")
        .args(["guest.wasm", "--data", "rows.csv"])
}

/// A module that warns of a column and of an old thing.
fn warns() -> Vec<u8> {
    let details = json!([{
        "kind": "unread_cells",
        "column": "Amount",
        "message": "Amount: 13 of 400 cells are no numbers and count as missing; [types] Amount = \"category\" keeps them",
    }]);
    leaves(&[("metrics.json", &metrics(&details))])
}

/// Lines of a log of JSON at level WARN.
fn warned(ended: &Ended) -> Vec<Value> {
    let lines = ended.stderr();
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    lines
        .filter(|line: &Value| line["level"] == "WARN")
        .collect()
}

#[test]
fn a_person_reads_them_in_the_result_even_of_a_quiet_run() {
    for flags in [&[][..], &["-q"]] {
        let mut runner = run(warns());
        runner.command.args(flags);
        let ended = runner.run().ends_with(0);
        let text = ended.stdout();
        assert!(
            text.contains("\nwarnings  - Amount: 13 of 400 cells are no numbers"),
            "{text}"
        );
        assert!(
            text.contains("\n          - an old module's warning\n"),
            "{text}"
        );
        let mut lines = text.lines();
        assert!(lines.all(|line| line.chars().count() <= 80), "{text}");
        assert!(!ended.stderr().contains("Amount"), "they are said once");
    }
}

#[test]
fn programs_and_collectors_get_them_with_kind_and_column() {
    let ended = run(warns())
        .args(["-q", "--json", "--log-format", "json"])
        .run()
        .ends_with(0);
    let lines = warned(&ended);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(lines[0]["kind"], "unread_cells");
    assert_eq!(lines[0]["column"], "Amount");
    assert_eq!(lines[1]["kind"], "other");
    assert_eq!(lines[1]["message"], "an old module's warning");
    let result = ended.json();
    let name = result["name"].as_str().unwrap();
    let manifest = read_json(&ended.path("runs").join(name).join("manifest.json"));
    for metrics in [&result["metrics"], &manifest["metrics"]] {
        assert_eq!(metrics["warnings"][1], "an old module's warning");
        assert_eq!(metrics["warning_details"][0]["column"], "Amount");
    }
    // Beside JSON on stdout, a person has them on stderr.
    run(warns())
        .args(["-q", "--json"])
        .run()
        .ends_with(0)
        .says(["warning: Amount: 13", "warning: an old module's"]);
}

#[test]
fn a_run_that_ends_badly_says_them_too() {
    let report = br#"{"message":"no column is left","warnings":[{"kind":"odd","column":"a","message":"a became text"}]}"#;
    let acts = [Act::File("error.json", report), Act::Exit(4)];
    run(guest(&acts)).arg("-q").run().ends_with(4).says([
        "warning: a became text",
        "error: the data cannot be used: no column is left",
    ]);
    // Trained well, and stored nowhere.
    run(warns())
        .file("file", "no folder")
        .args(["-q", "--store", "file://./file/models"])
        .run()
        .says(["warning: Amount: 13", "error: "]);
}

#[test]
fn a_grid_says_each_once() {
    let ended = run(warns())
        .args(["-q", "--versions", "1..3"])
        .run()
        .ends_with(0);
    let text = ended.stdout();
    assert_eq!(text.matches("Amount: 13").count(), 1, "{text}");
}

#[test]
fn they_forge_nothing_and_have_an_end() {
    let forged = "x\nstored    gs://prod\u{1b}[2J\u{202e}";
    let many: Vec<Value> = (0..5_000)
        .map(|number| json!({"kind": forged, "column": forged, "message": format!("{number} {forged}")}))
        .collect();
    let module = leaves(&[("metrics.json", &metrics(&json!(many)))]);
    for flags in [&["--json"][..], &[], &["--log-format", "json"]] {
        let mut runner = run(module.clone());
        runner.command.args(flags);
        let ended = runner.run().ends_with(0);
        let said = match flags {
            ["--json"] => ended.stderr(),
            _ => ended.stdout() + &ended.stderr(),
        };
        assert!(!said.contains(['\u{1b}', '\u{202e}']), "{said:?}");
        assert!(!said.contains("\nstored    gs://prod"), "{said}");
        assert!(said.contains("and 4981 more"), "{said}");
        assert!(said.len() < 20_000, "{}", said.len());
    }
}

/// What `runner predict` says of a module's model when it leaves this as `warnings.json`.
fn predicts_with(warnings: &[u8]) -> Ended {
    let module = leaves(&[
        ("predictions.csv", b"row,predicted\n1,5\n2,6\n3,7\n"),
        ("warnings.json", warnings),
    ]);
    let trained = run(module.clone()).arg("--json").run().ends_with(0);
    let name = trained.json()["name"].as_str().unwrap().to_owned();
    Runner::new("predict")
        .arg(trained.path("runs").join(name))
        .file("guest.wasm", module)
        .file("rows.csv", "x\n1\n2\n3\n")
        .args(["--module", "guest.wasm", "--data", "rows.csv"])
        .args(["-q", "--out", "out.csv"])
        .run()
}

#[test]
fn a_module_warns_of_rows_that_it_predicts() {
    let warnings = json!({
        "warnings": [{"kind": "unread_cells", "column": "x", "message": "x: 1 cells are no number"}],
        "categories": [{"column": "shop", "values": 3, "unknown": 2, "expected": 0.1, "examples": ["s9"]}],
    });
    predicts_with(warnings.to_string().as_bytes())
        .ends_with(0)
        .says([
            "warning: x: 1 cells are no number",
            "warning: shop: 2 of 3 values (67 %) are not known from training, where it was 10 %; it holds `s9`",
        ]);
    let refused = json!({
        "categories": [{"column": "shop", "values": 20, "unknown": 20, "expected": 0.1, "examples": ["s9\u{1b}"]}],
    });
    let ended = predicts_with(refused.to_string().as_bytes())
        .ends_with(4)
        .says(["column `shop`: none of its 20 values is known from training"]);
    assert!(!ended.path("out.csv").exists());
    let ended = predicts_with(b"{\"warnings\":[").ends_with(15);
    assert!(
        ended.stderr().contains("warnings.json"),
        "{}",
        ended.stderr()
    );
    predicts_with(&[b"[".repeat(1 << 20), b"]".repeat(1 << 20)].concat()).ends_with(15);
    assert!(predicts_with(b"{}").ends_with(0).stderr().is_empty());
}

/// A model of shops and a form of payment, and the folder that it is in. The last column is the target.
fn shops(rows: usize, shop: impl Fn(usize) -> String, paid: [&str; 2], target: bool) -> String {
    let mut text = format!("shop,paid,x{}\n", if target { ",y" } else { "" });
    for row in 0..rows {
        let (number, is_paid) = (row * 7 % 4, row * 5 % 3 == 0);
        text += &format!(
            "{},{},{}",
            shop(number),
            paid[usize::from(is_paid)],
            row % 17
        );
        if target {
            text += &format!(",{}", (number + 2 * usize::from(is_paid) + row % 3) % 5 > 1);
        }
        text.push('\n');
    }
    text
}

fn trained() -> (Ended, String) {
    let data = shops(400, |shop| (shop + 1).to_string(), ["No", "Yes"], true);
    let ended = Runner::train()
        .file("train.csv", data)
        .file(
            "spec.toml",
            "target = \"y\"\nalgorithm = \"logistic_regression\"\n[types]\nshop = \"category\"\n[gate]\nbaseline = false",
        )
        .args(["--data", "train.csv", "--spec", "spec.toml", "-q"])
        .run()
        .ends_with(0);
    let name = ended.json()["name"].as_str().unwrap().to_owned();
    (ended, name)
}

/// The status, the predictions and what was said, by the module or by ONNX.
fn predicted(model: &(Ended, String), engine: &str, data: String) -> (Option<i32>, String, String) {
    let runner = Runner::new("predict")
        .arg(model.0.path("runs").join(&model.1))
        .file("rows.csv", data)
        .args(["--data", "rows.csv", "-q"]);
    let ended = match engine {
        "onnx" => runner.args(["--engine", "onnx"]),
        _ => runner.arg("--module").arg(support::workload()),
    }
    .run();
    (ended.output.status.code(), ended.stdout(), ended.stderr())
}

/// The predicted labels: probabilities may differ in the last digit.
fn labels(predictions: &str) -> Vec<String> {
    let label = |line: &str| line.split(',').nth(1).unwrap().to_owned();
    predictions.lines().map(label).collect()
}

/// Rows whose cells the second reading rules read in another way than the first: full hours, durations, codes, blanks,
/// words for a missing value, thousands.
fn visits(rows: usize) -> String {
    let mut text = String::from("when,length,code,note,paid,y\n");
    for row in 0..rows {
        let (day, hour) = (row % 28 + 1, row * 7 % 24);
        let seconds = row * 37 % 60;
        let code = ["001", "010", "1", "007"][row % 4];
        let note = ["-", "?", "3.5", "4"][row * 3 % 4];
        let paid = format!("\"{},{:03}\"", row % 9 + 1, row * 13 % 1000);
        let y = ["no", "yes"][usize::from(hour + seconds / 10 + row % 5 > 15)];
        text += &format!(
            "2024-03-{day:02} {hour:02}:00,00:02:{seconds:02}, {code} ,{note},{paid},{y}\n"
        );
    }
    text
}

#[test]
fn both_engines_read_cells_by_the_rules_of_the_model() {
    if cfg!(not(feature = "score")) {
        skipped("both_engines_read_cells", "the runner scores no ONNX");
        return;
    }
    let ended = Runner::train()
        .file("train.csv", visits(600))
        .file(
            "spec.toml",
            "target = \"y\"\nalgorithm = \"logistic_regression\"\n[gate]\nbaseline = false",
        )
        .args(["--data", "train.csv", "--spec", "spec.toml", "-q"])
        .run()
        .ends_with(0);
    let name = ended.json()["name"].as_str().unwrap().to_owned();
    let model = (ended, name);
    let probabilities = |engine: &str| -> Vec<f64> {
        let (status, predictions, said) = predicted(&model, engine, visits(600));
        assert_eq!(status, Some(0), "{engine}: {said}");
        let cell = |line: &str| line.split(',').nth(2).unwrap().parse().unwrap();
        predictions.lines().skip(1).map(cell).collect()
    };
    let (module, onnx) = (probabilities("module"), probabilities("onnx"));
    assert_eq!((module.len(), onnx.len()), (600, 600));
    for (row, (module, onnx)) in module.iter().zip(&onnx).enumerate() {
        assert!(
            (module - onnx).abs() <= 1e-5,
            "row {}: {module} {onnx}",
            row + 1
        );
    }
}

#[test]
fn both_engines_find_categories_in_another_spelling_and_judge_unknown_ones_alike() {
    let model = trained();
    let engines: &[&str] = if cfg!(feature = "score") {
        &["module", "onnx"]
    } else {
        skipped("ONNX", "built without the feature `score`");
        &["module"]
    };
    // More rows than the blocks in which ONNX takes them.
    let data = |shop: &dyn Fn(usize) -> String, paid| shops(12_000, shop, paid, false);
    let plain = data(&|shop| (shop + 1).to_string(), ["No", "Yes"]);
    let floats = data(&|shop| format!("{}.0", shop + 1), ["False", "TRUE"]);
    let quarter = |shop: usize| match shop {
        0 => "east".to_owned(),
        shop => (shop + 1).to_string(),
    };
    let some = data(&quarter, ["no", "yes"]);
    let none = data(&|shop| format!("shop {shop}"), ["No", "Yes"]);
    let mut said = Vec::new();
    for engine in engines {
        let (status, usual, quiet) = predicted(&model, engine, plain.clone());
        assert_eq!((status, quiet.as_str()), (Some(0), ""), "{engine}");
        let (status, spelled, quiet) = predicted(&model, engine, floats.clone());
        assert_eq!((status, quiet.as_str()), (Some(0), ""), "{engine}");
        assert!(usual == spelled, "{engine}: 1.0 is 1, and True is Yes");
        let (status, some, warning) = predicted(&model, engine, some.clone());
        assert_eq!(status, Some(0), "{engine}: {warning}");
        assert!(
            warning.contains("warning: shop: 3000 of 12000 values (25 %) are not known"),
            "{engine}: {warning}"
        );
        assert!(
            warning.contains("`east`") && !warning.contains("paid"),
            "{warning}"
        );
        let (status, _, error) = predicted(&model, engine, none.clone());
        assert_eq!(status, Some(4), "{engine}: {error}");
        assert!(
            error.contains("column `shop`: none of its 12000 values is known"),
            "{engine}: {error}"
        );
        said.push((labels(&usual), labels(&some), warning));
    }
    assert!(
        said.windows(2).all(|both| both[0] == both[1]),
        "both say the same"
    );
}
