//! The sample of opportunities, and a public dataset of each task.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use contract::Task;
use support::{Fixture, sample};

fn specification(target: &str, algorithm: &str) -> String {
    format!("target = \"{target}\"\nalgorithm = \"{algorithm}\"\n")
}

#[test]
fn breast_cancer_is_told_from_thirty_numbers() {
    for algorithm in ["logistic_regression", "random_forest"] {
        let metrics = Fixture::of_sample("breast_cancer.csv")
            .specification(&specification("diagnosis", algorithm))
            .trained()
            .metrics();
        assert_eq!(metrics.task, Task::Binary);
        assert_eq!(metrics.features.len(), 30);
        assert!(
            metrics.held_out.scores["roc_auc"] > 0.95,
            "{algorithm}: {:?}",
            metrics.held_out
        );
        assert!(
            metrics.held_out.scores["accuracy"] > 0.9,
            "{algorithm}: {:?}",
            metrics.held_out
        );
    }
}

#[test]
fn three_wines_are_told_apart() {
    for algorithm in ["logistic_regression", "random_forest"] {
        let metrics = Fixture::of_sample("wine.csv")
            .specification(&specification("cultivar", algorithm))
            .trained()
            .metrics();
        assert_eq!(metrics.task, Task::Multiclass);
        assert_eq!(metrics.classes.len(), 3);
        assert_eq!(metrics.held_out.confusion.len(), 3);
        assert!(
            metrics.held_out.scores["accuracy"] > 0.9,
            "{algorithm}: {:?}",
            metrics.held_out
        );
    }
}

#[test]
fn the_same_table_as_parquet_gives_the_same_model() {
    let model = |file: &str| {
        Fixture::of_sample(file)
            .specification(&specification("cultivar", "logistic_regression"))
            .trained()
            .read("model/model.json")
    };
    assert_eq!(model("wine.parquet"), model("wine.csv"));
}

#[test]
fn a_damaged_parquet_file_is_bad_data_and_leaves_no_model() {
    let mut bytes = std::fs::read(sample("wine.parquet")).unwrap();
    bytes[100] ^= 0xff;
    let fixture = Fixture::new("wine.parquet", bytes);
    assert_eq!(fixture.train().status, 4);
    let error = fixture.error();
    assert!(
        error.message.starts_with("the Parquet file is damaged"),
        "{error:?}"
    );
    assert!(error.message.ends_with("in row group 1"), "{error:?}");
    assert_eq!(error.column.as_deref(), Some("alcohol"));
    assert!(error.remedy.is_some());
    assert_eq!(fixture.files("model"), ["error.json"]);
}

#[test]
fn the_progression_of_diabetes_is_predicted_better_than_by_its_mean() {
    let metrics = Fixture::of_sample("diabetes.csv")
        .specification(&specification("progression", "random_forest"))
        .trained()
        .metrics();
    assert_eq!(metrics.task, Task::Regression);
    assert_eq!(metrics.features.len(), 10);
    assert!(
        metrics.held_out.scores["r2"] > 0.3,
        "{:?}",
        metrics.held_out
    );
    assert_eq!(metrics.primary.name, "rmse");
    assert!(metrics.held_out.scores["rmse"] < metrics.baseline.scores["rmse"]);
    assert!(metrics.gates[0].met);
    // What matters most in this dataset is known: body mass and blood sugar (s5).
    let first: Vec<&str> = metrics.importance[..2]
        .iter()
        .map(|importance| importance.column.as_str())
        .collect();
    assert!(first.contains(&"bmi") && first.contains(&"s5"), "{first:?}");
}

#[test]
fn opportunities_are_trained_on_as_their_specification_says() {
    let specification = std::fs::read_to_string(sample("pipeline.toml")).unwrap();
    let fixture = Fixture::of_sample("opportunityHistory.json")
        .specification(&specification)
        .trained();
    let metrics = fixture.metrics();
    assert_eq!(metrics.target.as_deref(), Some("IsWon"));
    assert!(
        metrics.rows.kept < metrics.rows.read,
        "open ones say nothing yet"
    );
    assert!(
        metrics.held_out.scores["roc_auc"] > 0.7,
        "{:?}",
        metrics.held_out
    );
    for leak in ["Probability", "StageName"] {
        assert!(
            metrics.features.iter().all(|feature| feature.name != leak),
            "{leak}"
        );
    }
}

#[test]
fn leaks_of_the_sample_are_found_without_being_named() {
    let metrics = Fixture::of_sample("opportunityHistory.json")
        .specification("keep = \"IsClosed = true\"\n")
        .trained()
        .metrics();
    for leak in ["Probability", "StageName"] {
        let reason = metrics
            .left_out
            .iter()
            .find(|left_out| left_out.column == leak)
            .map(|left_out| left_out.reason.as_str())
            .unwrap_or_default();
        assert!(
            reason.contains("alone tells the target"),
            "{leak}: {reason}"
        );
    }
}
