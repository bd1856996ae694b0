//! Numbers and instants are told apart as the source tells them, and held in single precision where that suffices.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use records::{Floats, Options, Rules, Type, parse_days, parse_seconds};
use support::{column, floats, numbers, ok, text, with, words};

/// `rows` lines of one column beside one of small numbers.
fn csv(rows: u32, cell: impl Fn(u32) -> String) -> String {
    let mut text = "x,n\n".to_owned();
    for row in 0..rows {
        text.push_str(&format!("{},{}\n", cell(row), row % 7));
    }
    text
}

fn double(values: &Floats) -> &[f64] {
    match values {
        Floats::Double(values) => values,
        Floats::Single(_) => panic!("in single precision"),
    }
}

#[test]
fn whole_numbers_that_single_precision_merges_are_held_in_double_precision() {
    let records = ok(csv(300, |row| (16_777_216 + row % 3).to_string()));
    assert_eq!(
        double(floats(&records, "x"))[..3],
        [16_777_216.0, 16_777_217.0, 16_777_218.0]
    );
    assert!(!floats(&records, "n").is_double());
    // In the first block or behind it, in one block or in many.
    for block_bytes in [64, 1 << 10, 512 << 10] {
        for late in [0, 1, 2_000] {
            let options = Options {
                block_bytes,
                ..Options::default()
            };
            let cell = |row: u32| if row < late { row } else { 1_700_000_000 + row };
            let records = with(csv(3_000, |row| cell(row).to_string()), &options);
            let expected: Vec<f64> = (0..3_000).map(|row| cell(row).into()).collect();
            assert_eq!(
                double(floats(&records, "x")),
                expected,
                "{block_bytes} {late}"
            );
            assert!(!floats(&records, "n").is_double());
        }
    }
}

#[test]
fn numbers_that_lie_close_together_are_held_in_double_precision_and_plain_decimals_are_not() {
    let records = ok(csv(40, |row| format!("{}.25", 1_600_000_000 + row)));
    assert_eq!(double(floats(&records, "x"))[3], 1_600_000_003.25);
    for cell in [
        |row: u32| format!("0.{row}"),
        |row: u32| format!("{}", row * 1_000_000 + 16),
        |row: u32| format!("{}.57", row * 1_000_003),
        |_: u32| "0.1".to_owned(),
    ] {
        assert!(!floats(&ok(csv(40, cell)), "x").is_double(), "{}", cell(3));
    }
}

#[test]
fn a_column_that_is_asked_for_in_double_precision_is_what_the_source_says() {
    let options = Options {
        double: ["x".to_owned()].into(),
        ..Options::default()
    };
    let data = csv(40, |row| format!("0.{row}"));
    let records = with(&data, &options);
    assert_eq!(double(floats(&records, "x"))[1], 0.1);
    let json: String = (0..40).map(|row| format!("{{\"x\": 0.{row}}}\n")).collect();
    assert_eq!(double(floats(&with(json, &options), "x"))[1], 0.1);
    // The first rules know no double precision.
    let first = Options {
        rules: Rules::One,
        ..options
    };
    assert!(!floats(&with(&data, &first), "x").is_double());
    let big = csv(300, |row| (16_777_216 + row % 3).to_string());
    assert!(!floats(&with(big, &first), "x").is_double());
}

#[test]
fn a_model_knows_the_precision_of_its_columns() {
    let options = Options {
        infer: false,
        types: [("x".to_owned(), Type::Number)].into(),
        ..Options::default()
    };
    let data = csv(30, |row| (1_700_000_000 + row).to_string());
    assert!(!floats(&with(&data, &options), "x").is_double());
    let options = Options {
        double: ["x".to_owned()].into(),
        ..options
    };
    assert_eq!(
        double(floats(&with(&data, &options), "x"))[1],
        1_700_000_001.0
    );
}

#[test]
fn odd_cells_among_numbers_of_double_precision_are_missing() {
    let records = ok(csv(400, |row| match row {
        7 => "?".to_owned(),
        9 => "n.k.".to_owned(),
        _ => (1_700_000_000 + row).to_string(),
    }));
    let values = double(floats(&records, "x"));
    assert!(values[7].is_nan() && values[9].is_nan());
    assert_eq!(values[10], 1_700_000_010.0);
    assert_eq!(records.warnings.len(), 2, "{:?}", records.warnings);
}

