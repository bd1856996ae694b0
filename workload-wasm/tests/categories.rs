//! Categories that training never saw, and those that are spelled in another way.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use contract::{CategoryCounts, CategoryVerdict, PredictionWarnings};
use support::{Fixture, csv, noise};

const SPECIFICATION: &str = "target = \"y\"\nalgorithm = \"ALGORITHM\"\n[types]\nstore = \"category\"\n[gate]\nbaseline = false";
const CITIES: [&str; 3] = ["Zürich", "Köln", "Bern"];
const CONTRACTS: [&str; 3] = ["Month-to-month", "One year", "Two year"];

/// 600 customers; each cell passes through `spelled`.
fn customers(spelled: impl Fn(&str, String) -> String) -> String {
    csv("contract,store,paperless,city,x,y", 600, |row| {
        let pick = |salt: u32, of: u32| (noise(row + salt) * of as f32) as u32 % of;
        let (contract, store) = (pick(1_000, 3), pick(2_000, 5) + 1);
        let (paperless, city) = (pick(3_000, 2), pick(4_000, 3));
        let score = contract + store % 3 + 2 * paperless + city;
        let cell = |column, value: String| spelled(column, value);
        format!(
            "{},{},{},{},{},{}",
            cell("contract", CONTRACTS[contract as usize].to_owned()),
            cell("store", store.to_string()),
            cell("paperless", ["No", "Yes"][paperless as usize].to_owned()),
            cell("city", CITIES[city as usize].to_owned()),
            noise(row),
            u32::from(score as f32 + noise(row + 9_000) * 2.0 > 4.5),
        )
    })
}

fn same(_: &str, value: String) -> String {
    value
}

/// As a later export spells it: floats, booleans, capitals, and letters with their marks apart.
fn respelled(column: &str, value: String) -> String {
    match column {
        "store" => format!("{value}.0"),
        "paperless" => if value == "Yes" { "True" } else { "False" }.to_owned(),
        "city" => value
            .to_uppercase()
            .replace('Ü', "U\u{308}")
            .replace('Ö', "O\u{308}"),
        _ => value.to_lowercase(),
    }
}

fn trained(algorithm: &str) -> Fixture {
    Fixture::new("train.csv", customers(same))
        .specification(&SPECIFICATION.replace("ALGORITHM", algorithm))
        .trained()
}

/// The predictions for `data`, and what there is to say of it.
fn predicted(fixture: &Fixture, data: String) -> (String, PredictionWarnings) {
    let finished = fixture.predict("rows.csv", data);
    assert_eq!(finished.status, 0, "{}", finished.stderr);
    let said = fixture.read("predictions/warnings.json");
    (
        fixture.read("predictions/predictions.csv"),
        serde_json::from_str(&said).unwrap(),
    )
}

fn counts<'a>(said: &'a PredictionWarnings, column: &str) -> &'a CategoryCounts {
    let mut columns = said.categories.iter();
    columns.find(|counts| counts.column == column).unwrap()
}

#[test]
fn another_spelling_is_the_category_that_it_is() {
    // One-hot columns and codes.
    for algorithm in ["logistic_regression", "random_forest"] {
        let model = trained(algorithm);
        let (usual, _) = predicted(&model, customers(same));
        let (again, said) = predicted(&model, customers(respelled));
        assert!(usual == again, "{algorithm}");
        assert_eq!(said.categories.len(), 4);
        for column in &said.categories {
            assert_eq!((column.values, column.unknown), (600, 0), "{column:?}");
        }
    }
}

