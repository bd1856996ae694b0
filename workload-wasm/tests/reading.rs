//! What a dataset's cells mean, from the file to the model and back through `predict`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use contract::exit;
use serde_json::Value;
use support::{Fixture, noise};

const HEADER: [&str; 5] = ["Amount", "Region", "Discount", "When", "IsWon"];
const SPECIFICATION: &str =
    "target = \"IsWon\"\nalgorithm = \"logistic_regression\"\n[gate]\nbaseline = false";

type Deal = [String; 5];

/// 400 deals; each file below changes one thing.
fn deals() -> Vec<Deal> {
    (0..400_u32)
        .map(|row| {
            let amount = (noise(row) * 3.0 + 7.0).exp();
            let discount = noise(row + 5_000) * 30.0;
            let region =
                ["North", "South", "East", "West"][(noise(row + 9_000) * 4.0) as usize % 4];
            let score = amount.ln() - 8.5 - (discount - 15.0) / 8.0 + noise(row + 13_000) - 0.5;
            [
                format!("{amount:.2}"),
                region.to_owned(),
                format!("{discount:.1}"),
                format!(
                    "2023-{:02}-{:02} {:02}:{:02}:11",
                    1 + row % 12,
                    1 + row % 28,
                    row % 24,
                    row * 7 % 60
                ),
                (score > 0.0).to_string(),
            ]
        })
        .collect()
}

fn changed(column: usize, change: impl Fn(usize, &str) -> String) -> Vec<Deal> {
    let mut deals = deals();
    for (row, deal) in deals.iter_mut().enumerate() {
        deal[column] = change(row, &deal[column]);
    }
    deals
}

fn csv(rows: &[Deal], separator: &str) -> String {
    let lines = rows.iter().map(|row| row.join(separator) + "\n");
    format!("{}\n{}", HEADER.join(separator), lines.collect::<String>())
}

fn trained_with(data: &str, more: &str) -> Fixture {
    let name = if data.starts_with('[') {
        "deals.json"
    } else {
        "deals.csv"
    };
    Fixture::new(name, data)
        .specification(&format!("{SPECIFICATION}{more}"))
        .trained()
}

fn trained(data: &str) -> Fixture {
    trained_with(data, "")
}

fn model(fixture: &Fixture) -> Value {
    serde_json::from_str(&fixture.read("model/model.json")).unwrap()
}

/// The columns that the model reads, with their types.
fn inputs(fixture: &Fixture) -> Vec<(String, String)> {
    let model = model(fixture);
    let text = |input: &Value, key: &str| input[key].as_str().unwrap().to_owned();
    let inputs = model["inputs"].as_array().unwrap().iter();
    inputs
        .map(|input| (text(input, "name"), text(input, "type")))
        .collect()
}

fn said(fixture: &Fixture, kind: &str) -> String {
    let warnings = fixture.metrics().warnings();
    let found = warnings.iter().find(|warning| warning.kind == kind);
    found
        .unwrap_or_else(|| panic!("no {kind} among {warnings:?}"))
        .message
        .clone()
}

fn is_as_plain(data: &str, kind: &str, says: &str) {
    let fixture = trained(data);
    let expected = [
        ("Amount", "number"),
        ("Region", "category"),
        ("Discount", "number"),
        ("When", "timestamp"),
    ];
    let expected = expected.map(|(name, kind)| (name.to_owned(), kind.to_owned()));
    assert_eq!(inputs(&fixture), expected, "{says}");
    assert_eq!(
        model(&fixture)["target"]["classes"],
        serde_json::json!(["false", "true"])
    );
    let message = said(&fixture, kind);
    assert!(message.contains(says), "{message}");
}

