//! What becomes of columns.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use contract::{FeatureKind, Metrics};
use serde_json::Value;
use support::{Fixture, csv, noise};

const SPECIFICATION: &str = "algorithm = \"logistic_regression\"\ngate.baseline = false\n";

fn train(data: &str, specification: &str) -> Fixture {
    Fixture::new("data.csv", data)
        .specification(&format!("{SPECIFICATION}{specification}"))
        .trained()
}

fn names(fixture: &Fixture) -> Vec<String> {
    let model: Value = serde_json::from_str(&fixture.read("model/model.json")).unwrap();
    model["features"]
        .as_array()
        .unwrap()
        .iter()
        .map(|feature| feature["name"].as_str().unwrap().to_owned())
        .collect()
}

fn class(row: u32) -> u8 {
    u8::from(noise(row + 5_000) > 0.6)
}

fn dates() -> String {
    csv("opened,closed,amount,heads,y", 300, |row| {
        format!(
            "2024-{:02}-{:02},2025-{:02}-{:02}T{:02}:30:00Z,{},{},{}",
            row % 12 + 1,
            row % 28 + 1,
            row * 5 % 12 + 1,
            row * 3 % 28 + 1,
            row % 24,
            noise(row),
            row % 5,
            class(row)
        )
    })
}

#[test]
fn dates_give_parts_and_differences_and_the_specification_derives_more() {
    let specification = "[derive]\n\
        open = { difference = [\"closed\", \"opened\"] }\n\
        share = { ratio = [\"amount\", \"heads\"] }\n\
        both = { sum = [\"amount\", \"heads\"] }\n";
    let fixture = train(&dates(), specification);
    assert_eq!(
        names(&fixture),
        [
            "opened",
            "opened month",
            "opened day",
            "opened weekday",
            "closed",
            "closed month",
            "closed day",
            "closed weekday",
            "closed hour",
            "amount",
            "heads",
            "both",
            "open",
            "share",
        ]
    );
    let kinds: Vec<(String, FeatureKind, u32)> = fixture
        .metrics()
        .features
        .into_iter()
        .map(|feature| (feature.name, feature.kind, feature.encoded))
        .collect();
    assert_eq!(kinds[0], ("opened".to_owned(), FeatureKind::Date, 5));
    assert_eq!(kinds[1], ("closed".to_owned(), FeatureKind::Timestamp, 6));
    // One row in five has no heads, so the ratio has an indicator.
    assert_eq!(kinds[3], ("heads".to_owned(), FeatureKind::Number, 4));
}

#[test]
fn a_dropped_column_may_still_be_a_part_of_others() {
    let fixture = train(
        &dates(),
        "drop = [\"opened\", \"closed\"]\n[derive]\nopen = { difference = [\"closed\", \"opened\"] }",
    );
    assert_eq!(names(&fixture), ["amount", "heads", "open"]);
    let metrics = fixture.metrics();
    let used: Vec<String> = metrics
        .features
        .into_iter()
        .map(|feature| feature.name)
        .collect();
    assert_eq!(used, ["opened", "closed", "amount", "heads"]);
    assert_eq!(metrics.left_out, []);
}

#[test]
fn numbers_that_single_precision_does_not_hold_are_missing_and_counted() {
    let data = csv("a,b,y", 200, |row| {
        let a = match row % 50 {
            1 => "1e60".to_owned(),
            2 => "inf".to_owned(),
            _ => noise(row).to_string(),
        };
        format!("{a},{},{}", noise(row + 300), class(row))
    });
    let fixture = train(&data, "");
    assert!(names(&fixture).contains(&"a".to_owned()));
    let metrics = fixture.metrics();
    assert_eq!(metrics.features[0].encoded, 2, "a value and an indicator");
    let warning = metrics.warnings.join(", ");
    assert!(warning.contains("a: 8 cells"), "{warning}");
}

