//! Which rows train and which test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::{BTreeMap, BTreeSet};

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

/// What the run warned of, by kind.
fn warned(fixture: &Fixture, kind: &str) -> Vec<String> {
    let warnings = fixture.metrics().warnings();
    let of_kind = warnings.into_iter().filter(|warning| warning.kind == kind);
    of_kind.map(|warning| warning.message).collect()
}

/// 600 rows of 50 years, each with 12 rows of 30 shops; the shop's number grows by the year in which it opened.
fn shops() -> String {
    csv("size,year,week,epoch,shop,good", 600, |row| {
        let year = row / 12;
        let size = noise(row) * 10.0;
        format!(
            "{size},{},{},{},s{},{}",
            1970 + year,
            197_001 + year * 100 + row % 12,
            1_700_000_000 + row,
            year.saturating_sub(row % 12 * 2) / 2,
            noise(row + 600) * 14.0 < size + 2.0
        )
    })
}

fn shop(split: &str) -> Fixture {
    Fixture::new("shops.csv", shops()).specification(&format!(
        "target = \"good\"\nalgorithm = \"logistic_regression\"\n[gate]\nbaseline = false\n[split]\n{split}"
    ))
}

#[test]
fn years_weeks_and_epochs_are_times() {
    for (column, least, most) in [("year", 480, 480), ("week", 480, 480), ("epoch", 350, 480)] {
        let fixture = shop(&format!("time = \"{column}\"")).trained();
        let rows = held_out(&fixture);
        // The latest fifth; single precision has epochs of two minutes.
        let first = *rows.first().unwrap();
        assert!((least..=most).contains(&first), "{column}: {first}");
        assert_eq!(rows, (first..600).collect::<Vec<_>>(), "{column}");
    }
}

#[test]
fn time_and_group_together_test_on_groups_that_are_new() {
    let fixture = shop("time = \"year\"\ngroup = \"shop\"\nvalidation = 0.2").trained();
    let data = shops();
    let cell = |row: usize, column: usize| {
        let line = data.lines().nth(row + 1).unwrap();
        line.split(',').nth(column).unwrap().to_owned()
    };
    let rows = held_out(&fixture);
    let metrics = fixture.metrics();
    let counts = metrics.rows;
    assert!((100..=160).contains(&rows.len()), "{}", rows.len());
    let began = rows.iter().map(|row| cell(*row, 1)).min().unwrap();
    let groups: BTreeSet<String> = rows.iter().map(|row| cell(*row, 4)).collect();
    for row in (0..600).filter(|row| !rows.contains(row)) {
        assert!(!groups.contains(&cell(row, 4)), "a group is in both parts");
    }
    let past = (0..600).filter(|row| cell(*row, 1) < began).count() as u64;
    let used = counts.train + counts.validation + counts.held_out;
    assert!(counts.train + counts.validation <= past);
    assert!(used < 600, "older groups go on when the new ones begin");
    let left_out = warned(&fixture, "split_left_out");
    assert!(
        left_out[0].starts_with(&format!("{} rows are neither", 600 - used)),
        "{left_out:?}"
    );
}

#[test]
fn a_split_by_an_empty_date_names_the_rows_and_the_way_out() {
    let data = csv("d,x,y", 60, |row| {
        let day = if row % 8 == 3 {
            String::new()
        } else {
            format!("2024-02-{:02}", row % 28 + 1)
        };
        format!("{day},{},{}", noise(row), row % 2)
    });
    let specification = "[gate]\nbaseline = false\n[split]\ntime = \"d\"";
    let error = Fixture::new("dates.csv", &data)
        .specification(specification)
        .refused(contract::exit::BAD_DATA);
    assert_eq!(
        error.message,
        "`d`, which split.time names, is missing in 8 rows: 4, 12, 20, 28, 36, 44, 52, 60"
    );
    let remedy = error.remedy.unwrap();
    let keep = "keep = \"d is present\"";
    assert!(remedy.contains(keep), "{remedy}");
    Fixture::new("dates.csv", &data)
        .specification(&format!("{keep}\n{specification}"))
        .trained();
}

#[test]
fn the_spread_of_the_folds_stands_beside_their_mean() {
    let metrics = fixture("folds = 4").trained().metrics();
    let means = metrics.cross_validation.unwrap();
    let names = |scores: &BTreeMap<String, f64>| scores.keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        names(&means.scores),
        names(&metrics.cross_validation_spread)
    );
    let spread = metrics.cross_validation_spread["accuracy"];
    assert!(spread > 0.0 && spread < 0.2, "{spread}");
}

#[test]
fn a_fold_without_a_class_is_an_error_that_names_class_and_folds() {
    let data = csv("x,y", 200, |row| {
        let class = match row {
            0..4 => "void",
            row if row % 2 == 0 => "won",
            _ => "lost",
        };
        format!("{},{class}", noise(row))
    });
    // One of the four is held out, three are left for five folds.
    let error = Fixture::new("rare.csv", &data)
        .specification("[split]\nfolds = 5")
        .refused(contract::exit::BAD_DATA);
    let message = error.message;
    assert!(
        message.contains("no row to test on has the class void of `y`"),
        "{message}"
    );
    assert!(
        message.starts_with("folds ") && message.contains(" of 5"),
        "{message}"
    );
    assert!(error.remedy.unwrap().contains("split.folds"));
    let chained = csv("x,day,y", 200, |row| {
        let class = if row < 60 || row % 2 == 0 {
            "lost"
        } else {
            "won"
        };
        format!("{},{row},{class}", noise(row))
    });
    let error = Fixture::new("late.csv", &chained)
        .specification("[split]\ntime = \"day\"\nfolds = 4")
        .refused(contract::exit::BAD_DATA);
    assert_eq!(
        error.message,
        "fold 1 of 4: no row to train on has the class won of `y`"
    );
}