#[test]
fn whole_numbers_that_double_precision_merges_are_ids_and_stay_text() {
    let id = |row: u32| (9_007_199_254_740_992_u64 + u64::from(row)).to_string();
    let records = ok(csv(300, id));
    assert_eq!(words(&records, "x")[1], "9007199254740993");
    let json: String = (0..300)
        .map(|row| format!("{{\"x\": {}}}\n", id(row)))
        .collect();
    assert_eq!(words(&ok(json), "x")[1], "9007199254740993");
    assert!(records.warnings.is_empty(), "{:?}", records.warnings);
    // Numbers with decimals among them, or in scientific notation, are numbers; so is what is declared.
    let records = ok(csv(
        300,
        |row| if row == 3 { "0.5".to_owned() } else { id(row) },
    ));
    assert_eq!(numbers(&records, "x")[3], Some(0.5));
    let records = ok(csv(300, |row| format!("{row}e20")));
    assert_eq!(numbers(&records, "x")[2], Some(2e20));
    let options = Options {
        types: [("x".to_owned(), Type::Number)].into(),
        ..Options::default()
    };
    let records = with(csv(300, id), &options);
    assert_eq!(double(floats(&records, "x"))[2], 9_007_199_254_740_994.0);
}

#[test]
fn instants_are_exact_to_the_millisecond_and_whole_days_stay_in_single_precision() {
    let records = ok("d,t\n2024-03-01,2024-03-01T23:59:59.999Z\n,\n2024-03-02,2024-03-02\n");
    assert!(!floats(&records, "d").is_double());
    let days = double(floats(&records, "t"));
    // pandas 3.1: (pd.Timestamp("2024-03-01T23:59:59.999") - pd.Timestamp(0)) / pd.Timedelta(days=1)
    assert_eq!(days[0], 19_783.999_999_988_428);
    assert!(days[1].is_nan());
    assert_eq!(days[2], 19_784.0);
    assert_eq!(parse_days("2024-03-01T12:00", Rules::Two), Some(19_783.5));
    assert_eq!(
        parse_days("2024-03-01T01:00", Rules::One),
        Some(f64::from(19_783.041_f32))
    );
    let first = Options {
        rules: Rules::One,
        ..Options::default()
    };
    assert!(!floats(&with("t\n2024-03-01T01:00\n", &first), "t").is_double());
}

#[test]
fn parquet_keeps_durations_instants_and_large_whole_numbers() {
    let path: std::path::PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests/data", "precise.parquet"]
        .iter()
        .collect();
    let records = records::read(&path, &Options::default()).unwrap();
    assert_eq!(
        numbers(&records, "length"),
        [Some(125.0), Some(5_400.5), None]
    );
    assert_eq!(
        double(floats(&records, "epoch")),
        [1.7e9, 1.7e9 + 1.0, 1.7e9 + 2.0]
    );
    assert_eq!(
        words(&records, "id"),
        ["9007199254740992", "9007199254740993", "9007199254740994"]
    );
    let when = double(floats(&records, "when"));
    assert_eq!(when[..2], [19_783.999_999_988_428, 19_783.0 + 1.0 / 24.0]);
    let first = Options {
        rules: Rules::One,
        ..Options::default()
    };
    let records = records::read(&path, &first).unwrap();
    assert_eq!(numbers(&records, "length")[0], Some(125_000_000.0));
    assert!(!floats(&records, "when").is_double());
}

#[test]
fn durations_and_times_of_day_are_numbers_of_seconds() {
    let cells = ["PT1H30M", "P1DT2H", "", "PT0.5S"];
    let records = ok(csv(40, |row| cells[row as usize % 4].to_owned()));
    let expected = [Some(5_400.0), Some(93_600.0), None, Some(0.5)];
    assert_eq!(numbers(&records, "x")[..4], expected);
    let records = ok(csv(40, |row| format!("00:02:{row:02}")));
    assert_eq!(numbers(&records, "x")[5], Some(125.0));
    // A few odd cells are missing, a mixture is text.
    let records = ok(csv(400, |row| match row {
        3 => "soon".to_owned(),
        _ => format!("{:02}:{:02}:00", row / 60, row % 60),
    }));
    assert_eq!(numbers(&records, "x")[3..5], [None, Some(240.0)]);
    let records = ok(csv(40, |row| match row % 2 {
        0 => format!("00:02:{row:02}"),
        _ => row.to_string(),
    }));
    assert_eq!(words(&records, "x")[..2], ["00:02:00", "1"]);
    // By the first rules they are text; where numbers are declared, both are read.
    let first = Options {
        rules: Rules::One,
        ..Options::default()
    };
    assert_eq!(
        text(&with("x\n00:02:05\n", &first), "x"),
        [Some("00:02:05".to_owned())]
    );
    let declared = Options {
        types: [("x".to_owned(), Type::Number)].into(),
        infer: false,
        ..Options::default()
    };
    let records = with("x\n00:02:05\n125\n", &declared);
    assert_eq!(
        numbers(&records, "x"),
        [Some(125.0); 2],
        "{:?}",
        column(&records, "x")
    );
    assert_eq!(parse_seconds("PT2M5S"), Some(125.0));
}