#[test]
fn odd_cells_and_words_for_missing_leave_a_column_what_it_is() {
    let dash = changed(0, |row, cell| {
        if row % 33 == 0 {
            "-".into()
        } else {
            cell.into()
        }
    });
    is_as_plain(
        &csv(&dash, ","),
        "missing_words",
        "Amount: 13 of 400 (`-` in rows 1, 34, 67, …)",
    );
    let one = changed(
        0,
        |row, cell| if row == 200 { "?".into() } else { cell.into() },
    );
    is_as_plain(
        &csv(&one, ","),
        "missing_words",
        "Amount: 1 of 400 (`?` in row 201)",
    );
    let date = changed(3, |row, cell| {
        if row == 77 {
            "2023-02-29 00:00:00".into()
        } else {
            cell.into()
        }
    });
    is_as_plain(
        &csv(&date, ","),
        "odd_cells",
        "When: 1 of 400 cells are not dates (`2023-02-29 00:00:00` in row 78)",
    );
    let nul = changed(0, |row, cell| {
        if row % 60 == 0 {
            format!("{cell}\0")
        } else {
            cell.into()
        }
    });
    is_as_plain(&csv(&nul, ","), "nuls", "7 cells");
    let comma: Vec<Deal> = deals()
        .into_iter()
        .enumerate()
        .map(|(row, mut deal)| {
            deal[0] = if row % 40 == 0 {
                "-".to_owned()
            } else {
                deal[0].replace('.', ",")
            };
            deal[2] = deal[2].replace('.', ",");
            deal
        })
        .collect();
    is_as_plain(&csv(&comma, ";"), "missing_words", "Amount: 10 of 400");
}

#[test]
fn rows_that_are_no_data_are_passed_over_or_named() {
    let plain = trained(&csv(&deals(), ","));
    let mut again = deals();
    again.insert(200, HEADER.map(str::to_owned));
    let fixture = trained(&csv(&again, ","));
    assert_eq!(
        fixture.read("model/model.json"),
        plain.read("model/model.json")
    );
    assert!(said(&fixture, "header_repeated").contains("1 line"));

    let mut units = deals();
    units.insert(0, ["EUR", "", "%", "UTC", ""].map(str::to_owned));
    is_as_plain(&csv(&units, ","), "units_row", "`[data] skip = 1`");
    let fixture = trained_with(&csv(&units, ","), "\n[data]\nskip = 1");
    assert!(
        fixture.metrics().warnings().is_empty(),
        "{:?}",
        fixture.metrics().warnings()
    );
    assert_eq!(
        (fixture.metrics().rows.read, fixture.metrics().rows.kept),
        (401, 400)
    );

    let mut total = deals();
    let sum: f64 = deals()
        .iter()
        .map(|deal| deal[0].parse::<f64>().unwrap())
        .sum();
    total.push([
        format!("{sum:.2}"),
        "Total".into(),
        String::new(),
        String::new(),
        "Total".into(),
    ]);
    let data = csv(&total, ",");
    let fixture = Fixture::new("deals.csv", &data).specification(SPECIFICATION);
    let finished = fixture.train();
    assert!(
        finished
            .stderr
            .contains("row 401 looks like a total of others (`Total` in Region)"),
        "{}",
        finished.stderr
    );
    let fixture = trained_with(&data, "\n[data]\nskip = [401]");
    assert_eq!(
        model(&fixture)["target"]["classes"],
        serde_json::json!(["false", "true"])
    );
    assert_eq!(fixture.metrics().rows.kept, 400);
}

#[test]
fn rows_to_skip_that_are_not_there_or_not_said_well_are_refused() {
    for (skip, says) in [
        ("skip = 500", "names row 500, and the dataset has 400"),
        ("skip = [3, 401]", "names row 401"),
        ("skip = [0]", "`data.skip` must be how many rows"),
        ("skip = \"3\"", "`data.skip` must be how many rows"),
        ("skip = -1", "`data.skip` must be how many rows"),
        ("rows = 3", "`data.rows` is no key of [data]"),
    ] {
        let specification = format!("{SPECIFICATION}\n[data]\n{skip}");
        let fixture = Fixture::new("deals.csv", csv(&deals(), ",")).specification(&specification);
        let error = fixture.refused(exit::BAD_SPECIFICATION);
        assert!(
            error.message.contains(says) && error.message.contains("line 6"),
            "{}",
            error.message
        );
    }
}

#[test]
fn blanks_around_cells_make_no_categories() {
    let plain = trained(&csv(&deals(), ","));
    let spaced: Vec<Deal> = deals()
        .into_iter()
        .map(|[first, rest @ ..]| {
            let [a, b, c, d] = rest.map(|cell| format!(" {cell}"));
            [first, a, b, c, d]
        })
        .collect();
    let fixture = trained(&csv(&spaced, ","));
    assert_eq!(
        fixture.read("model/model.json"),
        plain.read("model/model.json")
    );
}

