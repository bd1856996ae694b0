//! The line from a dataset to a model and its predictions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeMap;

use contract::{Check, CheckValues, Task};
use support::{Fixture, csv, noise};

/// Deals that are won more often when they are large or come from a partner, with gaps.
fn deals() -> String {
    csv(
        "Id,Amount,Source,IsPartner,Notes,Region,IsWon",
        600,
        |row| {
            let amount = noise(row) * 100.0;
            let source = ["web", "partner", "event"][(noise(row + 1_000) * 3.0) as usize];
            let chance = amount / 150.0 + if source == "partner" { 0.3 } else { 0.0 };
            format!(
                "006Q{row:014},{},{},{},Call {row} again at noon,EMEA,{}",
                if row % 17 == 3 {
                    String::new()
                } else {
                    amount.to_string()
                },
                if row % 23 == 5 { "" } else { source },
                noise(row + 2_000) > 0.5,
                noise(row + 3_000) < chance
            )
        },
    )
}

fn rows_of(csv: &str) -> Vec<Vec<String>> {
    csv.lines()
        .map(|line| line.split(',').map(str::to_owned).collect())
        .collect()
}

#[test]
fn a_dataset_alone_is_enough_for_a_model() {
    let fixture = Fixture::new("deals.csv", deals());
    let finished = fixture.train();
    assert_eq!(finished.status, 0, "{}", finished.stderr);
    assert_eq!(
        fixture.files("model"),
        [
            "check.json",
            "metrics.json",
            "model.json",
            "model.onnx",
            "predictions.txt"
        ]
    );
    let metrics = fixture.metrics();
    assert_eq!(metrics.task, Task::Binary);
    assert_eq!(metrics.target.as_deref(), Some("IsWon"));
    assert_eq!(metrics.classes, ["false", "true"]);
    assert_eq!(metrics.positive.as_deref(), Some("true"));
    assert_eq!(metrics.rows.read, 600);
    assert_eq!(metrics.rows.train + metrics.rows.held_out, 600);
    assert_eq!(metrics.rows.held_out, 120);
    let used: Vec<&str> = metrics
        .features
        .iter()
        .map(|feature| feature.name.as_str())
        .collect();
    assert_eq!(used, ["Amount", "Source", "IsPartner"]);
    let left_out: BTreeMap<&str, &str> = metrics
        .left_out
        .iter()
        .map(|column| (column.column.as_str(), column.reason.as_str()))
        .collect();
    assert_eq!(left_out["Region"], "constant: always EMEA");
    assert!(left_out["Id"].starts_with("an id"), "{left_out:?}");
    assert!(left_out["Notes"].starts_with("free text"), "{left_out:?}");
    assert!(metrics.held_out.scores["roc_auc"] > 0.6);
    assert_eq!(metrics.baseline.scores["roc_auc"], 0.5);
    assert_eq!(metrics.primary.name, "roc_auc");
    assert!(metrics.gates.iter().all(|gate| gate.met));
    assert_eq!(metrics.importance.len(), 3);
    // Of a random forest: what splits by Amount, Source and IsPartner gained.
    assert_eq!(metrics.impurity_importance.len(), 3);
    let shares = metrics.impurity_importance.iter();
    let total: f64 = shares.map(|share| share.importance).sum();
    assert!((total - 1.0).abs() < 1e-9, "{total}");
    for said in [
        "target IsWon",
        "left out Region",
        "read 600 rows x 7 columns",
        "held out: roc_auc",
    ] {
        assert!(
            finished.stderr.contains(said),
            "{said}: {}",
            finished.stderr
        );
    }
}

