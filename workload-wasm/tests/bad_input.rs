//! Bad input ends with an error that names what is wrong, where, and what to do, and leaves nothing half-written.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::Write;

use contract::{ErrorReport, exit};
use flate2::Compression;
use flate2::write::GzEncoder;
use support::{Fixture, csv, noise};

fn data(text: impl AsRef<[u8]>) -> ErrorReport {
    Fixture::new("data.csv", text).refused(exit::BAD_DATA)
}

fn specified(specification: &str) -> ErrorReport {
    let data = csv("a,b,when,y", 100, |row| {
        format!(
            "{},{},2024-01-{:02},{}",
            noise(row),
            ["x", "z"][row as usize % 2],
            row % 28 + 1,
            row % 2
        )
    });
    Fixture::new("data.csv", data)
        .specification(specification)
        .refused(exit::BAD_SPECIFICATION)
}

fn with_target(target: impl Fn(u32) -> String) -> String {
    csv("a,b,y", 60, |row| {
        format!("{},{},{}", noise(row), noise(row + 100), target(row))
    })
}

#[track_caller]
fn says(error: &ErrorReport, message: &str, remedy: &str) {
    assert!(error.message.contains(message), "{error:?}");
    assert!(
        error.remedy.as_deref().unwrap().contains(remedy),
        "{error:?}"
    );
}

#[test]
fn an_empty_file() {
    says(&data(""), "empty", "");
}

#[test]
fn a_header_without_rows() {
    says(&data("a,b,y\n"), "no rows", "");
}

#[test]
fn a_ragged_row() {
    let error = data("a,b,y\n1,2,0\n1,2\n");
    says(&error, "2 cells, the header 3", "separator");
    assert_eq!(error.row, Some(2));
}

#[test]
fn two_columns_of_one_name() {
    let error = data("a,y,a\n1,2,0\n");
    says(&error, "two columns have this name", "rename");
    assert_eq!(error.column.as_deref(), Some("a"));
}

#[test]
fn what_is_no_utf_8() {
    let error = data(b"a,b,y\n1,x,0\n1,\xff\xfe,1\n");
    says(&error, "not UTF-8", "UTF-8");
    assert_eq!(error.row, Some(2));
}

#[test]
fn a_line_of_20_megabytes() {
    let error = data(format!("a,b,y\n1,{},0\n", "x".repeat(20_000_000)));
    says(&error, "longer than", "quote");
    assert_eq!(error.row, Some(1));
}

#[test]
fn json_10_000_deep() {
    let error = data(format!("[{{\"a\":{}", "[".repeat(10_000)));
    says(&error, "levels deep", "");
}

#[test]
fn a_gzip_file_that_ends_early() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let text = csv("a,y", 5_000, |row| format!("{},{}", noise(row), row % 2));
    encoder.write_all(text.as_bytes()).unwrap();
    let whole = encoder.finish().unwrap();
    let error = Fixture::new("data.csv.gz", &whole[..whole.len() / 2]).refused(exit::BAD_DATA);
    says(&error, "ends early", "again");
}

#[test]
fn a_gzip_bomb() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(b"a,y\n").unwrap();
    let block = b"0,1\n".repeat(1 << 18);
    for _ in 0..400 {
        encoder.write_all(&block).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    let error = Fixture::new("data.csv.gz", bomb).refused(exit::BAD_DATA);
    says(&error, "bytes for each of its own", "gzip bomb");
}

#[test]
fn no_target() {
    let error = data(csv("a,b", 50, |row| format!("{},{row}", noise(row))));
    says(&error, "no target", "target = ");
    assert!(error.remedy.unwrap().contains("a, b"));
}

#[test]
fn a_target_that_is_missing_everywhere() {
    let data = csv("a,y,z", 50, |row| format!("{},,1", noise(row)));
    let error = Fixture::new("data.csv", data)
        .specification("target = \"y\"")
        .refused(exit::BAD_DATA);
    says(&error, "missing in every row", "another target");
    assert_eq!(error.column.as_deref(), Some("y"));
}

#[test]
fn a_target_of_one_class() {
    let error = data(with_target(|_| "true".to_owned()));
    says(&error, "`y` is true in every row", "in which it differs");
    assert_eq!(error.column.as_deref(), Some("y"));
}

#[test]
fn a_target_of_100_000_categories() {
    let data = csv("a,y", 100_000, |row| format!("{},c{row}", row % 7));
    let error = Fixture::new("data.csv", data)
        .specification("target = \"y\"")
        .refused(exit::BAD_DATA);
    says(&error, "100000 classes, more than 200", "another target");
    assert_eq!(error.column.as_deref(), Some("y"));
}

