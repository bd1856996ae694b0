//! Cells that are not what their column holds: missing, or text after all, and always said.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use records::{Options, Records, Rules, Type, Values};
use support::*;

/// A column `x` of the numbers from 100 on, with `odd` cells in place of the first rows behind `after`.
fn numbers_with(odd: &[&str], rows: usize, after: usize) -> String {
    let mut csv = String::from("x,z\n");
    for row in 0..rows {
        match odd.get(row.wrapping_sub(after)) {
            Some(cell) if cell.contains(',') => csv += &format!("\"{cell}\",z\n"),
            Some(cell) => csv += &format!("{cell},z\n"),
            None => csv += &format!("{},z\n", 100 + row),
        }
    }
    csv
}

fn warning(records: &Records, kind: &str) -> String {
    let kinds: Vec<&str> = records
        .warnings
        .iter()
        .map(|warning| warning.kind.as_str())
        .collect();
    let found = records.warnings.iter().find(|warning| warning.kind == kind);
    found
        .unwrap_or_else(|| panic!("no {kind} among {kinds:?}"))
        .message
        .clone()
}

fn is_number(records: &Records, name: &str) -> bool {
    matches!(column(records, name), Values::Number { .. })
}

fn declared(kind: Type) -> Options {
    Options {
        types: [("x".to_owned(), kind)].into(),
        ..Options::default()
    }
}

fn formatted(example: &str) -> Options {
    Options {
        formats: [("x".to_owned(), example.parse().unwrap())].into(),
        ..declared(Type::Number)
    }
}

/// What is read must not depend on where blocks end, nor on which cell comes first.
fn in_any_blocks(csv: &str) -> Records {
    let whole = ok(csv);
    for block_bytes in [64, 100, 1_000] {
        let cut = with(
            csv,
            &Options {
                block_bytes,
                ..Options::default()
            },
        );
        assert_eq!(format!("{cut:?}"), format!("{whole:?}"), "{block_bytes}");
    }
    whole
}

#[test]
fn every_usual_word_for_a_missing_value_is_missing_at_any_share() {
    for token in [
        "?", "-", "--", ".", "\\N", "(null)", "nil", "NaT", "na", "NA", "missing", "N/A", "null",
        "None", "<NA>", "#DIV/0!", "#REF!", "#VALUE!", "#N/A", "\u{a0}", "\u{2014}", "none",
        "MISSING",
    ] {
        for cells in [
            &["1.5", token][..],
            &[token, "1.5", token, token],
            &["2024-03-01", token, token],
        ] {
            let csv = format!(
                "x,z\n{}",
                cells
                    .iter()
                    .map(|cell| format!("{cell},z\n"))
                    .collect::<String>()
            );
            let records = in_any_blocks(&csv);
            let expected: Vec<bool> = cells.iter().map(|cell| *cell == token).collect();
            let missing: Vec<bool> = numbers(&records, "x").iter().map(Option::is_none).collect();
            assert_eq!(missing, expected, "{token} in {cells:?}");
            let count = cells.iter().filter(|cell| **cell == token).count();
            let said = warning(&records, "missing_words");
            assert!(
                said.contains(&format!("x: {count} of {}", cells.len())),
                "{said}"
            );
        }
    }
}

#[test]
fn na_is_missing_in_text_too_unless_the_others_are_codes_like_it() {
    let records = in_any_blocks("x,z\nyes,1\nNA,2\nno,3\nNA,4\nNone,5\n");
    assert_eq!(words(&records, "x"), ["yes", "", "no", "", "None"]);
    assert!(warning(&records, "missing_words").contains("x: 2 of 5 (`NA` in rows 2, 4)"));
    let codes = in_any_blocks("x,z\nDE,1\nNA,2\nFR,3\nUS,4\n");
    assert_eq!(words(&codes, "x"), ["DE", "NA", "FR", "US"]);
    assert!(codes.notes.of("x").unwrap().na_is_text);
    assert!(codes.warnings.is_empty());
    // A declared type is read by the same rules.
    assert_eq!(
        words(&with("x,z\nyes,1\nNA,2\n", &declared(Type::Text)), "x"),
        ["yes", ""]
    );
}