#[test]
fn labels_that_differ_by_case_blanks_or_unicode_form_are_one_class_where_one_is_rare() {
    let words = |row: usize, cell: &str| match (row, cell) {
        (30, _) => "\"Yes \"".to_owned(),
        (60, _) => "yes".to_owned(),
        (_, "true") => "Yes".to_owned(),
        _ => "No".to_owned(),
    };
    let fixture = trained(&csv(&changed(4, words), ","));
    let target = &model(&fixture)["target"];
    assert_eq!(target["classes"], serde_json::json!(["No", "Yes"]));
    assert_eq!(
        target["spellings"],
        serde_json::json!({"Yes ": "Yes", "yes": "Yes"})
    );
    let message = said(&fixture, "label_spellings");
    for part in [
        "`yes` 1 times (rows 61)",
        "`Yes ` 1 times (rows 31)",
        "they are one class, `Yes`",
    ] {
        assert!(message.contains(part), "{message}");
    }
    // Forms of é, and a spelling that is too frequent to be a slip.
    let forms = |row: usize, cell: &str| match (row % 100, cell) {
        (7, _) => "cafe\u{301}".to_owned(),
        (_, "true") => "café".to_owned(),
        _ => "thé".to_owned(),
    };
    let fixture = trained_with(&csv(&changed(4, forms), ","), "");
    let classes = model(&fixture)["target"]["classes"]
        .as_array()
        .unwrap()
        .len();
    let rare = 4.0 / (deals().iter().filter(|deal| deal[4] == "true").count() + 4) as f64;
    assert_eq!(classes, if rare <= 0.01 { 2 } else { 3 }, "{rare}");
    let message = said(&fixture, "label_spellings");
    assert!(
        rare > 0.01 && message.contains("classes of their own"),
        "{message}"
    );
}

#[test]
fn codes_keep_their_zeros_and_an_index_is_no_feature() {
    let rows: String = (0..300_u32)
        .map(|row| {
            let code = 1 + (noise(row) * 3.0) as u32 % 3;
            format!(
                "{:05},{},{:03}\n",
                17 * (20 + row % 12),
                code as f32 + noise(row + 999),
                [1, 2, 10][code as usize - 1]
            )
        })
        .collect();
    let data = format!("zip,x,class\n{rows}");
    let fixture = Fixture::new("codes.csv", data)
        .specification("target = \"class\"\n[gate]\nbaseline = false")
        .trained();
    assert_eq!(
        model(&fixture)["target"]["classes"],
        serde_json::json!(["001", "002", "010"])
    );
    assert_eq!(
        inputs(&fixture)[0],
        ("zip".to_owned(), "category".to_owned())
    );

    let lines = deals()
        .into_iter()
        .enumerate()
        .map(|(row, deal)| format!("{},{}\n", row * 3 + row % 2, deal.join(",")));
    let data = format!(",{}\n{}", HEADER.join(","), lines.collect::<String>());
    let fixture = trained(&data);
    assert_eq!(
        fixture.read("model/model.json"),
        trained(&csv(&deals(), ",")).read("model/model.json")
    );
    let left_out = fixture.metrics().left_out;
    assert!(
        left_out
            .iter()
            .any(|left| left.column == "column_1" && left.reason.contains("row labels")),
        "{left_out:?}"
    );
    // A declared type keeps it.
    assert_eq!(
        inputs(&trained_with(&data, "\n[types]\ncolumn_1 = \"number\""))[0].0,
        "column_1"
    );
}

#[test]
fn a_missing_target_is_no_class() {
    let data = csv(
        &changed(4, |row, cell| {
            if row % 25 == 0 {
                "NA".into()
            } else if cell == "true" {
                "yes".into()
            } else {
                "no".into()
            }
        }),
        ",",
    );
    let fixture = trained(&data);
    assert_eq!(
        model(&fixture)["target"]["classes"],
        serde_json::json!(["no", "yes"])
    );
    assert!(said(&fixture, "target_missing").contains("missing in 16 rows"));
}

