//! Conditions, targets, splits, groups, categories and dates see what the file says; features begin single precision
//! behind an offset. What is right was computed with pandas 3.1, scikit-learn 1.9 and LightGBM.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use contract::Task;
use serde_json::Value;
use support::{Fixture, csv, noise};

fn model(fixture: &Fixture) -> Value {
    serde_json::from_str(&fixture.read("model/model.json")).unwrap()
}

fn check(fixture: &Fixture) -> contract::Check {
    serde_json::from_str(&fixture.read("model/check.json")).unwrap()
}

/// The encoder of the feature `name`.
fn feature(fixture: &Fixture, name: &str) -> Value {
    let model = model(fixture);
    let mut features = model["features"].as_array().unwrap().iter();
    let found = features.find(|feature| feature["name"] == name);
    found
        .unwrap_or_else(|| panic!("no {name} in {model}"))
        .clone()
}

fn left_out(fixture: &Fixture) -> Vec<(String, String)> {
    let left_out = fixture.metrics().left_out.into_iter();
    left_out
        .map(|left_out| (left_out.column, left_out.reason))
        .collect()
}

#[test]
fn a_condition_compares_with_what_the_file_says() {
    let data = csv("acct,x,y", 400, |row| {
        format!(
            "{},{},{}",
            100_000_000 + row % 4,
            noise(row),
            u8::from(noise(row) > 0.4)
        )
    });
    for (keep, rows) in [
        ("acct = 100000001", 100),
        ("acct != 100000001", 300),
        ("acct > 100000001", 200),
        ("acct >= 100000001", 300),
    ] {
        let metrics = Fixture::new("data.csv", &data)
            .specification(&format!(
                "target = \"y\"\nkeep = \"{keep}\"\nallow_leaky = [\"x\"]\ngate.baseline = false"
            ))
            .trained()
            .metrics();
        assert_eq!(metrics.rows.kept, rows, "{keep}");
    }
    // Decimals and instants, too: pandas has 40 rows of 0.1, and 17 at or after the instant.
    let data = csv("d,t,x,y", 400, |row| {
        format!(
            "0.{},2024-03-01T00:00:00.{:03}Z,{},{}",
            row % 10,
            row,
            noise(row),
            u8::from(noise(row) > 0.4)
        )
    });
    for (keep, rows) in [("d = 0.1", 40), ("t >= 2024-03-01T00:00:00.383Z", 17)] {
        let metrics = Fixture::new("data.csv", &data)
            .specification(&format!(
                "target = \"y\"\nkeep = \"{keep}\"\nallow_leaky = [\"x\"]\ngate.baseline = false\nsplit.method = \"random\"\nsplit.test = 0.5"
            ))
            .trained()
            .metrics();
        assert_eq!(metrics.rows.kept, rows, "{keep}");
    }
}

#[test]
fn groups_are_told_apart_by_exact_values() {
    let data = csv("acct,x,y", 800, |row| {
        format!(
            "{},{},{}",
            100_000_001 + row % 4,
            noise(row),
            u8::from(noise(row + 9_000) > 0.4)
        )
    });
    let fixture = Fixture::new("data.csv", data)
        .specification("target = \"y\"\ndrop = [\"acct\"]\ngate.baseline = false\n[split]\ngroup = \"acct\"\ntest = 0.25")
        .trained();
    let rows = fixture.metrics().rows;
    assert_eq!((rows.train, rows.held_out), (600, 200));
    let held_out = fixture.read("model/predictions.txt");
    let groups: std::collections::BTreeSet<u32> = held_out
        .lines()
        .skip(1)
        .map(|line| (line.split(',').next().unwrap().parse::<u32>().unwrap() - 1) % 4)
        .collect();
    assert_eq!(groups.len(), 1);
}