#[test]
fn where_nothing_is_inferred_the_model_says_what_na_is() {
    let csv = "x,z\nDE,1\nNA,2\nFR,3\nUS,4\n";
    let options = Options {
        infer: false,
        ..declared(Type::Text)
    };
    assert_eq!(words(&with(csv, &options), "x"), ["DE", "", "FR", "US"]);
    let options = Options {
        na_is_text: ["x".to_owned()].into(),
        ..options
    };
    assert_eq!(
        words(&with("x,z\nyes,1\nNA,2\n", &options), "x"),
        ["yes", "NA"]
    );
}

#[test]
fn a_few_odd_cells_among_many_numbers_are_missing_and_said() {
    // 1 % of 300, with digits; where the first cell is odd, too.
    for after in [0, 150, 297] {
        let records = in_any_blocks(&numbers_with(&["x1", "x2", "x3"], 300, after));
        let missing: Vec<usize> = (0..300)
            .filter(|row| numbers(&records, "x")[*row].is_none())
            .collect();
        assert_eq!(missing, [after, after + 1, after + 2]);
        let said = warning(&records, "odd_cells");
        let start = format!(
            "x: 3 of 300 cells are not numbers (`x1` in row {},",
            after + 1
        );
        assert!(said.starts_with(&start), "{said}");
        assert!(said.contains("`[types] x = \"category\"`"), "{said}");
    }
    // 5 % where they are words of three spellings at most.
    let records = in_any_blocks(&numbers_with(
        &["none yet", "later", "later", "tbd", "tbd"],
        100,
        10,
    ));
    assert_eq!(
        numbers(&records, "x")
            .iter()
            .filter(|value| value.is_none())
            .count(),
        5
    );
}

#[test]
fn beyond_the_bounds_the_column_is_text_and_the_share_is_said() {
    for (cells, rows, of) in [
        // 4 of 300 are more than 1 %.
        (&["x1", "x2", "x3", "x4"][..], 300, "4 cells"),
        // Words of four spellings.
        (&["a", "b", "c", "d"], 100, "4 cells"),
        // 6 of 100 are more than 5 %.
        (&["a", "a", "a", "a", "a", "a"], 100, "6 cells"),
        // No more than 20 distinct numbers.
        (&["a"], 21, "1 cell"),
    ] {
        let records = in_any_blocks(&numbers_with(cells, rows, 5));
        assert_eq!(
            words(&records, "x")[..6],
            ["100", "101", "102", "103", "104", cells[0]]
        );
        let said = warning(&records, "mostly_numbers");
        assert!(
            said.contains("% of the cells are numbers") && said.contains(of),
            "{said}"
        );
        assert!(said.contains("`[types] x = \"number\"`"), "{said}");
    }
    let codes: String = (0..300)
        .map(|row| ["250,z\n", "401,z\n", "V27,z\n"][usize::from(row % 50 == 7) * 2])
        .collect();
    let records = in_any_blocks(&format!("x,z\n{codes}"));
    assert_eq!(words(&records, "x")[6..8], ["250", "V27"]);
}

#[test]
fn a_declared_number_is_read_by_the_same_rules_and_the_rest_is_missing() {
    let records = with(
        numbers_with(&["?", "a", "b", "c", "d"], 100, 5),
        &declared(Type::Number),
    );
    let note = records.notes.of("x").unwrap();
    assert_eq!(
        (note.tokens.cells(), note.odd.cells(), note.cells),
        (1, 4, 99)
    );
    let said = warning(&records, "unread_cells");
    assert!(
        said.contains("x: 4 of 99 cells cannot be read as number (`a` in row 7"),
        "{said}"
    );
    // Thousands are told from decimals in both.
    let csv = "x;z\n1,5;1\n-2,25;2\n";
    assert_eq!(
        numbers(&ok(csv), "x"),
        numbers(&with(csv, &declared(Type::Number)), "x")
    );
    let csv = "x,z\n\"1,234,567\",1\n\"45,123\",2\n7,3\n";
    assert_eq!(
        numbers(&ok(csv), "x"),
        [Some(1_234_567.0), Some(45_123.0), Some(7.0)]
    );
    assert_eq!(
        numbers(&ok(csv), "x"),
        numbers(&with(csv, &declared(Type::Number)), "x")
    );
}