#[test]
fn a_factor_of_a_thousand_is_said_and_settled_by_the_key() {
    let whole = |_: usize, cell: &str| {
        let cell = cell.split('.').next().unwrap();
        let (thousands, rest) = cell.split_at(cell.len() - 3);
        format!("{thousands}.{rest}")
    };
    let rows = changed(0, whole);
    let data = csv(&rows, ";").replace("IsWon", "won");
    let specification = SPECIFICATION.replace("IsWon", "won");
    let fixture = Fixture::new("deals.csv", &data)
        .specification(&specification)
        .trained();
    let message = said(&fixture, "ambiguous_numbers");
    assert!(
        message.contains("`[types] Amount = { number = \"1.234,5\" }`"),
        "{message}"
    );
    let key = "\n[types]\nAmount = { number = \"1.234,5\" }";
    let with_key = Fixture::new("deals.csv", &data)
        .specification(&format!("{specification}{key}"))
        .trained();
    assert!(
        with_key
            .metrics()
            .warnings()
            .iter()
            .all(|warning| warning.kind != "ambiguous_numbers")
    );
    assert_eq!(model(&with_key)["inputs"][0]["format"], "1.234,5");
    // `predict` reads by the model's format, JSON numbers as they are: the same rows are the same predictions.
    let columns = "Amount;Region;Discount;When\n";
    assert_eq!(
        with_key
            .predict(
                "a.csv",
                format!("{columns}2.411;North;5.5;2023-01-01 10:00\n")
            )
            .status,
        0
    );
    let by_format = with_key.read("predictions/predictions.csv");
    let json = r#"[{"Amount":2411,"Region":"North","Discount":5.5,"When":"2023-01-01 10:00"}]"#;
    assert_eq!(with_key.predict("b.json", json).status, 0);
    assert_eq!(with_key.read("predictions/predictions.csv"), by_format);
    // A target is not guessed.
    let regression = "target = \"Amount\"\n[gate]\nbaseline = false";
    let error = Fixture::new("deals.csv", &data)
        .specification(regression)
        .refused(exit::BAD_DATA);
    assert_eq!(error.column.as_deref(), Some("Amount"));
    assert!(
        error.message.contains("may be") && error.message.contains("1.234,5"),
        "{}",
        error.message
    );
    Fixture::new("deals.csv", &data)
        .specification(&format!("{regression}{key}"))
        .trained();
}

#[test]
fn amounts_in_another_form_name_their_key_and_are_read_by_it() {
    let money = changed(0, |_, cell| {
        format!(
            "\"${},{}\"",
            cell.len(),
            &cell[cell.len() - 3..].replace('.', "0")
        )
    });
    let data = csv(&money, ",");
    let error = Fixture::new("deals.csv", &data)
        .specification(&format!("{SPECIFICATION}\n[types]\nAmount = \"number\""))
        .refused(exit::BAD_DATA);
    assert_eq!(
        (error.row, error.column.as_deref()),
        (Some(1), Some("Amount"))
    );
    let remedy = error.remedy.unwrap();
    assert!(
        remedy.contains("`[types] Amount = { number = \"$1,234.5\" }`"),
        "{remedy}"
    );
    let fixture = trained_with(&data, "\n[types]\nAmount = { number = \"$1,234.5\" }");
    assert_eq!(
        inputs(&fixture)[0],
        ("Amount".to_owned(), "number".to_owned())
    );
    for (example, says) in [
        ("1,234", "does not tell thousands from decimals"),
        ("1/2", "marks that are not known"),
    ] {
        let specification =
            format!("{SPECIFICATION}\n[types]\nAmount = {{ number = \"{example}\" }}");
        let error = Fixture::new("deals.csv", &data)
            .specification(&specification)
            .refused(exit::BAD_SPECIFICATION);
        assert!(
            error.message.contains(says) && error.message.contains("types.Amount.number"),
            "{}",
            error.message
        );
    }
    // A dotted name of a column is no format.
    let dotted = csv(&deals(), ",").replacen("Region", "Account.number", 1);
    let fixture = trained_with(&dotted, "\n[types]\nAccount.number = \"category\"");
    assert_eq!(inputs(&fixture)[1].0, "Account.number");
}

