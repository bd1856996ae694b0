//! CSV as people bring it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use records::{Columns, Kind, Options, Rules, Type, Values};
use support::*;

#[test]
fn columns_have_the_types_of_their_cells() {
    let records = ok(
        "Amount,IsWon,CloseDate,StageName\n1200.5,true,2024-03-01,Closed Won\n-3e2,FALSE,2024-03-02,Prospecting\n",
    );
    assert_eq!(records.rows, 2);
    assert_eq!(records.format.kind, Kind::Csv { separator: b',' });
    assert_eq!(
        names(&records),
        ["Amount", "IsWon", "CloseDate", "StageName"]
    );
    assert_eq!(numbers(&records, "Amount"), [Some(1200.5), Some(-300.0)]);
    assert_eq!(booleans(&records, "IsWon"), [Some(true), Some(false)]);
    assert_eq!(
        numbers(&records, "CloseDate"),
        [Some(19_783.0), Some(19_784.0)]
    );
    assert_eq!(words(&records, "StageName"), ["Closed Won", "Prospecting"]);
}

#[test]
fn empty_cells_are_missing_in_every_type() {
    let records = ok("n,b,t,s,e\n,,,,\n1,true,2024-03-01,x,\n , ,  ,\"\",\n");
    assert_eq!(numbers(&records, "n"), [None, Some(1.0), None]);
    assert_eq!(booleans(&records, "b"), [None, Some(true), None]);
    assert_eq!(numbers(&records, "t"), [None, Some(19_783.0), None]);
    assert_eq!(text(&records, "s"), [None, Some("x".into()), None]);
    assert_eq!(numbers(&records, "e"), [None, None, None]);
}

#[test]
fn by_the_first_rules_words_for_missing_are_text_in_text() {
    let options = Options {
        rules: Rules::One,
        ..Options::default()
    };
    let records = with("n,s\nNA,NA\n1,x\nnull,None\nN/A,NA\n", &options);
    assert_eq!(numbers(&records, "n"), [None, Some(1.0), None, None]);
    assert_eq!(unfit(&records, "n"), 0);
    assert_eq!(words(&records, "s"), ["NA", "x", "None", "NA"]);
}

#[test]
fn what_is_no_finite_f32_is_missing_and_counted() {
    let records = ok("n,m\nNaN,1\n1,2\ninf,3\n-Infinity,4\n1e39,5\n-1e400,6\n,\n3e38,7\n1e-50,8\n");
    let expected = [
        None,
        Some(1.0),
        None,
        None,
        None,
        None,
        None,
        Some(3e38),
        Some(0.0),
    ];
    assert_eq!(numbers(&records, "n"), expected);
    assert_eq!(unfit(&records, "n"), 5);
    assert_eq!(unfit(&records, "m"), 0);
}

#[test]
fn quotes_hold_separators_line_breaks_and_doubled_quotes() {
    let records = ok("a,\"b, c\",d\n\"1\",\"x, \"\"y\"\"\nz\",\"2\"\n3,\"\"\"\",4\n");
    assert_eq!(names(&records), ["a", "b, c", "d"]);
    assert_eq!(numbers(&records, "a"), [Some(1.0), Some(3.0)]);
    assert_eq!(words(&records, "b, c"), ["x, \"y\"\nz", "\""]);
    assert_eq!(numbers(&records, "d"), [Some(2.0), Some(4.0)]);
}

#[test]
fn a_quote_inside_of_an_unquoted_cell_is_text() {
    assert_eq!(words(&ok("size,n\n5\" pipe,1\n"), "size"), ["5\" pipe"]);
}

#[test]
fn crlf_byte_order_mark_blank_lines_and_a_missing_last_line_break_change_nothing() {
    let plain = ok("a,b\n1,x\n2,y\n");
    assert_eq!(ok("\u{feff}a,b\r\n1,x\r\n2,y\r\n"), plain);
    let blank = ok("\r\na,b\r\n\r\n1,x\n\n2,y");
    assert_eq!((blank.columns, blank.rows), (plain.columns.clone(), 2));
    assert_eq!(ok("a,b\r\n1,\"x\"\r\n2,\"y\""), plain);
}

#[test]
fn semicolons_and_tabs_separate_too() {
    let records = ok("a;b;c\n1,5;x,y;2.5\n-2,25;z;3\n");
    assert_eq!(records.format.kind, Kind::Csv { separator: b';' });
    assert_eq!(numbers(&records, "a"), [Some(1.5), Some(-2.25)]);
    assert_eq!(words(&records, "b"), ["x,y", "z"]);
    assert_eq!(numbers(&records, "c"), [Some(2.5), Some(3.0)]);
    let records = ok("a\tb, c\n1\tx\n");
    assert_eq!(records.format.kind, Kind::Csv { separator: b'\t' });
    assert_eq!(names(&records), ["a", "b, c"]);
}