#[test]
fn an_impossible_date_among_dates_is_missing() {
    let dates: String = (0..150)
        .map(|row| {
            if row == 77 {
                "2023-02-29,z\n".to_owned()
            } else {
                format!("2023-{:02}-{:02},z\n", 1 + row % 12, 1 + row % 28)
            }
        })
        .collect();
    let records = in_any_blocks(&format!("x,z\n{dates}"));
    assert_eq!(
        numbers(&records, "x")
            .iter()
            .filter(|value| value.is_none())
            .count(),
        1
    );
    let said = warning(&records, "odd_cells");
    assert!(
        said.contains("1 of 150 cells are not dates (`2023-02-29` in row 78)"),
        "{said}"
    );
}

#[test]
fn numbers_in_another_form_are_never_missing_and_their_key_is_named() {
    for (cell, key) in [
        ("$1,234.50", "$1,234.5"),
        ("$1,200", "$1,234.5"),
        ("12 %", "1234.5%"),
        ("12.5%", "1234.5%"),
        ("1 234,50", "1 234,5"),
        ("0,75", "1234,5"),
    ] {
        let records = in_any_blocks(&numbers_with(&[cell], 300, 7));
        assert_eq!(words(&records, "x")[7], cell);
        let said = warning(&records, "numbers_in_another_form");
        let expected = format!("`[types] x = {{ number = \"{key}\" }}`");
        assert!(
            said.contains(&expected) && said.contains("in row 8"),
            "{cell}: {said}"
        );
        let all: Vec<&str> = vec![cell; 30];
        let records = in_any_blocks(&numbers_with(&all, 30, 0));
        assert!(
            warning(&records, "numbers_in_another_form").contains(&expected),
            "{cell}"
        );
        // The key that is named reads them, and where the type alone is declared it is named again.
        let read = with(numbers_with(&[cell], 300, 7), &formatted(key));
        assert_eq!(
            numbers(&read, "x")
                .iter()
                .filter(|value| value.is_none())
                .count(),
            0,
            "{cell}"
        );
        let error = error_with(numbers_with(&[cell], 300, 7), &declared(Type::Number));
        assert_eq!(
            (error.row(), error.column()),
            (Some(8), Some("x")),
            "{cell}"
        );
        assert!(
            error.message().contains(cell) && error.remedy().contains(key),
            "{error}"
        );
    }
}

#[test]
fn a_declared_format_reads_what_its_example_shows() {
    let csv = "x;z\n2.411;1\n1.234.567,5;2\n-7;3\n?;4\n";
    let expected = [Some(2_411.0), Some(1_234_567.5), Some(-7.0), None];
    assert_eq!(numbers(&with(csv, &formatted("1.234,5")), "x"), expected);
    assert_eq!(
        numbers(&with("x;z\n2.411;1\n", &formatted("1234.5")), "x"),
        [Some(2.411)]
    );
    // JSON numbers are what they are.
    let json = r#"[{"x":2.411},{"x":"2.411"}]"#;
    assert_eq!(
        numbers(&with(json, &formatted("1.234,5")), "x"),
        [Some(2.411), Some(2_411.0)]
    );
    let error = error_with("x;z\n2.411;1\n1234.5;2\n", &formatted("1.234,5"));
    assert_eq!(error.row(), Some(2));
}

#[test]
fn a_mark_with_three_digits_behind_it_is_ambiguous_until_another_settles_it() {
    let semicolons = |cells: &[&str]| {
        let rows: String = cells.iter().map(|cell| format!("{cell};z\n")).collect();
        in_any_blocks(&format!("x;z\n{rows}"))
    };
    for (cells, first, is_ambiguous) in [
        (&["2.411", "17", "999.001"][..], 2.411, true),
        (&["2,411", "17"], 2.411, true),
        (&["2.411", "1.5"], 2.411, false),
        (&["2.411", "0.123"], 2.411, false),
        (&["2.411", "1.234.567"], 2_411.0, false),
        (&["2.411", "1,5"], 2_411.0, false),
        (&["2,411", "1,234.5"], 2_411.0, false),
        (&["2,411", "1,5"], 2.411, false),
    ] {
        let records = semicolons(cells);
        assert_eq!(numbers(&records, "x")[0], Some(first), "{cells:?}");
        let note = records
            .notes
            .of("x")
            .and_then(|note| note.ambiguous.as_ref());
        assert_eq!(note.is_some(), is_ambiguous, "{cells:?}");
    }
    let said = warning(&semicolons(&["7", "2.411"]), "ambiguous_numbers");
    for part in [
        "`2.411` in row 2 may be 2411 or 2.411",
        "it is read as 2.411",
        "`[types] x = { number = \"1.234,5\" }`",
    ] {
        assert!(said.contains(part), "{said}");
    }
    // Beside commas, a point begins decimals, and a comma groups thousands.
    assert!(ok("x,z\n2.411,1\n").warnings.is_empty());
    let records = in_any_blocks("x,z\n\"2,411\",1\n5,2\n");
    assert_eq!(numbers(&records, "x"), [Some(2_411.0), Some(5.0)]);
    assert!(warning(&records, "ambiguous_numbers").contains("it is read as 2411"));
    assert!(records.notes.of("x").unwrap().format.is_some());
}