#[test]
fn a_flag_beats_the_seed_of_the_specification() {
    let seed = |flags: &str| {
        Fixture::new("data.csv", dates())
            .specification(&format!("{SPECIFICATION}seed = 5"))
            .variable("SEED", "9")
            .variable("EPOCHS", "3")
            .variable("FLAGS", flags)
            .trained()
            .metrics()
    };
    let (flagged, specified) = (seed("SEED,EPOCHS"), seed(""));
    assert_eq!((flagged.seed, specified.seed), (Some(9), Some(5)));
    let idle = "logistic_regression has no use for epochs".to_owned();
    assert!(flagged.warnings.contains(&idle), "{:?}", flagged.warnings);
    assert!(!specified.warnings.contains(&idle));
}

#[test]
fn date_features_can_be_left_out() {
    let fixture = train(
        &dates(),
        "[features]\ndate_parts = false\ndate_differences = false",
    );
    assert_eq!(names(&fixture), ["opened", "closed", "amount", "heads"]);
}

fn leaky() -> String {
    csv("amount,stage,probability,y", 500, |row| {
        let class = class(row);
        format!(
            "{},{},{},{class}",
            noise(row),
            ["lost", "won"][usize::from(class)],
            f32::from(class) * 0.9 + noise(row + 99) * 0.05
        )
    })
}

fn reason(metrics: &Metrics, column: &str) -> String {
    metrics
        .left_out
        .iter()
        .find(|left_out| left_out.column == column)
        .map(|left_out| left_out.reason.clone())
        .unwrap_or_default()
}

#[test]
fn a_column_that_alone_tells_the_target_is_named_and_left_out_unless_allowed() {
    let metrics = train(&leaky(), "").metrics();
    for column in ["stage", "probability"] {
        let reason = reason(&metrics, column);
        assert!(
            reason.contains("alone tells the target (ROC AUC 1.0000)"),
            "{column}: {reason}"
        );
    }
    assert_eq!(metrics.features.len(), 1);
    let metrics = train(&leaky(), "allow_leaky = \"stage\"").metrics();
    assert_eq!(metrics.features.len(), 2);
    assert!(reason(&metrics, "stage").is_empty());
    assert!(
        metrics.warnings[0].contains("stage"),
        "{:?}",
        metrics.warnings
    );
    assert_eq!(metrics.held_out.scores["roc_auc"], 1.0);
}

/// `signed` is there for winners alone, though not for all, and `expected` is 0 for losers, though not for them alone:
/// each stays under the guard's bound, and both together tell the target.
fn leaks_together() -> String {
    csv("signed,expected,size,y", 1000, |row| {
        let won = noise(row) > 0.5;
        let odd = noise(row + 5000) < 0.2;
        let signed = match won && !odd {
            true => (row % 7).to_string(),
            false => String::new(),
        };
        let expected = if won || odd { 7 } else { 0 };
        let expected = if won && odd { 9 } else { expected };
        format!("{signed},{expected},{},{won}", noise(row + 99))
    })
}

#[test]
fn a_score_that_is_too_good_to_be_true_is_warned_of_unless_allowed() {
    let metrics = train(&leaks_together(), "").metrics();
    assert!(metrics.held_out.scores["roc_auc"] >= 0.999);
    let kinds = |metrics: &Metrics| -> Vec<String> {
        let warnings = metrics.warning_details.iter();
        warnings.map(|warning| warning.kind.clone()).collect()
    };
    assert_eq!(kinds(&metrics), ["too_good"], "{:?}", metrics.warnings);
    let warning = &metrics.warnings[0];
    assert!(
        warning.contains("`signed` (missing in 100 % of false, "),
        "{warning}"
    );
    assert!(
        warning.contains("drop = [") && warning.contains("\"expected\""),
        "{warning}"
    );
    let allowed = train(
        &leaks_together(),
        "allow_leaky = [\"signed\", \"expected\"]",
    )
    .metrics();
    assert!(kinds(&allowed).is_empty(), "{:?}", allowed.warnings);
    let dropped = train(&leaks_together(), "drop = [\"signed\"]").metrics();
    assert!(!kinds(&dropped).contains(&"too_good".to_owned()));
}