#[test]
fn a_column_of_100_000_categories_is_left_out_or_capped_when_the_specification_wants_it() {
    let data = csv("a,code,y", 200_000, |row| {
        let a = noise(row);
        format!("{a},c{},{}", row / 2, u8::from(noise(row + 9) < a))
    });
    let metrics = Fixture::new("data.csv", &data)
        .specification("algorithm = \"logistic_regression\"\nimportance = 0")
        .trained()
        .metrics();
    assert_eq!(metrics.left_out[0].column, "code");
    // Of the training rows, which have nearly all of them.
    assert!(
        metrics.left_out[0]
            .reason
            .contains("95972 distinct values in 160000 rows"),
        "{:?}",
        metrics.left_out
    );
    let metrics = Fixture::new("data.csv", &data)
        .specification(
            "algorithm = \"logistic_regression\"\nimportance = 0\n[types]\ncode = \"category\"",
        )
        .trained()
        .metrics();
    assert_eq!(metrics.features[1].name, "code");
    assert_eq!(metrics.features[1].encoded, 21);
}

#[test]
fn a_target_of_text_where_a_number_is_asked_for() {
    let data = csv("a,y", 50, |row| {
        format!("{},{}", noise(row), ["low", "high"][row as usize % 2])
    });
    let error = Fixture::new("data.csv", data)
        .specification("task = \"regression\"")
        .refused(exit::BAD_DATA);
    says(&error, "no numbers: `low`", "classification");
    assert_eq!((error.row, error.column.as_deref()), (Some(1), Some("y")));
}

#[test]
fn a_type_that_no_cell_has() {
    let data = csv("a,level,y", 50, |row| {
        format!(
            "{},{},{}",
            noise(row),
            ["low", "high"][row as usize % 2],
            row % 2
        )
    });
    let error = Fixture::new("data.csv", data)
        .specification("[types]\nlevel = \"number\"")
        .refused(exit::BAD_DATA);
    says(&error, "`low`", "[types]");
    assert_eq!(
        (error.row, error.column.as_deref()),
        (Some(1), Some("level"))
    );
}

#[test]
fn fewer_rows_than_folds() {
    let data = csv("a,y", 12, |row| format!("{},{}", noise(row), row % 2));
    let error = Fixture::new("data.csv", data)
        .specification("[split]\nfolds = 20")
        .refused(exit::BAD_DATA);
    says(&error, "10 rows are too few for 20 folds", "split.folds");
}

#[test]
fn too_few_rows_to_split() {
    let error = data("a,y\n1,0\n2,1\n");
    says(&error, "too few", "more rows");
}

#[test]
fn a_class_that_only_the_held_out_rows_have() {
    let data = csv("a,when,y", 100, |row| {
        let class = if row < 90 { row % 2 } else { 2 };
        format!(
            "{},2024-{:02}-{:02},{class}",
            noise(row),
            row / 28 + 1,
            row % 28 + 1
        )
    });
    let error = Fixture::new("data.csv", data)
        .specification("[split]\ntime = \"when\"")
        .refused(exit::BAD_DATA);
    says(&error, "no training row has the class 2", "keep");
    assert_eq!(error.column.as_deref(), Some("y"));
}

#[test]
fn held_out_rows_of_one_class() {
    let data = csv("a,when,y", 100, |row| {
        let class = if row < 70 { row % 2 } else { 1 };
        format!(
            "{},2024-{:02}-{:02},{class}",
            noise(row),
            row / 28 + 1,
            row % 28 + 1
        )
    });
    let error = Fixture::new("data.csv", data)
        .specification("[split]\ntime = \"when\"")
        .refused(exit::BAD_DATA);
    says(&error, "held-out rows hold one class", "split");
}

#[test]
fn a_split_by_a_time_that_is_missing_in_a_row() {
    let data = csv("a,when,y", 100, |row| {
        let when = if row == 41 { "" } else { "2024-01-05" };
        format!("{},{when},{}", noise(row), row % 2)
    });
    let error = Fixture::new("data.csv", data)
        .specification("[split]\ntime = \"when\"")
        .refused(exit::BAD_DATA);
    assert_eq!(
        (error.row, error.column.as_deref()),
        (Some(42), Some("when"))
    );
}

#[test]
fn nothing_to_learn_from() {
    let error = data(csv("a,y", 60, |row| format!("5,{}", row % 2)));
    says(&error, "no column is left", "drop");
    says(&error, "left out: `a` (constant: always 5)", "[types]");
}

#[test]
fn every_column_that_is_left_out_is_named_with_its_reason() {
    let data = csv("Id,a,b,y", 60, |row| {
        format!("{},{},{},{}", row + 1, noise(row), row % 2, row % 2)
    });
    let error = Fixture::new("data.csv", data)
        .specification("drop = \"a\"")
        .refused(exit::BAD_DATA);
    for part in [
        "`a` (dropped by the specification)",
        "`Id` (an id: it counts the rows)",
        "`b` (it alone tells the target",
    ] {
        says(&error, part, "allow_leaky");
    }
}