#[test]
fn whole_groups_that_make_another_share_are_said() {
    let data = csv("x,g,y", 400, |row| {
        let group = if row < 190 { 0 } else { row % 3 + 1 };
        format!("{},g{group},{}", noise(row), noise(row + 400) > 0.5)
    });
    let split = |seed: u32| {
        let specification = format!(
            "algorithm = \"logistic_regression\"\ntarget = \"y\"\n[gate]\nbaseline = false\n[split]\ngroup = \"g\"\nseed = {seed}"
        );
        Fixture::new("groups.csv", &data)
            .specification(&specification)
            .trained()
    };
    // The large group is the first that some seed takes.
    let large = (0..20)
        .map(split)
        .find(|fixture| held_out(fixture).first() == Some(&0))
        .unwrap();
    let said = warned(&large, "split_share");
    let share = held_out(&large).len() as f64 / 4.0;
    assert_eq!(
        said,
        [format!(
            "{share:.0} % of the rows are held-out rows, where split.test asks for 20 %: rows of one group are in one part"
        )]
    );
    assert!(warned(&fixture("").trained(), "split_share").is_empty());
}

#[test]
fn a_column_of_the_split_that_stays_a_feature_is_said() {
    let by_group = warned(&fixture("group = \"customer\"").trained(), "split_feature");
    assert!(by_group[0].starts_with("customer: "), "{by_group:?}");
    assert!(
        by_group[0].contains("drop = [\"customer\"]"),
        "{by_group:?}"
    );
    let by_time = warned(&fixture("time = \"when\"").trained(), "split_feature");
    assert!(by_time[0].starts_with("when: "), "{by_time:?}");
    let dropped = Fixture::new("visits.csv", visits()).specification(
        "target = \"bought\"\ndrop = [\"customer\", \"when\"]\nalgorithm = \"logistic_regression\"\n[gate]\nbaseline = false\n[split]\ntime = \"when\"\ngroup = \"customer\"",
    );
    assert!(warned(&dropped.trained(), "split_feature").is_empty());
}

/// `copies` copies of 100 rows, `others` rows that are none, and a column of its own for each row.
fn copied(copies: u32, others: u32) -> Fixture {
    let data = csv("own,x,group,y", 100 * copies + others, |row| {
        let original = if row < 100 * copies { row % 100 } else { row };
        let x = noise(original) * 10.0;
        let cell = if original % 7 == 0 {
            String::new()
        } else {
            x.to_string()
        };
        let yes = noise(original + 5_000) * 10.0 < x;
        format!("{row},{cell},g{},{yes}", original % 3)
    });
    Fixture::new("copies.csv", data).specification(
        "target = \"y\"\ndrop = \"own\"\nalgorithm = \"logistic_regression\"\n[gate]\nbaseline = false",
    )
}

#[test]
fn held_out_rows_that_were_trained_on_are_counted_and_warned_of() {
    let all = copied(10, 0).trained();
    let rows = all.metrics().rows;
    assert_eq!(rows.duplicates, rows.held_out);
    let said = warned(&all, "duplicates");
    assert!(
        said[0].starts_with("200 of 200 held-out rows (100 %) are also among the training rows"),
        "{said:?}"
    );
    // As many as another program finds: held-out rows whose cells stand in a training row.
    let some = copied(2, 700).trained();
    let data = some.read("data/copies.csv");
    let cells = |row: usize| {
        data.lines()
            .nth(row + 1)
            .unwrap()
            .split_once(',')
            .unwrap()
            .1
    };
    let tested: BTreeSet<usize> = held_out(&some).into_iter().collect();
    let trained: BTreeSet<&str> = (0..900)
        .filter(|row| !tested.contains(row))
        .map(cells)
        .collect();
    let expected = tested.iter().filter(|row| trained.contains(cells(**row)));
    let (found, expected) = (some.metrics().rows.duplicates, expected.count() as u64);
    assert!(expected > 9);
    assert_eq!(found, expected);
}

#[test]
fn a_few_equal_rows_are_counted_and_not_warned_of() {
    let data = csv("x,y", 1_000, |row| {
        let original = if row < 20 { 0 } else { row };
        format!("{},{}", noise(original), noise(original + 5_000) > 0.5)
    });
    let fixture = Fixture::new("few.csv", data)
        .specification(
            "target = \"y\"\nalgorithm = \"logistic_regression\"\n[gate]\nbaseline = false",
        )
        .trained();
    let rows = fixture.metrics().rows;
    assert!((1..10).contains(&rows.duplicates), "{rows:?}");
    assert!(warned(&fixture, "duplicates").is_empty());
}

#[test]
fn a_seed_of_its_own_chooses_the_rows() {
    let (usual, other) = (fixture("").trained(), fixture("seed = 1").trained());
    assert_ne!(held_out(&usual), held_out(&other));
    assert_eq!(held_out(&usual), held_out(&fixture("seed = 0").trained()));
}