#[test]
fn a_column_of_several_types_is_text_as_it_was_written() {
    let mut csv = String::from("id,late,n\n");
    for row in 0..100_000 {
        let id = if row == 2 {
            "A-2".to_owned()
        } else {
            format!("{row:03}")
        };
        let late = if row >= 90_000 {
            "unknown".to_owned()
        } else {
            format!("{row}.50")
        };
        csv += &format!("{id},{late},{row}\n");
    }
    let records = ok(&csv);
    assert_eq!(words(&records, "id")[..4], ["000", "001", "A-2", "003"]);
    let late = words(&records, "late");
    assert_eq!(
        (late[0].as_str(), late[99_999].as_str()),
        ("0.50", "unknown")
    );
    let n = numbers(&records, "n");
    assert!(
        n.iter()
            .enumerate()
            .all(|(row, value)| *value == Some(row as f32))
    );
    assert_eq!(n.len(), 100_000);
}

#[test]
fn rows_that_a_block_cuts_are_read_once() {
    // Longer than several blocks, with unfit cells, dictionary entries and quoted line breaks on the cuts.
    let mut csv = String::from("n,s,q\n");
    for row in 0..150_000 {
        csv += &format!(
            "{},word{},\"line\n{}\"\n",
            if row % 3 == 0 { "1e99" } else { "1" },
            row,
            row % 7
        );
    }
    let records = ok(&csv);
    assert_eq!(records.rows, 150_000);
    assert_eq!(unfit(&records, "n"), 50_000);
    let Values::Text(s) = column(&records, "s") else {
        panic!()
    };
    assert!(
        s.codes
            .iter()
            .enumerate()
            .all(|(row, code)| *code as usize == row)
    );
    assert!(
        s.distinct
            .iter()
            .enumerate()
            .all(|(row, word)| *word == format!("word{row}"))
    );
    let Values::Text(q) = column(&records, "q") else {
        panic!()
    };
    assert_eq!(q.distinct.len(), 7);
}

#[test]
fn declared_types_hold() {
    let types = [
        ("zip", Type::Text),
        ("won", Type::Boolean),
        ("n", Type::Number),
        ("t", Type::Time),
    ];
    let options = Options {
        types: types.map(|(name, kind)| (name.to_owned(), kind)).into(),
        ..Options::default()
    };
    let records = with(
        "zip,won,n,t\n00501,1,,2024-03-01 06:00\n10001,no,2,\n",
        &options,
    );
    assert_eq!(words(&records, "zip"), ["00501", "10001"]);
    assert_eq!(booleans(&records, "won"), [Some(true), Some(false)]);
    assert_eq!(numbers(&records, "n"), [None, Some(2.0)]);
    assert_eq!(numbers(&records, "t"), [Some(19_783.25), None]);
}

#[test]
fn columns_may_be_left_out_or_picked() {
    let csv = "a,b,c\n1,\u{b},x\n2,y,z\n";
    let some = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let records = with(
        csv,
        &Options {
            columns: Columns::Except(some(&["b"])),
            ..Options::default()
        },
    );
    assert_eq!(names(&records), ["a", "c"]);
    assert_eq!(records.left_out[0].name, "b");
    let records = with(
        csv,
        &Options {
            columns: Columns::Only(some(&["c"])),
            ..Options::default()
        },
    );
    assert_eq!(names(&records), ["c"]);
    assert_eq!(words(&records, "c"), ["x", "z"]);
}

#[test]
fn a_column_without_a_name_is_named_by_its_place() {
    assert_eq!(names(&ok(",a\n0,1\n")), ["column_1", "a"]);
}

#[test]
fn where_a_block_ends_changes_nothing() {
    let mut csv = String::from("n,\"s\"\"t\",when,mixed,won\r\n");
    for row in 0..40 {
        let number = ["1.25", "", "NaN", "-3e-2", "1e99"][row % 5];
        let mixed = if row == 30 {
            "x".to_owned()
        } else {
            format!("{row}")
        };
        csv += &format!(
            "{number},\"w\u{e9}, \"\"{row}\"\"\r\n\",2024-03-01,{mixed},{}\r\n",
            row % 3 == 0
        );
    }
    let whole = ok(&csv);
    for block_bytes in 64..400 {
        let cut = with(
            &csv,
            &Options {
                block_bytes,
                ..Options::default()
            },
        );
        assert_eq!(format!("{cut:?}"), format!("{whole:?}"), "{block_bytes}");
    }
}