#[test]
fn no_row_is_kept() {
    let data = csv("a,y", 60, |row| format!("{},{}", noise(row), row % 2));
    let error = Fixture::new("data.csv", data)
        .specification("keep = \"a > 2\"")
        .refused(exit::BAD_DATA);
    says(&error, "none of the 60 rows", "keep");
}

#[test]
fn a_column_that_the_data_does_not_have() {
    for key in [
        "drop = \"wen\"",
        "allow_leaky = \"wen\"",
        "keep = \"wen is present\"",
        "[split]\ntime = \"wen\"",
        "[split]\ngroup = \"wen\"",
        "[types]\nwen = \"date\"",
        "[derive]\nd = { ratio = [\"a\", \"wen\"] }",
    ] {
        let error = specified(key);
        says(
            &error,
            "`wen`, which the data does not have",
            "did you mean `when`?",
        );
        assert_eq!(error.column.as_deref(), Some("wen"));
    }
    let error = specified("target = \"yy\"");
    says(&error, "`yy`", "");
}

#[test]
fn what_does_not_fit_the_columns_type() {
    says(
        &specified("keep = \"a = x\""),
        "compares a number with `x`",
        "",
    );
    says(&specified("keep = \"b < x\""), "orders categories", "");
    says(
        &specified("[split]\ntime = \"b\""),
        "`b` is a category",
        "[types]",
    );
    says(
        &specified("[derive]\nd = { sum = [\"a\", \"b\"] }"),
        "b is a category",
        "[types]",
    );
    says(
        &specified("[derive]\nd = { sum = [\"a\", \"y\"] }"),
        "made of the target",
        "other columns",
    );
    says(
        &specified("[derive]\na = { sum = [\"a\", \"a\"] }"),
        "has a column of that name",
        "another name",
    );
    says(
        &specified("positive = 3"),
        "`positive` is \"3\"; allowed: 0, 1",
        "",
    );
}

#[test]
fn a_gate_of_another_task() {
    let error = specified("algorithm = \"logistic_regression\"\n[gate]\nrmse = 3");
    says(
        &error,
        "line 3: `gate.rmse`: it is a score of numbers",
        "task",
    );
}

#[test]
fn an_unknown_algorithm_and_parameter() {
    says(
        &specified("algorithm = \"random_forrest\""),
        "random_forest",
        "docs/learners.md",
    );
    let error = specified("algorithm = \"random_forest\"\n[params]\nn_tree = 3");
    says(&error, "n_tree", "docs/learners.md");
}

#[test]
fn a_specification_that_is_no_text() {
    let fixture = Fixture::new("data.csv", "a,y\n1,0\n");
    fixture.write("job/pipeline.toml", [0xff, 0xfe]);
    let error = fixture
        .variable("PIPELINE_SPEC", "/job/pipeline.toml")
        .refused(exit::BAD_SPECIFICATION);
    says(&error, "/job/pipeline.toml", "UTF-8");
}

#[test]
fn rows_to_predict_without_a_column_of_the_model() {
    let data = csv("Amount,b,y", 200, |row| {
        format!(
            "{},{},{}",
            noise(row),
            noise(row + 7),
            u8::from(noise(row) > 0.4)
        )
    });
    let fixture = Fixture::new("data.csv", data)
        .specification("allow_leaky = \"Amount\"")
        .trained();
    let finished = fixture.predict("new.csv", "amount,b\n0.5,1\n");
    assert_eq!(finished.status, exit::BAD_DATA, "{}", finished.stderr);
    let error: ErrorReport = serde_json::from_str(&fixture.read("predictions/error.json")).unwrap();
    assert_eq!(error.column.as_deref(), Some("Amount"));
    says(&error, "`Amount`", "`amount`");
}

#[test]
fn a_damaged_model() {
    let data = csv("a,b,y", 200, |row| {
        let a = noise(row);
        format!("{a},{},{}", noise(row + 7), u8::from(noise(row + 900) < a))
    });
    let fixture = Fixture::new("data.csv", data).trained();
    let model = fixture.read("model/model.json");
    for damaged in [
        &model[..model.len() / 2],
        &model.replace("\"format\":1", "\"format\":9"),
        &model.replace("[\"0\",\"1\"]", "[\"0\",\"1\",\"2\"]"),
        "",
    ] {
        fixture.write("model/model.json", damaged);
        let finished = fixture.predict("new.csv", "a,b\n0.5,1\n");
        assert_eq!(finished.status, exit::FAILED, "{}", finished.stderr);
        assert!(
            finished.stderr.contains("model.json"),
            "{}",
            finished.stderr
        );
        assert!(fixture.files("predictions").is_empty());
    }
}

#[test]
fn a_mode_or_variables_that_are_not_the_contracts() {
    let fixture = Fixture::new("data.csv", "a,y\n1,0\n").variable("EPOCHS", "many");
    let finished = fixture.train();
    assert_eq!(finished.status, exit::FAILED);
    assert!(finished.stderr.contains("EPOCHS"), "{}", finished.stderr);
    assert!(fixture.files("model").is_empty());
}