#[test]
fn values_that_no_training_row_had_are_counted_and_judged() {
    let model = trained("random_forest");
    let (_, said) = predicted(
        &model,
        customers(|column, value| match column {
            "contract" => value.to_lowercase().replace('-', "_"),
            "city" => format!("{value} (CH)"),
            _ => value,
        }),
    );
    let months = customers(same).matches("Month-to-month").count() as u64;
    assert_eq!(counts(&said, "contract").unknown, months);
    let CategoryVerdict::Unusual(warning) = counts(&said, "contract").verdict() else {
        panic!("a third of the values is unknown")
    };
    assert_eq!(warning.column.as_deref(), Some("contract"));
    assert!(warning.message.contains("`month_to_month`"), "{warning}");
    let CategoryVerdict::NoneKnown(problem) = counts(&said, "city").verdict() else {
        panic!("no city is known")
    };
    assert!(
        problem.contains("`Bern`") && problem.contains("(CH)"),
        "{problem}"
    );
    assert_eq!(
        counts(&said, "paperless").verdict(),
        CategoryVerdict::Expected
    );
}

#[test]
fn what_held_out_rows_do_not_know_is_expected_of_others() {
    // Some 250 surnames, of which 20 are told apart.
    let data = |from: u32| {
        csv("name,x,y", 2_000, |row| {
            let name = (noise(row + from).powi(3) * 250.0) as u32;
            format!("n{name},{},{}", noise(row), noise(row + 1) > 0.5)
        })
    };
    let model = Fixture::new("train.csv", data(10_000))
        .specification(
            "target = \"y\"\nalgorithm = \"logistic_regression\"\n[types]\nname = \"category\"\n[gate]\nbaseline = false",
        )
        .trained();
    let (_, said) = predicted(&model, data(50_000));
    let name = counts(&said, "name");
    let share = name.unknown as f64 / name.values as f64;
    assert!(name.expected > 0.4, "{name:?}");
    assert!((share - name.expected).abs() < 0.05, "{name:?}");
    assert_eq!(name.verdict(), CategoryVerdict::Expected);
}

#[test]
fn a_model_of_an_earlier_module_predicts_as_before() {
    let model = trained("logistic_regression");
    let mut old: serde_json::Value = serde_json::from_str(&model.read("model/model.json")).unwrap();
    for encoder in old["features"].as_array_mut().unwrap() {
        encoder.as_object_mut().unwrap().remove("matching");
    }
    model.write("model/model.json", old.to_string());
    let finished = model.predict("rows.csv", customers(respelled));
    assert_eq!(finished.status, 0, "{}", finished.stderr);
    assert_eq!(
        model.files("predictions"),
        ["predictions.csv"],
        "nothing is judged"
    );
    let respelled_rows = model.read("predictions/predictions.csv");
    let unknown = customers(|column, value| match column {
        "x" => value,
        _ => format!("never seen: {value}"),
    });
    model.predict("others.csv", unknown);
    assert_eq!(respelled_rows, model.read("predictions/predictions.csv"));
}

#[test]
fn the_rows_of_the_parity_check_are_spelled_as_the_model_spells_them() {
    // Held-out rows are the last ones, in another spelling than the training rows.
    let data = csv("day,city,y", 500, |row| {
        let city = CITIES[(noise(row + 1_000) * 3.0) as usize % 3];
        let city = if row < 400 {
            city.to_owned()
        } else {
            city.to_lowercase()
        };
        format!(
            "{row},{city},{}",
            (noise(row) * 2.0 + f32::from(city.len() as u8 % 2)) > 1.2
        )
    });
    let model = Fixture::new("train.csv", data)
        .specification(
            "target = \"y\"\ndrop = \"day\"\nalgorithm = \"logistic_regression\"\n[split]\ntime = \"day\"\n[gate]\nbaseline = false",
        )
        .trained();
    let check: contract::Check = serde_json::from_str(&model.read("model/check.json")).unwrap();
    let contract::CheckValues::Text(cities) = &check.columns[0].values else {
        panic!("cities are text")
    };
    assert_eq!(cities.len(), 100);
    assert!(
        cities
            .iter()
            .flatten()
            .all(|city| CITIES.contains(&city.as_str()))
    );
}
