//! JSON arrays, NDJSON and Salesforce query results.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use records::{Columns, Kind, Options, Reason, Type};
use support::*;

#[test]
fn an_array_of_objects_is_a_table() {
    let records = ok(
        r#" [ {"n": -1.5e1, "b": true, "t": "2024-03-01T12:00:00.000+0000", "s": "x\n\u00e9\ud83d\ude00"},
        {"n": null, "b": false, "t": null, "s": ""} ] "#,
    );
    assert_eq!(records.format.kind, Kind::JsonArray);
    assert_eq!(numbers(&records, "n"), [Some(-15.0), None]);
    assert_eq!(booleans(&records, "b"), [Some(true), Some(false)]);
    assert_eq!(numbers(&records, "t"), [Some(19_783.5), None]);
    assert_eq!(text(&records, "s"), [Some("x\né😀".into()), None]);
}

#[test]
fn keys_come_in_any_order_and_may_be_absent() {
    let records = ok(r#"[{"a":1,"b":2},{"b":3,"c":"x"},{},{"a":4}]"#);
    assert_eq!(records.rows, 4);
    assert_eq!(names(&records), ["a", "b", "c"]);
    assert_eq!(numbers(&records, "a"), [Some(1.0), None, None, Some(4.0)]);
    assert_eq!(numbers(&records, "b"), [Some(2.0), Some(3.0), None, None]);
    assert_eq!(text(&records, "c"), [None, Some("x".into()), None, None]);
}

#[test]
fn nested_objects_are_dotted_columns() {
    let records = ok(
        r#"[{"Account":{"Industry":"Energy","Owner":{"Age":30}}},{"Account":null},{"Account":{"Industry":"Media"}}]"#,
    );
    assert_eq!(names(&records), ["Account.Industry", "Account.Owner.Age"]);
    assert_eq!(words(&records, "Account.Industry"), ["Energy", "", "Media"]);
    assert_eq!(
        numbers(&records, "Account.Owner.Age"),
        [Some(30.0), None, None]
    );
}

#[test]
fn a_key_that_is_always_null_is_an_empty_column() {
    let records = ok(r#"[{"a":null,"b":1},{"b":2}]"#);
    assert_eq!(names(&records), ["a", "b"]);
    assert_eq!(numbers(&records, "a"), [None, None]);
}

#[test]
fn columns_that_hold_arrays_are_left_out_and_named() {
    let records = ok(r#"[{"a":1,"tags":null},{"a":2,"tags":["x",{"y":[]}]},{"a":3,"tags":"z"}]"#);
    assert_eq!(names(&records), ["a"]);
    assert_eq!(
        (
            records.left_out[0].name.as_str(),
            records.left_out[0].reason
        ),
        ("tags", Reason::Array)
    );
}

#[test]
fn ndjson_is_told_from_a_query_result() {
    let records = ok("{\"size\":1,\"records\":2}\n{\"size\":3,\"records\":4}\r\n\n");
    assert_eq!(records.format.kind, Kind::Ndjson);
    assert_eq!(numbers(&records, "records"), [Some(2.0), Some(4.0)]);
    let records = ok(r#"{"done":true,"name":"x"}"#);
    assert_eq!((records.rows, names(&records)), (1, vec!["done", "name"]));
}

#[test]
fn white_space_may_come_first() {
    let records = ok(format!("{}[{{\"a\":1}}]", " \n".repeat(1 << 20)));
    assert_eq!(numbers(&records, "a"), [Some(1.0)]);
}

const PAGE: &str = r#"{"totalSize": 2, "done": true, "records": [
    {"attributes": {"type": "Opportunity", "url": "/services/data/v60.0/sobjects/Opportunity/006"}, "Amount": 10.0,
     "Account": {"attributes": {"type": "Account"}, "Industry": "Energy"}},
    {"attributes": {"type": "Opportunity", "url": "/x"}, "Amount": null, "Account": null}
  ] }"#;

#[test]
fn a_salesforce_query_result_is_its_records_without_attributes() {
    let records = ok(PAGE);
    assert_eq!(records.format.kind, Kind::Salesforce);
    assert_eq!(names(&records), ["Amount", "Account.Industry"]);
    assert_eq!(numbers(&records, "Amount"), [Some(10.0), None]);
    assert_eq!(words(&records, "Account.Industry"), ["Energy", ""]);
    assert!(records.warnings.is_empty());
}

#[test]
fn query_results_one_after_another_are_one_table() {
    let records = ok(format!("{PAGE}\n{PAGE}"));
    assert_eq!(
        numbers(&records, "Amount"),
        [Some(10.0), None, Some(10.0), None]
    );
}

#[test]
fn a_query_result_without_its_further_pages_is_warned_of() {
    let page = r#"{"totalSize":4000,"done":false,"nextRecordsUrl":"/services/data/v60.0/query/01g-2000","records":[{"a":1}]}"#;
    let warnings = ok(page).warnings;
    assert_eq!(
        (
            warnings.len(),
            warnings[0].kind.as_str(),
            warnings[0].message.as_str()
        ),
        (
            1,
            "pages_missing",
            "the query has 4000 records, the dataset 1: further pages are missing"
        )
    );
    let behind = r#"{"done":false,"records":[{"a":1}],"totalSize":4000}"#;
    assert_eq!(ok(behind).warnings.len(), 1);
}

#[test]
fn salesforce_attributes_are_dropped_from_plain_arrays_and_other_attributes_kept() {
    let records =
        ok(r#"[{"attributes":{"type":"A","url":"/services/data/v60.0/sobjects/A/1"},"n":1}]"#);
    assert_eq!(names(&records), ["n"]);
    let records = ok(r#"[{"attributes":{"color":"red"},"n":1}]"#);
    assert_eq!(names(&records), ["attributes.color", "n"]);
}

#[test]
fn strings_of_digits_are_text_unless_declared_numbers() {
    let json = r#"[{"a":"007"},{"a":"8"}]"#;
    assert_eq!(words(&ok(json), "a"), ["007", "8"]);
    let options = Options {
        types: [("a".to_owned(), Type::Number)].into(),
        ..Options::default()
    };
    assert_eq!(numbers(&with(json, &options), "a"), [Some(7.0), Some(8.0)]);
}

#[test]
fn a_column_of_several_types_is_text_as_it_was_written() {
    let records = ok(r#"[{"a":1.50},{"a":true},{"a":"x"},{"a":null}]"#);
    assert_eq!(words(&records, "a"), ["1.50", "true", "x", ""]);
}

#[test]
fn numbers_that_json_does_not_have_are_missing_and_counted() {
    let records = ok(r#"[{"a":1},{"a":NaN},{"a":-Infinity},{"a":1e99}]"#);
    assert_eq!(numbers(&records, "a"), [Some(1.0), None, None, None]);
    assert_eq!(unfit(&records, "a"), 3);
}

#[test]
fn leaving_out_an_object_leaves_out_all_that_is_in_it() {
    let columns = Columns::Except(["Account".to_owned()].into());
    let records = with(
        r#"[{"Account":{"Id":1},"a":1}]"#,
        &Options {
            columns,
            ..Options::default()
        },
    );
    assert_eq!(names(&records), ["a"]);
}

#[test]
fn documents_longer_than_a_block_are_read_once() {
    let mut json = String::from("[");
    for row in 0..50_000 {
        let late = if row == 49_999 {
            "\"x\"".to_owned()
        } else {
            row.to_string()
        };
        json += &format!(
            "{}{{\"n\": {row}, \"o\": {{\"s\": \"w{row}\"}}, \"late\": {late}}}\n",
            if row > 0 { "," } else { "" }
        );
    }
    json += "]";
    let records = ok(&json);
    assert_eq!(records.rows, 50_000);
    assert!(
        numbers(&records, "n")
            .iter()
            .enumerate()
            .all(|(row, value)| *value == Some(row as f32))
    );
    assert!(
        words(&records, "o.s")
            .iter()
            .enumerate()
            .all(|(row, word)| *word == format!("w{row}"))
    );
    assert_eq!(words(&records, "late")[49_998..], ["49998", "x"]);
}

#[test]
fn where_a_block_ends_changes_nothing() {
    let mut json = String::from(r#"{"totalSize":40,"done":true,"records":["#);
    for row in 0..40 {
        let number = ["1.25", "null", "NaN", "-3e-2", "1e99"][row % 5];
        let mixed = if row == 30 {
            "\"x\"".to_owned()
        } else {
            row.to_string()
        };
        json += &format!(
            r#"{} {{"attributes":{{"type":"A","url":"/x"}},"n":{number},"o":{{"s":"\u00e9\ud83d\ude00\"{row}"}},"mixed":{mixed},"tags":[{row},[]]}}"#,
            if row > 0 { "," } else { "" },
        );
    }
    json += "] }\n";
    let whole = ok(&json);
    for block_bytes in 64..400 {
        let cut = with(
            &json,
            &Options {
                block_bytes,
                ..Options::default()
            },
        );
        assert_eq!(format!("{cut:?}"), format!("{whole:?}"), "{block_bytes}");
    }
}