#[test]
fn where_nothing_is_inferred_no_mark_groups_thousands() {
    let options = Options {
        infer: false,
        ..declared(Type::Number)
    };
    assert_eq!(
        numbers(&with("x;z\n2.411;1\n1,5;2\n", &options), "x"),
        [Some(2.411), Some(1.5)]
    );
    let error = error_with("x;z\n2.411;1\n1.234.567;2\n", &options);
    assert_eq!(error.row(), Some(2));
    assert!(
        error.remedy().contains("where the model was trained"),
        "{error}"
    );
}

#[test]
fn numbers_in_json_strings_are_numbers_and_said() {
    let records = ok(r#"[{"x":"1.5","y":"a"},{"x":"?","y":"b"},{"x":"-2e3","y":"7"}]"#);
    assert_eq!(numbers(&records, "x"), [Some(1.5), None, Some(-2_000.0)]);
    assert_eq!(words(&records, "y"), ["a", "b", "7"]);
    assert!(warning(&records, "numbers_in_strings").contains("read as numbers: x;"));
}

#[test]
fn nuls_and_marks_of_byte_order_are_removed_and_counted() {
    let records = in_any_blocks("x,z\n1.5\0,a\0\n2,b\n\u{feff}3,a\n");
    assert_eq!(numbers(&records, "x"), [Some(1.5), Some(2.0), Some(3.0)]);
    assert_eq!(words(&records, "z"), ["a", "b", "a"]);
    assert!(warning(&records, "nuls").starts_with("2 cells"));
    assert!(warning(&records, "byte_order_marks").starts_with("1 line"));
    assert_eq!(
        numbers(&ok("x,z\n\"1.5\0\",a\n2\u{a0},b\n"), "x"),
        [Some(1.5), Some(2.0)]
    );
}

#[test]
fn a_header_in_mid_file_is_passed_over_and_counted() {
    let records = in_any_blocks("x,z\n1,a\nx,z\n2,b\n\u{feff}\"x\", z\r\n3,c\n");
    assert_eq!(numbers(&records, "x"), [Some(1.0), Some(2.0), Some(3.0)]);
    assert!(warning(&records, "header_repeated").starts_with("2 lines"));
    // One column, or another cell, is a row like others.
    assert_eq!(words(&ok("x\na\nx\n"), "x"), ["a", "x"]);
    assert_eq!(words(&ok("x,z\na,b\nx,y\n"), "x"), ["a", "x"]);
}

#[test]
fn a_row_of_units_is_named_with_the_key_that_skips_it() {
    let rows: String = (0..60)
        .map(|row| format!("{}.5,a,{},2023-01-{:02}\n", row, row * 2, 1 + row % 28))
        .collect();
    let records = in_any_blocks(&format!("amount,region,discount,when\nEUR,,%,UTC\n{rows}"));
    assert_eq!(numbers(&records, "amount")[..2], [None, Some(0.5)]);
    assert!(is_number(&records, "discount"));
    let said = warning(&records, "units_row");
    assert!(
        said.starts_with("row 1 is no data: `EUR` in amount, `%` in discount, `UTC` in when"),
        "{said}"
    );
    assert!(said.contains("`[data] skip = 1`"), "{said}");
    assert!(
        records
            .warnings
            .iter()
            .all(|warning| warning.kind != "odd_cells")
    );
    // Where there are too few numbers to tell, it is named too.
    let records = in_any_blocks("a,b,c\nEUR,kg,z\n1,2,z\n3,4,z\n");
    assert_eq!(words(&records, "a"), ["EUR", "1", "3"]);
    assert!(warning(&records, "units_row").contains("`EUR` in a, `kg` in b"));
}

#[test]
fn rows_that_are_skipped_are_missing_in_every_column_and_keep_their_numbers() {
    let mut options = Options::default();
    options.skip.first = 1;
    options.skip.rows = [4].into();
    let records = with("x,z\nEUR\n1,a\n2,b\ntotal,7\n3,c\n", &options);
    assert_eq!(
        numbers(&records, "x"),
        [None, Some(1.0), Some(2.0), None, Some(3.0)]
    );
    assert_eq!(words(&records, "z"), ["", "a", "b", "", "c"]);
    let json = r#"[{"x":"EUR"},{"x":1},{"x":2},{"x":"t"},{"x":3}]"#;
    assert_eq!(numbers(&with(json, &options), "x"), numbers(&records, "x"));
}

#[test]
fn blanks_around_unquoted_cells_are_dropped_and_those_in_quotes_stay() {
    let records = in_any_blocks("x,z\n North\t,1\n\" South\",2\nNorth, 3\n");
    assert_eq!(words(&records, "x"), ["North", " South", "North"]);
    assert_eq!(numbers(&records, "z"), [Some(1.0), Some(2.0), Some(3.0)]);
    assert_eq!(words(&ok(r#"[{"x":" North"}]"#), "x"), [" North"]);
    let first = Options {
        rules: Rules::One,
        ..Options::default()
    };
    assert_eq!(words(&with("x,z\n North,1\n", &first), "x"), [" North"]);
}

#[test]
fn whole_numbers_with_leading_zeros_are_codes() {
    for (cells, is_text) in [
        (&["001", "002", "010"][..], true),
        (&["7", "12345", "00748"], true),
        (&["00748", "12345"], true),
        (&["01", "02", "12"], false),
        (&["0.5", "000.5"], false),
        (&["-001", "5"], false),
    ] {
        let rows: String = cells.iter().map(|cell| format!("{cell},z\n")).collect();
        let records = in_any_blocks(&format!("x,z\n{rows}"));
        assert_eq!(!is_number(&records, "x"), is_text, "{cells:?}");
        if is_text {
            assert_eq!(words(&records, "x"), cells);
        }
        // Declared as numbers, that is what they are.
        assert!(is_number(
            &with(format!("x,z\n{rows}"), &declared(Type::Number)),
            "x"
        ));
    }
    let rows: String = (0..500).map(|row| format!("{row},z\n")).collect();
    assert!(!is_number(&ok(format!("x,z\n{rows}007,z\n")), "x"));
}

#[test]
fn a_blank_line_of_a_dataset_of_one_column_is_a_row() {
    let records = in_any_blocks("x\n1.5\n\n2\n\r\n3\n");
    assert_eq!(
        numbers(&records, "x"),
        [Some(1.5), None, Some(2.0), None, Some(3.0)]
    );
    assert!(warning(&records, "blank_rows").starts_with("2 lines"));
    let records = in_any_blocks("x,z\n1.5,a\n\n2,b\n\n");
    assert_eq!(records.rows, 2);
    assert!(warning(&records, "blank_lines").starts_with("1 line"));
}

#[test]
fn the_first_rules_are_what_they_were() {
    let first = Options {
        rules: Rules::One,
        ..Options::default()
    };
    for (csv, x) in [
        ("x,z\n001,a\n002,b\n", Some(vec![Some(1.0), Some(2.0)])),
        ("x;z\n2.411;a\n1,5;b\n", Some(vec![Some(2.411), Some(1.5)])),
        ("x\n1\n\n2\n", Some(vec![Some(1.0), Some(2.0)])),
        ("x,z\n1,a\n?,b\n", None),
        ("x,z\n1,a\nx,z\n", None),
        ("x,z\n\"1,234\",a\n\"1,234,567\",b\n", None),
    ] {
        let records = with(csv, &first);
        match x {
            Some(expected) => assert_eq!(numbers(&records, "x"), expected, "{csv}"),
            None => assert!(!is_number(&records, "x"), "{csv}"),
        }
        assert!(records.warnings.is_empty(), "{:?}", records.warnings);
    }
    let strings = with(r#"[{"x":"1"},{"x":"2"}]"#, &first);
    assert!(!is_number(&strings, "x"));
}