#[test]
fn targets_are_classes_or_amounts_by_their_exact_values() {
    let data = csv("x,y", 300, |row| {
        format!("{},{}", noise(row) + (row % 3) as f32, 16_777_216 + row % 3)
    });
    let fixture = Fixture::new("data.csv", data)
        .specification("allow_leaky = [\"x\"]\nalgorithm = \"random_forest\"")
        .trained();
    let metrics = fixture.metrics();
    assert_eq!(metrics.task, Task::Multiclass);
    assert_eq!(metrics.classes, ["16777216", "16777217", "16777218"]);
    // A regression, though single precision has one value of it.
    let data = csv("x,y", 400, |row| {
        let x = noise(row) * 4.0 - 2.0;
        format!(
            "{x},{}",
            1.6e9 + f64::from(x) * 8.0 + f64::from(noise(row + 7_000)) - 0.5
        )
    });
    let fixture = Fixture::new("data.csv", &data)
        .specification("algorithm = \"linear\"\nallow_leaky = [\"x\"]")
        .trained();
    let metrics = fixture.metrics();
    assert_eq!(metrics.task, Task::Regression);
    assert!(
        metrics.held_out.scores["r2"] > 0.995,
        "{:?}",
        metrics.held_out
    );
    let offset = model(&fixture)["target"]["offset"].as_f64().unwrap();
    assert!((offset - 1.6e9).abs() < 20.0, "{offset}");
    // What is predicted is told in double precision, by the module and for whoever compares.
    for line in fixture.read("model/predictions.txt").lines().skip(1) {
        let cells: Vec<f64> = line.split(',').map(|cell| cell.parse().unwrap()).collect();
        assert!((cells[1] - cells[2]).abs() < 3.0, "{line}");
    }
    let check = check(&fixture);
    assert!(
        check
            .predictions
            .iter()
            .any(|value| f64::from(*value as f32) != *value)
    );
    let predicted = fixture.predicted("rows.csv", "x\n0.5\n");
    let predicted: f64 = predicted[0].parse().unwrap();
    assert!((predicted - 1_600_000_004.0).abs() < 0.3, "{predicted}");
}

#[test]
fn a_target_that_single_precision_tells_has_no_offset() {
    let data = csv("x,y", 300, |row| {
        format!("{},{}", noise(row), noise(row) * 3.0 + 0.1)
    });
    let fixture = Fixture::new("data.csv", data)
        .specification("algorithm = \"linear\"\nallow_leaky = [\"x\"]")
        .trained();
    assert!(model(&fixture)["target"].get("offset").is_none());
    assert!(feature(&fixture, "x").get("offset").is_none());
}

#[test]
fn epochs_explain_what_they_should() {
    // LightGBM has 0.97 of such data, and a forest of single precision 0.06.
    let data = csv("t,y", 800, |row| {
        let noise = f64::from(noise(row) - 0.5) * 0.3;
        format!(
            "{},{}",
            1_700_000_000 + row,
            (f64::from(row) / 40.0).sin() + noise
        )
    });
    for algorithm in ["gradient_boosting", "random_forest", "decision_tree"] {
        let fixture = Fixture::new("data.csv", &data)
            .specification(&format!("algorithm = \"{algorithm}\""))
            .trained();
        let r2 = fixture.metrics().held_out.scores["r2"];
        assert!(r2 > 0.9, "{algorithm}: {r2}");
        assert!(feature(&fixture, "t")["offset"].as_f64().unwrap() > 1.7e9);
        assert_eq!(model(&fixture)["inputs"][0]["double"], true);
        // A block of few rows is read as training was.
        let predicted = fixture.predicted("rows.csv", "t\n1700000062\n1700000188\n");
        let predicted: Vec<f64> = predicted.iter().map(|each| each.parse().unwrap()).collect();
        assert!(
            predicted[0] > 0.7 && predicted[1] < -0.7,
            "{algorithm}: {predicted:?}"
        );
    }
}