#[test]
fn numbers_in_json_strings_are_numbers() {
    let rows: Vec<Value> = deals()
        .into_iter()
        .map(|deal| {
            HEADER
                .iter()
                .zip(deal)
                .map(|(name, cell)| ((*name).to_owned(), Value::String(cell)))
                .collect::<serde_json::Map<_, _>>()
                .into()
        })
        .collect();
    let fixture = trained(&Value::Array(rows).to_string());
    let kinds: Vec<String> = inputs(&fixture).into_iter().map(|(_, kind)| kind).collect();
    // In the order of the keys.
    assert_eq!(kinds, ["number", "number", "category", "timestamp"]);
    assert!(said(&fixture, "numbers_in_strings").contains("Amount, Discount"));
}

#[test]
fn predictions_are_one_a_row_where_a_dataset_of_one_column_has_blank_lines() {
    let rows: String = deals()
        .iter()
        .map(|deal| format!("{},{}\n", deal[0], deal[4]))
        .collect();
    let fixture = Fixture::new("deals.csv", format!("Amount,IsWon\n{rows}"))
        .specification(SPECIFICATION)
        .trained();
    let blank: String = (0..12)
        .map(|row| {
            if row % 3 == 1 {
                "\n".to_owned()
            } else {
                format!("{row}00\n")
            }
        })
        .collect();
    let finished = fixture.predict("rows.csv", format!("Amount\n{blank}"));
    assert_eq!(finished.status, 0, "{}", finished.stderr);
    assert_eq!(
        fixture.read("predictions/predictions.csv").lines().count(),
        13
    );
    assert!(
        finished
            .stderr
            .contains("4 lines, blank, of a dataset of one column"),
        "{}",
        finished.stderr
    );
}

#[test]
fn a_model_without_reading_rules_reads_as_it_did() {
    let fixture = trained(&csv(&deals(), ","));
    let rows = "Amount,Region,Discount,When\n1500, North,5.5,2023-01-01\n1500,North,5.5,2023-01-01\n007,North,?,2023-01-01\n";
    assert_eq!(fixture.predict("rows.csv", rows).status, 0);
    let today = fixture.read("predictions/predictions.csv");
    let line = |text: &str, row: usize| {
        text.lines()
            .nth(row)
            .unwrap()
            .split_once(',')
            .unwrap()
            .1
            .to_owned()
    };
    assert_eq!(line(&today, 1), line(&today, 2));
    let mut older = model(&fixture);
    assert_eq!(older["reading_rules"], 2);
    older.as_object_mut().unwrap().remove("reading_rules");
    fixture.write("model/model.json", older.to_string());
    let finished = fixture.predict("rows.csv", rows);
    assert_eq!(finished.status, 0, "{}", finished.stderr);
    let before = fixture.read("predictions/predictions.csv");
    assert_ne!(
        line(&before, 1),
        line(&before, 2),
        "` North` is a category of its own"
    );
    assert!(
        finished
            .stderr
            .contains("Discount: 1 cells cannot be read as number"),
        "{}",
        finished.stderr
    );
    older["reading_rules"] = 99.into();
    fixture.write("model/model.json", older.to_string());
    let finished = fixture.predict("rows.csv", rows);
    assert_ne!(finished.status, 0);
    assert!(
        finished.stderr.contains("reading rules 99"),
        "{}",
        finished.stderr
    );
}

#[test]
fn na_is_in_predict_what_it_was_in_training() {
    let country = |row: usize, _: &str| ["DE", "US", "NA", "FR"][row % 4].to_owned();
    let fixture = trained(&csv(&changed(1, country), ","));
    assert_eq!(model(&fixture)["inputs"][1]["na_is_text"], true);
    let rows = "Amount,Region,Discount,When\n1500,NA,5.5,2023-01-01\n1500,,5.5,2023-01-01\n";
    assert_eq!(fixture.predict("rows.csv", rows).status, 0);
    let predictions = fixture.read("predictions/predictions.csv");
    let line = |row: usize| {
        predictions
            .lines()
            .nth(row)
            .unwrap()
            .split_once(',')
            .unwrap()
            .1
            .to_owned()
    };
    assert_ne!(line(1), line(2));
}
