//! Each bad input has an error that says what is wrong, where, and what to do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::{self, Read, Write};
use std::path::PathBuf;

use flate2::{Compression, write::GzEncoder};
use records::{Options, Problem, ReadError, Rules, Source, Type, read};
use support::*;

/// Message, row and column.
fn place(error: &ReadError) -> (String, Option<u64>, Option<&str>) {
    assert!(!error.remedy().is_empty());
    (error.message(), error.row(), error.column())
}

fn gzip(text: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_ref()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn an_empty_dataset() {
    for empty in ["", "\u{feff}", " \r\n\n"] {
        assert_eq!(
            place(&error(empty)),
            ("the dataset is empty".into(), None, None)
        );
        assert_eq!(error(gzip(empty)).message(), "the dataset is empty");
    }
}

#[test]
fn a_header_or_an_array_without_rows() {
    for (text, format) in [
        ("a,b", "CSV"),
        ("a;b\r\n\r\n", "CSV separated by semicolons"),
        ("[ ]", "JSON array"),
        (
            r#"{"totalSize":0,"done":true,"records":[]}"#,
            "Salesforce query result",
        ),
    ] {
        assert_eq!(
            error(text).message(),
            format!("the dataset holds no rows ({format})")
        );
    }
}

#[test]
fn a_header_of_numbers_alone() {
    assert!(matches!(
        error("5.1,3.5,1\n4.9,3,0\n").problem(),
        Problem::NoHeader
    ));
    assert_eq!(
        names(&ok("2023,2024,won\n1,2,0\n")),
        ["2023", "2024", "won"]
    );
}

#[test]
fn rows_with_fewer_or_more_cells_than_the_header() {
    let short = error("a,b,c\n1,2,3\n4,5\n");
    assert_eq!(
        place(&short),
        ("the row has 2 cells, the header 3".into(), Some(2), None)
    );
    let long = error("a,b,c\n1,2,3,4,\"5\"\n");
    assert_eq!(
        place(&long),
        ("the row has 5 cells, the header 3".into(), Some(1), None)
    );
}

#[test]
fn duplicate_columns() {
    let message = "two columns have this name".to_owned();
    assert_eq!(
        place(&error("a,b,a\n1,2,3\n")),
        (message.clone(), None, Some("a"))
    );
    assert_eq!(
        place(&error(r#"[{"a":1},{"a":1,"a":2}]"#)),
        (message.clone(), Some(2), Some("a"))
    );
    assert_eq!(
        place(&error(r#"[{"a.b":1,"a":{"b":2}}]"#)),
        (message, Some(1), Some("a.b"))
    );
}

#[test]
fn text_that_is_not_utf_8() {
    let in_cell = error(b"a,b\n1,x\n2,M\xfcller\n");
    assert_eq!(
        place(&in_cell),
        ("the text is not UTF-8".into(), Some(2), Some("b"))
    );
    assert!(in_cell.remedy().contains("UTF-8"));
    assert_eq!(
        place(&error(b"a,\xfc\n1,2\n")),
        ("the text is not UTF-8".into(), None, None)
    );
    assert_eq!(error(b"[{\"a\":\"\xff\"}]").column(), Some("a"));
    assert_eq!(error(b"[{\"\xff\":1}]").row(), Some(1));
}

#[test]
fn formats_that_are_not_read() {
    for (start, what) in [
        (&b"PK\x03\x04xl"[..], "a zip archive or an Excel workbook"),
        (b"\xff\xfea\0,\0", "UTF-16 text"),
        (
            b"\n<!DOCTYPE html><title>Log in</title>",
            "an HTML or XML page",
        ),
        (b"\x28\xb5\x2f\xfd....", "compressed with zstd"),
    ] {
        assert_eq!(
            error(start).message(),
            format!("the dataset is {what}, which is not read here")
        );
    }
    assert!(matches!(
        error(gzip(gzip("a\n1\n"))).problem(),
        Problem::Unsupported("gzip inside of gzip")
    ));
}

#[test]
fn lines_that_end_with_a_carriage_return_alone() {
    assert!(matches!(
        error("a,b\r1,2\r3,4\r").problem(),
        Problem::CarriageReturns
    ));
    assert!(matches!(
        error("a,b\r1,2\r".repeat(200_000)).problem(),
        Problem::CarriageReturns
    ));
}

#[test]
fn quotes_that_are_not_closed_or_followed_by_text() {
    let open = error("a,b\n1,x\n2,\"y\n3,z\n");
    assert_eq!(
        place(&open),
        ("a quoted cell is never closed".into(), Some(2), None)
    );
    let behind = error("a,b\n1,\"5\" pipe\"\n");
    assert_eq!(
        place(&behind),
        (
            "text follows the closing quote of a cell".into(),
            Some(1),
            Some("b")
        )
    );
}

#[test]
fn a_line_of_20_mb() {
    let long = "x".repeat(20 << 20);
    for text in [
        format!("a,b\n1,2\n3,{long}\n4,5\n"),
        format!("a,b\n1,2\n3,\"{long}\n4,5\n"),
    ] {
        let error = error(&text);
        assert_eq!(
            place(&error),
            (
                "the row is longer than 16777216 bytes".into(),
                Some(2),
                None
            )
        );
    }
    assert_eq!(
        error(format!("[{{\"a\":1}},{{\"a\":\"{long}\"}}]")).row(),
        Some(2)
    );
    assert_eq!(
        error(long).message(),
        "the row is longer than 16777216 bytes"
    );
    // A megabyte is a row as others are.
    assert_eq!(ok(format!("a,b\n1,{}\n2,y\n", "x".repeat(1 << 20))).rows, 2);
}

#[test]
fn gzip_that_ends_early() {
    let whole = gzip("a,b\n1,2\n".repeat(1000));
    for length in [whole.len() - 1, whole.len() - 9, whole.len() / 2, 12, 5, 2] {
        let error = error(&whole[..length]);
        assert!(
            matches!(error.problem(), Problem::GzipTruncated),
            "{length}: {error}"
        );
    }
}

#[test]
fn gzip_that_is_damaged() {
    let mut damaged = gzip("a,b\n1,2\n".repeat(1000));
    let checksum = damaged.len() - 8;
    damaged[checksum] ^= 1;
    assert!(matches!(error(&damaged).problem(), Problem::GzipDamaged(_)));
    assert!(matches!(
        error(b"\x1f\x8bno gzip at all").problem(),
        Problem::GzipDamaged(_)
    ));
}

#[test]
fn gzip_of_several_members_is_one_dataset() {
    let records = ok([gzip("a\n1\n"), gzip("2\n3\n")].concat());
    assert_eq!(numbers(&records, "a"), [Some(1.0), Some(2.0), Some(3.0)]);
    assert_eq!(records.format.to_string(), "CSV, gzip");
}

#[test]
fn gzip_bombs() {
    // One endless line: caught as such long before it is all decompressed.
    let bomb = gzip(vec![b'0'; 1 << 20]).repeat(300);
    assert!(matches!(error(bomb).problem(), Problem::RowTooLong { .. }));
    // Short rows without end: caught by what a byte of gzip gives.
    let rows = format!("{}1\n", "\n".repeat(1 << 20));
    let bomb = [gzip("a\n"), gzip(rows).repeat(300)].concat();
    assert!(matches!(
        error(&bomb).problem(),
        Problem::GzipRatio { limit: 200 }
    ));
    // And by its size.
    let small = Options {
        max_bytes: 10 << 20,
        ..Options::default()
    };
    assert!(matches!(
        error_with(&bomb, &small).problem(),
        Problem::TooManyBytes { .. }
    ));
}

#[test]
fn json_10_000_levels_deep() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!(
            "[{{\"x\":1}},{{\"x\":{}1{}}}]",
            open.repeat(10_000),
            close.repeat(10_000)
        );
        let error = error(&deep);
        assert_eq!(
            place(&error),
            (
                "the JSON is more than 100 levels deep".into(),
                Some(2),
                None
            )
        );
    }
    assert_eq!(
        error("[".repeat(10_000)).message(),
        "an object expected, `[` found at byte 1"
    );
    assert!(matches!(
        error("{\"a\":".repeat(10_000)).problem(),
        Problem::JsonTooDeep { .. }
    ));
}

#[test]
fn json_that_is_not_well_formed() {
    for (text, message) in [
        (
            r#"[{"a":1},{"a":}]"#,
            "a value expected, `}` found at byte 14",
        ),
        (
            r#"[{"a":1} {"a":2}]"#,
            "`,` or `]` expected, `{` found at byte 9",
        ),
        (r#"[{"a" 1}]"#, "`:` expected, `1` found at byte 6"),
        (r#"[{"a":1,}]"#, "a key expected, `}` found at byte 8"),
        (
            r#"[{"a":01}]"#,
            "a number without leading zeros expected, `0` found at byte 6",
        ),
        (r#"[{"a":tru}]"#, "a value expected, `t` found at byte 6"),
        (
            r#"[{"a":"\x"}]"#,
            "an escape expected, `\\` found at byte 7",
        ),
        (
            "[{\"a\":1}] x",
            "an object or an array of objects expected, `x` found at byte 10",
        ),
        ("[1,2]", "an object expected, `1` found at byte 1"),
        ("[[1,2],[3,4]]", "an object expected, `[` found at byte 1"),
    ] {
        assert_eq!(error(text).message(), message, "{text}");
    }
    assert_eq!(error(r#"[{"a":1},{"a":}]"#).row(), Some(2));
}

#[test]
fn json_that_ends_early() {
    let whole = r#"[{"a":"x","b":[1,{"c":null}]},{"a":-1.5e3,"b":true}]"#;
    assert_eq!(ok(whole).rows, 2);
    for length in 1..whole.len() {
        let error = error(&whole[..length]);
        assert!(
            matches!(error.problem(), Problem::JsonTruncated { .. }),
            "{length}: {error}"
        );
    }
}

#[test]
fn json_without_a_column_of_values() {
    let by_column = error(r#"{"a":[1,2],"b":[3,4]}"#);
    assert!(matches!(by_column.problem(), Problem::NoColumns));
    assert!(matches!(error("[{},{}]").problem(), Problem::NoColumns));
}

#[test]
fn more_columns_than_the_limit() {
    let json = (0..200)
        .map(|id| format!("{{\"id{id}\":1}}\n"))
        .collect::<String>();
    let options = Options {
        max_columns: 100,
        ..Options::default()
    };
    let error = error_with(json, &options);
    assert_eq!(
        place(&error),
        ("there are more than 100 columns".into(), Some(101), None)
    );
}

#[test]
fn a_cell_that_is_not_of_the_declared_type_by_the_first_rules() {
    for (kind, cell, message) in [
        (Type::Number, "12 EUR", "`12 EUR` is not a number"),
        (Type::Boolean, "maybe", "`maybe` is not a boolean"),
        (
            Type::Time,
            "2023-02-29",
            "`2023-02-29` is not a date or timestamp",
        ),
    ] {
        let options = Options {
            types: [("x".to_owned(), kind)].into(),
            rules: Rules::One,
            ..Options::default()
        };
        let csv = error_with(format!("y,x\n1,\n2,{cell}\n"), &options);
        assert_eq!(place(&csv), (message.to_owned(), Some(2), Some("x")));
        let json = error_with(format!("{{\"x\":null}}\n{{\"x\":\"{cell}\"}}"), &options);
        assert_eq!(place(&json), (message.to_owned(), Some(2), Some("x")));
    }
}

#[test]
fn a_file_that_is_not_there() {
    let error = read(&PathBuf::from("/nowhere/data.csv"), &Options::default()).unwrap_err();
    assert!(
        error
            .message()
            .starts_with("/nowhere/data.csv can't be opened: "),
        "{error}"
    );
}

/// A source that fails in its middle.
struct Failing;

impl Source for Failing {
    fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        let start = io::Cursor::new("a\n1\n".repeat(500_000));
        Ok(Box::new(start.chain(Broken)))
    }
}

struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::ConnectionReset.into())
    }
}

#[test]
fn a_source_that_fails_while_it_is_read() {
    let error = read(&Failing, &Options::default()).unwrap_err();
    assert_eq!(
        error.message(),
        "the dataset can't be read: connection reset"
    );
}
