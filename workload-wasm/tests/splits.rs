//! Which rows train and which test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeSet;

use support::{Fixture, csv, noise};

/// 400 visits over 100 days of 40 customers; one in five buys.
fn visits() -> String {
    csv("pages,when,customer,bought", 400, |row| {
        let pages = noise(row) * 10.0;
        let day = row / 4;
        format!(
            "{pages},2024-{:02}-{:02},c{},{}",
            day / 28 + 1,
            day % 28 + 1,
            row * 7 % 40,
            noise(row + 600) * 14.0 < pages - 4.0
        )
    })
}

fn fixture(split: &str) -> Fixture {
    Fixture::new("visits.csv", visits()).specification(&format!(
        "target = \"bought\"\nalgorithm = \"logistic_regression\"\n[gate]\nbaseline = false\n[split]\n{split}"
    ))
}

/// The held-out rows, from 0.
fn held_out(fixture: &Fixture) -> Vec<usize> {
    fixture
        .read("model/predictions.txt")
        .lines()
        .skip(1)
        .map(|line| line.split(',').next().unwrap().parse::<usize>().unwrap() - 1)
        .collect()
}

fn cell(row: usize, column: usize) -> String {
    let data = visits();
    let line = data.lines().nth(row + 1).unwrap();
    line.split(',').nth(column).unwrap().to_owned()
}

#[test]
fn a_stratified_split_holds_out_a_fifth_of_each_class() {
    let fixture = fixture("").trained();
    let rows = held_out(&fixture);
    let bought = |rows: &[usize]| rows.iter().filter(|row| cell(**row, 3) == "true").count();
    let all: Vec<usize> = (0..400).collect();
    let expected = |count: usize| (count as f64 / 5.0).round() as usize;
    assert_eq!(bought(&rows), expected(bought(&all)));
    assert_eq!(rows.len() - bought(&rows), expected(400 - bought(&all)));
}

#[test]
fn a_split_by_time_trains_on_the_past_and_tests_on_the_future() {
    let fixture = fixture("time = \"when\"").trained();
    let rows: BTreeSet<usize> = held_out(&fixture).into_iter().collect();
    assert!((80..=84).contains(&rows.len()));
    let first = rows.iter().map(|row| cell(*row, 1)).min().unwrap();
    let trained = (0..400).filter(|row| !rows.contains(row));
    assert!(trained.map(|row| cell(row, 1)).max().unwrap() < first);
}

#[test]
fn a_split_by_group_keeps_each_group_in_one_part() {
    let fixture = fixture("group = \"customer\"").trained();
    let rows: BTreeSet<usize> = held_out(&fixture).into_iter().collect();
    assert!((80..=100).contains(&rows.len()), "{}", rows.len());
    let customers = |rows: &mut dyn Iterator<Item = usize>| -> BTreeSet<String> {
        rows.map(|row| cell(row, 2)).collect()
    };
    let tested = customers(&mut rows.iter().copied());
    let trained = customers(&mut (0..400).filter(|row| !rows.contains(row)));
    assert!(tested.is_disjoint(&trained));
    assert_eq!(tested.len() + trained.len(), 40);
}

#[test]
fn validation_rows_and_folds_are_scored_beside_the_test() {
    for way in [
        "",
        "method = \"random\"\n",
        "time = \"when\"\n",
        "group = \"customer\"\n",
    ] {
        let metrics = fixture(&format!("{way}validation = 0.25\nfolds = 4"))
            .trained()
            .metrics();
        assert_eq!(
            metrics.rows.train + metrics.rows.validation + metrics.rows.held_out,
            400
        );
        assert!((70..=100).contains(&metrics.rows.validation), "{way}");
        let validation = metrics.validation.unwrap();
        assert_eq!(
            metrics.primary.validation,
            Some(validation.scores["roc_auc"])
        );
        let folds = metrics.cross_validation.unwrap();
        assert!(folds.scores["roc_auc"] > 0.6, "{way}: {folds:?}");
    }
}

#[test]
fn folds_alone_are_what_versions_are_chosen_by() {
    let metrics = fixture("folds = 3").trained().metrics();
    assert_eq!(
        metrics.primary.validation,
        Some(metrics.cross_validation.unwrap().scores["roc_auc"])
    );
}

#[test]
fn a_seed_of_its_own_chooses_the_rows() {
    let (usual, other) = (fixture("").trained(), fixture("seed = 1").trained());
    assert_ne!(held_out(&usual), held_out(&other));
    assert_eq!(held_out(&usual), held_out(&fixture("seed = 0").trained()));
}