#[test]
fn hours_and_days_are_those_of_pandas() {
    // pandas 3.1: Series.dt.hour, .dt.day, .dt.weekday, .dt.month.
    let data = csv("When,x,y", 480, |row| {
        let (hour, minute) = (row % 24, [0, 59][row as usize / 24 % 2]);
        format!(
            "2024-{:02}-{:02}T{hour:02}:{minute:02}:00.000+0000,{},{}",
            1 + row % 12,
            1 + row % 28,
            noise(row),
            u8::from([1, 4, 7, 10, 13, 16, 19, 22].contains(&hour))
        )
    });
    let fixture = Fixture::new("data.csv", &data)
        .specification(
            "allow_leaky = [\"When hour\"]\nalgorithm = \"decision_tree\"\nimportance = 0",
        )
        .trained();
    // Single precision put 8 of 24 full hours an hour early, and 23:59 on the next day.
    assert_eq!(fixture.metrics().held_out.scores["accuracy"], 1.0);
    let rows =
        "When,x\n2024-03-31T23:59:59.999Z,0\n2024-04-01T01:00:00Z,0\n1969-12-31T22:00:00Z,0\n";
    let labels = fixture.predicted("rows.csv", rows);
    // Hours 23, 1 and 22.
    assert_eq!(labels, ["0", "1", "1"]);
}

#[test]
fn date_parts_of_instants_are_those_of_pandas() {
    use workload::features::{Part, Rows, Source, numbers};
    use workload::table::{Reading, read_dataset};
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("rows.csv");
    // pandas 3.1: (dt.month, dt.day, dt.weekday, dt.hour) of to_datetime(text, utc=True)
    let expected = [
        ("2024-03-01T23:59:59.999Z", [3.0, 1.0, 4.0, 23.0]),
        ("2024-02-29T01:00:00Z", [2.0, 29.0, 3.0, 1.0]),
        ("2024-12-31T22:00:00-05:00", [1.0, 1.0, 2.0, 3.0]),
        ("1969-12-31T23:59:59.999Z", [12.0, 31.0, 2.0, 23.0]),
        ("1900-03-01T00:00:00Z", [3.0, 1.0, 3.0, 0.0]),
        ("2262-04-11T23:47:16.854Z", [4.0, 11.0, 4.0, 23.0]),
    ];
    let lines: String = expected
        .iter()
        .map(|(text, _)| format!("{text}\n"))
        .collect();
    std::fs::write(&path, format!("t\n{lines}")).unwrap();
    let table = read_dataset(&path, Reading::default()).unwrap().table;
    let rows: Vec<u32> = (0..expected.len() as u32).collect();
    for (index, part) in [Part::Month, Part::Day, Part::Weekday, Part::Hour]
        .into_iter()
        .enumerate()
    {
        let source = Source::DatePart {
            column: "t".to_owned(),
            part,
        };
        let found = numbers(&table, &source, Rows::new(&rows));
        for (row, (text, parts)) in expected.iter().enumerate() {
            assert_eq!(found.get(row), parts[index], "{part:?} of {text}");
        }
    }
}

/// Calls of 120 to 180 seconds, at any time of a year.
fn calls() -> String {
    csv("Start,End,Seconds,Length,Clock,Won", 600, |row| {
        let start = (noise(row + 50_000) * 86_000.0) as u32;
        let seconds = 120 + (noise(row) * 60.0) as u32;
        let clock = |second: u32| {
            format!(
                "{:02}:{:02}:{:02}",
                second / 3600,
                second / 60 % 60,
                second % 60
            )
        };
        let day = format!("2024-{:02}-{:02}", 1 + row % 12, 1 + row % 28);
        format!(
            "{day}T{}Z,{day}T{}Z,{seconds},PT{}M{}S,{},{}",
            clock(start),
            clock(start + seconds),
            seconds / 60,
            seconds % 60,
            clock(seconds),
            u8::from(seconds > 150)
        )
    })
}