#[test]
fn predict_on_the_held_out_rows_gives_what_train_wrote_of_them() {
    for algorithm in ["logistic_regression", "random_forest", "gradient_boosting"] {
        let fixture = Fixture::new("deals.csv", deals())
            .specification(&format!("algorithm = \"{algorithm}\""))
            .trained();
        let written = rows_of(&fixture.read("model/predictions.txt"));
        assert_eq!(
            written[0],
            ["row", "actual", "predicted", "p_false", "p_true"]
        );
        let data = deals();
        let lines: Vec<&str> = data.lines().collect();
        let mut rows = format!("{}\n", lines[0]);
        for held_out in &written[1..] {
            let row: usize = held_out[0].parse().unwrap();
            // Without the target, which is not known yet.
            let (columns, _) = lines[row].rsplit_once(',').unwrap();
            rows.push_str(&format!("{columns},\n"));
        }
        let finished = fixture.predict("new.csv", rows);
        assert_eq!(finished.status, 0, "{}", finished.stderr);
        assert_eq!(
            fixture.files("predictions"),
            ["predictions.csv", "warnings.json"]
        );
        let predicted = rows_of(&fixture.read("predictions/predictions.csv"));
        assert_eq!(predicted.len(), written.len());
        assert_eq!(predicted[0], ["row", "predicted", "p_false", "p_true"]);
        for (held_out, predicted) in written[1..].iter().zip(&predicted[1..]) {
            assert_eq!(held_out[2..], predicted[1..]);
        }
    }
}

#[test]
fn equal_inputs_give_equal_bytes_and_another_seed_another_model_tested_on_the_same_rows() {
    let train = |seed: &str| {
        Fixture::new("deals.csv", deals())
            .variable("SEED", seed)
            .trained()
    };
    let (first, again, other) = (train("1"), train("1"), train("2"));
    for file in first.files("model") {
        let path = format!("model/{file}");
        assert_eq!(first.bytes(&path), again.bytes(&path), "{file}");
    }
    assert_ne!(
        first.read("model/model.json"),
        other.read("model/model.json")
    );
    let tested = |fixture: &Fixture| -> Vec<String> {
        rows_of(&fixture.read("model/predictions.txt"))
            .into_iter()
            .map(|row| format!("{} {}", row[0], row[1]))
            .collect()
    };
    assert_eq!(tested(&first), tested(&other));
    for file in first.files("model") {
        let bytes = first.bytes(&format!("model/{file}"));
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("some-allocation"), "{file} names the run");
    }
}

#[test]
fn a_missed_gate_leaves_the_model_and_says_which_gate() {
    let fixture =
        Fixture::new("deals.csv", deals()).specification("[gate]\nroc_auc = 0.999\naccuracy = 0.1");
    let finished = fixture.train();
    assert_eq!(finished.status, 5, "{}", finished.stderr);
    assert_eq!(
        fixture.files("model"),
        [
            "check.json",
            "error.json",
            "metrics.json",
            "model.json",
            "model.onnx",
            "predictions.txt"
        ]
    );
    let error = fixture.error();
    assert!(error.message.contains("roc_auc"), "{}", error.message);
    assert!(!error.message.contains("accuracy"), "{}", error.message);
    let verdicts: Vec<(String, bool)> = fixture
        .metrics()
        .gates
        .into_iter()
        .map(|gate| (gate.metric, gate.met))
        .collect();
    assert_eq!(
        verdicts,
        [("accuracy".to_owned(), true), ("roc_auc".to_owned(), false)]
    );
}

#[test]
fn a_target_of_chance_misses_the_default_gate() {
    let data = csv("a,b,y", 400, |row| {
        format!("{},{},{}", noise(row), noise(row + 500), row % 2)
    });
    let finished = Fixture::new("chance.csv", data)
        .specification("algorithm = \"logistic_regression\"\n[split]\nseed = 4")
        .train();
    assert_eq!(finished.status, 5, "{}", finished.stderr);
}

#[test]
fn the_check_holds_raw_held_out_rows_and_what_the_model_says_of_them() {
    let fixture = Fixture::new("deals.csv", deals()).trained();
    let check: Check = serde_json::from_str(&fixture.read("model/check.json")).unwrap();
    let written = rows_of(&fixture.read("model/predictions.txt"));
    assert_eq!(check.labels.len(), written.len() - 1);
    let names: Vec<&str> = check
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    assert_eq!(names, ["Amount", "Source", "IsPartner"]);
    let CheckValues::Text(sources) = &check.columns[1].values else {
        panic!("categories are text")
    };
    let data = deals();
    let lines: Vec<&str> = data.lines().collect();
    for (index, held_out) in written[1..].iter().enumerate() {
        let row: usize = held_out[0].parse().unwrap();
        let source = lines[row].split(',').nth(2).unwrap();
        assert_eq!(sources[index].as_deref().unwrap_or_default(), source);
        assert_eq!(check.labels[index], held_out[2]);
        assert_eq!(check.probabilities[index][1].to_string(), held_out[4]);
    }
}