#[test]
fn a_class_that_is_too_rare_to_be_judged_is_named() {
    let data = csv("code,x,status", 1000, |row| {
        let status = match row {
            0..6 => "void",
            _ if noise(row) > 0.5 => "open",
            _ => "shut",
        };
        format!("{status},{},{status}", noise(row + 99))
    });
    let metrics = train(&data, "target = \"status\"").metrics();
    assert!(
        reason(&metrics, "code").contains("alone tells"),
        "{:?}",
        metrics.left_out
    );
    let warning = &metrics.warning_details[0];
    assert_eq!(warning.kind, "leakage_not_judged");
    assert!(warning.message.contains("of `void`"), "{}", warning.message);
}

#[test]
fn importances_keep_to_their_budget_most_important_columns_first() {
    // Noise, but for two columns.
    let columns: Vec<String> = (0..2000).map(|column| format!("c{column}")).collect();
    let data = csv(&format!("{},y", columns.join(",")), 500, |row| {
        let cells: Vec<String> = (0..2000)
            .map(|column| format!("{:.2}", noise(row * 2001 + column)))
            .collect();
        let y = noise(row * 2001 + 17) + noise(row * 2001 + 400) > 1.0;
        format!("{},{y}", cells.join(","))
    });
    let specification = format!("{SPECIFICATION}importance = 100\n[params]\nC = 0.01");
    let fixture = Fixture::new("data.csv", &data).specification(&specification);
    let metrics = fixture.trained().metrics();
    let warning = metrics
        .warning_details
        .iter()
        .find(|warning| warning.kind == "importance_left_out");
    assert!(warning.is_some(), "{:?}", metrics.warnings);
    assert!(metrics.importance.len() < 2000);
    let first: Vec<&str> = metrics.importance[..2]
        .iter()
        .map(|of| of.column.as_str())
        .collect();
    assert!(
        first.contains(&"c17") && first.contains(&"c400"),
        "{first:?}"
    );
}

#[test]
fn unseen_categories_and_missing_cells_are_predicted() {
    let data = csv("colour,size,y", 400, |row| {
        let colour = ["red", "green", "blue"][row as usize % 3];
        let bias = if colour == "red" { 0.4 } else { 0.0 };
        format!(
            "{colour},{},{}",
            noise(row + 70),
            u8::from(noise(row) > 0.6 - bias)
        )
    });
    for algorithm in ["logistic_regression", "random_forest"] {
        let fixture = Fixture::new("data.csv", &data)
            .specification(&format!(
                "algorithm = \"{algorithm}\"\n[gate]\nbaseline = false"
            ))
            .trained();
        let finished = fixture.predict(
            "new.csv",
            "size,colour,more\n0.5,violet,1\n,,2\n0.5,red,3\n",
        );
        assert_eq!(finished.status, 0, "{}", finished.stderr);
        let predictions = fixture.read("predictions/predictions.csv");
        assert_eq!(predictions.lines().count(), 4);
        assert!(!predictions.contains("NaN"), "{predictions}");
    }
}

#[test]
fn a_category_that_looks_like_numbers_is_the_same_in_training_and_prediction() {
    let data = csv("zip,size,y", 300, |row| {
        let zip = row % 3;
        let wins = noise(row) > if zip == 1 { 0.2 } else { 0.8 };
        format!("0{zip},{},{}", noise(row + 70), u8::from(wins))
    });
    let fixture = train(&data, "[types]\nzip = \"category\"");
    let predicted = fixture.predicted("new.csv", "zip,size\n01,0.5\n02,0.5\n");
    assert_eq!(predicted, ["1", "0"]);
}