#[test]
fn differences_of_instants_durations_and_times_of_day_are_exact() {
    for (drop, feature_name) in [
        ("\"Seconds\", \"Length\", \"Clock\"", "End - Start"),
        ("\"Start\", \"End\", \"Seconds\", \"Clock\"", "Length"),
        ("\"Start\", \"End\", \"Seconds\", \"Length\"", "Clock"),
        ("\"Start\", \"End\", \"Length\", \"Clock\"", "Seconds"),
    ] {
        let fixture = Fixture::new("calls.csv", calls())
            .specification(&format!(
                "target = \"Won\"\ndrop = [{drop}]\nallow_leaky = [\"{feature_name}\"]\nalgorithm = \"decision_tree\""
            ))
            .trained();
        let accuracy = fixture.metrics().held_out.scores["accuracy"];
        assert_eq!(accuracy, 1.0, "{feature_name}");
    }
    // To the millisecond: pandas has 65 s, and 0.001 s.
    let fixture = Fixture::new("calls.csv", calls())
        .specification("target = \"Won\"\ndrop = [\"Seconds\", \"Length\", \"Clock\"]\nallow_leaky = [\"End - Start\"]\nalgorithm = \"decision_tree\"")
        .trained();
    let rows = "Start,End\n2024-06-01T23:59:00Z,2024-06-02T00:01:30Z\n2024-06-01T23:59:00Z,2024-06-02T00:01:31Z\n";
    let labels = fixture.predicted("rows.csv", rows);
    assert_eq!(labels, ["0", "1"]);
}

#[test]
fn ids_beyond_double_precision_are_text() {
    let data = csv("id,x,y", 300, |row| {
        let x = noise(row);
        format!(
            "{},{x},{}",
            9_007_199_254_740_992_u64 + u64::from(row),
            u8::from(x > 0.5)
        )
    });
    let fixture = Fixture::new("data.csv", &data)
        .specification("target = \"y\"\nallow_leaky = [\"x\"]")
        .trained();
    let left_out = left_out(&fixture);
    assert_eq!(left_out[0].0, "id");
    assert!(left_out[0].1.starts_with("an id"), "{left_out:?}");
    let fixture = Fixture::new("data.csv", &data)
        .specification(
            "target = \"y\"\nallow_leaky = [\"x\"]\nalgorithm = \"gaussian_nb\"\nimportance = 0\n[features]\nmax_categories = 300\n[types]\nid = \"category\"",
        )
        .trained();
    let categories = feature(&fixture, "id")["categories"]
        .as_array()
        .unwrap()
        .len();
    assert_eq!(categories, fixture.metrics().rows.train as usize);
}

#[test]
fn only_training_rows_say_what_is_learned_from() {
    // Empty, constant and text but in held-out rows.
    let data = csv("d,x,late,same,words,y", 500, |row| {
        let is_late = row > 440;
        let or = |late: String, early: &str| if is_late { late } else { early.to_owned() };
        format!(
            "2024-{:02}-{:02},{},{},{},{},{}",
            1 + row / 45,
            1 + row % 28,
            noise(row),
            or(noise(row + 1).to_string(), ""),
            or(row.to_string(), "3"),
            or(format!("w{row}"), "none"),
            u8::from(noise(row) + noise(row + 40_000) / 2.0 > 0.7)
        )
    });
    let fixture = Fixture::new("data.csv", data)
        .specification(
            "target = \"y\"\nalgorithm = \"mlp\"\ngate.baseline = false\n[split]\ntime = \"d\"",
        )
        .trained();
    let left_out = left_out(&fixture);
    let expected = [
        ("late", "empty"),
        ("same", "constant: always 3"),
        ("words", "constant: always none"),
    ];
    for (column, reason) in expected {
        assert!(
            left_out.contains(&(column.to_owned(), reason.to_owned())),
            "{column}: {left_out:?}"
        );
    }
    // And so nothing of it changes a prediction.
    let row = |late: &str| format!("d,x,late\n2024-12-01,0.7,{late}\n");
    let mut said = Vec::new();
    for (file, late) in [("a.csv", ""), ("b.csv", "900")] {
        assert_eq!(fixture.predict(file, row(late)).status, 0);
        said.push(fixture.read("predictions/predictions.csv"));
    }
    assert_eq!(said[0], said[1]);
}
