//! Parquet files of several writers are the tables that they hold; damaged and hostile ones are errors that say where.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeMap;
use std::path::PathBuf;

use records::{
    Blocks, Columns, Kind, Options, Problem, Reason, Records, Rules, Type, Values, read,
};
use support::thrift::{I32, I64, Struct};
use support::{error, error_with, names, numbers, ok, unfit, with, words};

fn file(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/data", name]
        .iter()
        .collect()
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(file(name)).unwrap()
}

fn read_file(name: &str) -> Records {
    read(&file(name), &Options::default()).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Columns as text, so that missing values are equal.
fn shown(records: &Records) -> BTreeMap<String, String> {
    let texts = |name: &str, values: &Values| match values {
        Values::Text(_) => format!("{:?}", support::text(records, name)),
        values => format!("{values:?}"),
    };
    let columns = records.columns.iter();
    columns
        .map(|column| (column.name.clone(), texts(&column.name, &column.values)))
        .collect()
}

#[test]
fn every_writer_codec_and_page_version_gives_what_the_same_table_gives_as_csv() {
    let csv = shown(&read_file("table.csv"));
    let mut read = 0;
    for name in std::fs::read_dir(file("")).unwrap() {
        let name = name.unwrap().file_name().into_string().unwrap();
        let is_the_table = [
            "pages",
            "plain",
            "encodings",
            "int96",
            "polars",
            "duckdb",
            "fastparquet",
        ]
        .iter()
        .any(|part| name.contains(part));
        if !is_the_table {
            continue;
        }
        let records = read_file(&name);
        assert_eq!(records.rows, 60, "{name}");
        assert_eq!(records.format.kind, Kind::Parquet, "{name}");
        for (column, values) in shown(&records) {
            assert_eq!(Some(&values), csv.get(&column), "{name}: {column}");
        }
        read += 1;
    }
    assert!(read >= 17, "{read} files");
}

#[test]
fn all_columns_are_read_in_the_order_of_the_file_and_nested_ones_are_dotted() {
    let csv = read_file("table.csv");
    assert_eq!(names(&read_file("zstd-pages-2.parquet")), names(&csv));
}

#[test]
fn parquet_inside_of_gzip_is_read() {
    use std::io::Write;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&bytes("plain.parquet")).unwrap();
    let records = ok(gzip.finish().unwrap());
    assert!(records.format.gzip);
    assert_eq!(shown(&records), shown(&read_file("table.csv")));
}

#[test]
fn text_may_turn_out_to_be_dates_or_not_and_nan_is_counted() {
    let records = read_file("mixed.parquet");
    assert_eq!(words(&records, "date"), ["2024-03-01", "", "soon"]);
    assert_eq!(words(&records, "code"), ["007", "008", ""]);
    assert_eq!(numbers(&records, "n"), [Some(1.5), Some(2.5), None]);
    assert_eq!(unfit(&records, "n"), 1);
}

#[test]
fn columns_of_any_type_can_be_read_as_text() {
    let names = [
        "whole", "double", "price", "won", "day", "nanos", "clock", "huge",
    ];
    let options = Options {
        types: names.map(|name| (name.to_owned(), Type::Text)).into(),
        ..Options::default()
    };
    let records = with(bytes("plain.parquet"), &options);
    let second = |name| words(&records, name)[1].clone();
    assert_eq!(second("whole"), "999973");
    assert_eq!(second("double"), "0.3333333333333333");
    assert_eq!(second("price"), "-4.63");
    assert_eq!(second("won"), "false");
    assert_eq!(second("day"), "1969-12-21");
    assert_eq!(second("nanos"), "1969-12-20T08:39:37Z");
    assert_eq!(second("clock"), "01:01:00.500000");
    assert_eq!(second("huge"), "9224372036854775808");
}

#[test]
fn by_the_first_rules_a_declared_type_that_does_not_fit_names_row_and_column() {
    let options = Options {
        types: [("stage".to_owned(), Type::Number)].into(),
        rules: Rules::One,
        ..Options::default()
    };
    let error = error_with(bytes("plain.parquet"), &options);
    assert_eq!((error.row(), error.column()), (Some(2), Some("stage")));
    assert_eq!(error.message(), "`Closed Won` is not a number");
}

#[test]
fn lists_maps_and_bytes_are_left_out_and_said_so() {
    let records = read_file("lists.parquet");
    assert_eq!(names(&records), ["n"]);
    let left_out: Vec<_> = records
        .left_out
        .iter()
        .map(|column| (column.name.as_str(), column.reason))
        .collect();
    assert_eq!(
        left_out,
        [
            ("tags", Reason::Array),
            ("attributes", Reason::Array),
            ("photo", Reason::Bytes)
        ]
    );
}

#[test]
fn columns_that_are_not_wanted_are_not_read() {
    let options = Options {
        columns: Columns::Except(["photo".to_owned()].into()),
        ..Options::default()
    };
    let records = with(bytes("bytes.parquet"), &options);
    assert_eq!(names(&records), ["n"]);
    let error = error(bytes("bytes.parquet"));
    assert!(matches!(error.problem(), Problem::NotUtf8));
    assert_eq!((error.row(), error.column()), (Some(2), Some("photo")));
}

#[test]
fn codecs_that_are_not_read_are_named_with_what_to_do() {
    for (name, codec) in [("brotli", "Brotli"), ("lz4", "LZ4")] {
        let error = error(bytes(&format!("{name}.parquet")));
        assert_eq!(
            error.message(),
            format!("a column is compressed with {codec} in row group 1, which is not read here")
        );
        assert_eq!(error.column(), Some("whole"));
        assert!(error.remedy().contains("zstd"), "{}", error.remedy());
    }
}

#[test]
fn encrypted_files_and_columns_say_so() {
    let whole = error(bytes("encrypted.parquet"));
    assert!(matches!(whole.problem(), Problem::Encrypted));
    assert!(whole.remedy().contains("decrypt"));
    let column = error(bytes("encrypted-column.parquet"));
    assert!(matches!(column.problem(), Problem::Encrypted), "{column}");
    assert_eq!(column.column(), Some("small"));
}

#[test]
fn a_file_without_rows_says_so() {
    let error = error(bytes("no-rows.parquet"));
    assert_eq!(error.message(), "the dataset holds no rows (Parquet)");
}

#[test]
fn a_file_that_was_cut_anywhere_is_an_error() {
    let whole = bytes("int96.parquet");
    for length in 4..whole.len() {
        let error = error(&whole[..length]);
        assert!(
            matches!(
                error.problem(),
                Problem::ParquetTruncated | Problem::ParquetDamaged { .. }
            ),
            "{length}: {error}"
        );
    }
}

#[test]
fn any_byte_may_be_another_one() {
    for name in [
        "encodings.parquet",
        "int96.parquet",
        "lists.parquet",
        "mixed.parquet",
        "fastparquet-gzip.parquet",
        "duckdb-2.parquet",
    ] {
        let whole = bytes(name);
        let options = Options {
            max_bytes: 16 << 20,
            ..Options::default()
        };
        let (mut tables, mut errors) = (0, 0);
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= [0x01, 0x10, 0x80, 0xff][at % 4];
            match read(&damaged, &options) {
                Ok(_) => tables += 1,
                Err(error) => {
                    assert!(!error.remedy().is_empty());
                    errors += 1;
                }
            }
        }
        assert!(
            tables > 0 && errors > 100,
            "{name}: {tables} tables, {errors} errors"
        );
    }
}

#[test]
fn a_few_bytes_do_not_stand_for_more_rows_than_the_limit() {
    let options = Options {
        max_bytes: 20_000_000,
        ..Options::default()
    };
    // 8 MB as cells, 50 MB as text.
    let error = error_with(bytes("constant.parquet"), &options);
    assert!(
        matches!(error.problem(), Problem::TooManyBytes { .. }),
        "{error}"
    );
    assert_eq!(error.column(), Some("s"));
    assert_eq!(ok(bytes("constant.parquet")).rows, 1_000_000);
}

/// A file of one column `n` of whole numbers with one page, whose headers say what a test wants.
struct Made {
    rows: i64,
    values: i64,
    uncompressed: i64,
    compressed: i64,
    codec: i64,
    encoding: i64,
    offset: i64,
    chunk: Option<i64>,
    page: i64,
    body: Vec<u8>,
}

impl Default for Made {
    fn default() -> Self {
        let body: Vec<u8> = [7_i64, 8]
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        Made {
            rows: 2,
            values: 2,
            uncompressed: 16,
            compressed: 16,
            codec: 0,
            encoding: 0,
            offset: 4,
            chunk: None,
            page: 0,
            body,
        }
    }
}

impl Made {
    fn bytes(&self) -> Vec<u8> {
        let field = if self.page == 2 { 7 } else { 5 };
        let page = Struct::default()
            .int(1, I32, self.page)
            .int(2, I32, self.uncompressed)
            .int(3, I32, self.compressed)
            .inner(
                field,
                Struct::default()
                    .int(1, I32, self.values)
                    .int(2, I32, self.encoding)
                    .int(3, I32, 3)
                    .int(4, I32, 3),
            )
            .end();
        let length = (page.len() + self.body.len()) as i64;
        let metadata = Struct::default()
            .int(1, I32, 2)
            .int(4, I32, self.codec)
            .int(5, I64, self.values)
            .int(7, I64, self.chunk.unwrap_or(length))
            .int(9, I64, self.offset);
        let group = Struct::default()
            .list(1, &[Struct::default().inner(3, metadata)])
            .int(3, I64, self.rows);
        let root = Struct::default().name(4, "root").int(5, I32, 1);
        let leaf = Struct::default().int(1, I32, 2).int(3, I32, 0).name(4, "n");
        let footer = Struct::default()
            .list(2, &[root, leaf])
            .int(3, I64, self.rows)
            .list(4, &[group])
            .end();
        let length = (footer.len() as u32).to_le_bytes();
        [
            b"PAR1",
            page.as_slice(),
            &self.body,
            &footer,
            &length,
            b"PAR1",
        ]
        .concat()
    }
}

#[test]
fn sizes_in_headers_are_believed_no_further_than_the_file_goes() {
    assert_eq!(
        numbers(&ok(Made::default().bytes()), "n"),
        [Some(7.0), Some(8.0)]
    );
    let most = i64::from(i32::MAX);
    for (what, made) in [
        (
            "more rows than values",
            Made {
                rows: most,
                ..Made::default()
            },
        ),
        (
            "more values than rows",
            Made {
                rows: 1,
                ..Made::default()
            },
        ),
        (
            "fewer than no rows",
            Made {
                rows: -1,
                ..Made::default()
            },
        ),
        (
            "values that are not there",
            Made {
                rows: most,
                values: most,
                ..Made::default()
            },
        ),
        (
            "fewer than no values",
            Made {
                values: -2,
                ..Made::default()
            },
        ),
        (
            "a huge page",
            Made {
                compressed: most,
                ..Made::default()
            },
        ),
        (
            "a page below zero",
            Made {
                compressed: -16,
                ..Made::default()
            },
        ),
        (
            "a huge uncompressed page",
            Made {
                uncompressed: most,
                ..Made::default()
            },
        ),
        (
            "a page of Snappy that is none",
            Made {
                codec: 1,
                ..Made::default()
            },
        ),
        (
            "a page of gzip that is none",
            Made {
                codec: 2,
                uncompressed: most,
                ..Made::default()
            },
        ),
        (
            "a page of zstd that is none",
            Made {
                codec: 6,
                ..Made::default()
            },
        ),
        (
            "a column at a place below zero",
            Made {
                offset: -4,
                ..Made::default()
            },
        ),
        (
            "a column behind the end",
            Made {
                offset: i64::MAX,
                ..Made::default()
            },
        ),
        (
            "a column longer than the file",
            Made {
                chunk: Some(i64::MAX),
                ..Made::default()
            },
        ),
        (
            "a column shorter than nothing",
            Made {
                chunk: Some(-1),
                ..Made::default()
            },
        ),
        (
            "indices without a dictionary",
            Made {
                encoding: 8,
                ..Made::default()
            },
        ),
        (
            "a dictionary of more than there is",
            Made {
                page: 2,
                values: most,
                ..Made::default()
            },
        ),
        (
            "a dictionary and no values",
            Made {
                page: 2,
                ..Made::default()
            },
        ),
    ] {
        let error = error(made.bytes());
        assert!(
            matches!(error.problem(), Problem::ParquetDamaged { .. }),
            "{what}: {error}"
        );
        assert!(error.message().contains("row group 1"), "{what}: {error}");
        assert!(
            made.rows < 0 || error.column() == Some("n"),
            "{what}: {error}"
        );
    }
}

#[test]
fn a_page_that_gives_more_than_its_header_says_is_an_error() {
    use std::io::Write;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&vec![0; 64 << 20]).unwrap();
    let body = gzip.finish().unwrap();
    let compressed = body.len() as i64;
    let error = error(
        Made {
            codec: 2,
            compressed,
            body,
            ..Made::default()
        }
        .bytes(),
    );
    assert!(
        error.message().contains("not as long as its header says"),
        "{error}"
    );
}

#[test]
fn a_page_counts_before_it_is_decompressed() {
    let options = Options {
        max_bytes: 1 << 20,
        ..Options::default()
    };
    let made = Made {
        codec: 2,
        uncompressed: 64 << 20,
        ..Made::default()
    };
    let error = error_with(made.bytes(), &options);
    assert!(
        matches!(error.problem(), Problem::TooManyBytes { .. }),
        "{error}"
    );
    assert_eq!(error.column(), Some("n"));
}

#[test]
fn a_long_name_above_many_columns_is_an_error() {
    let root = Struct::default().name(4, "root").int(5, I32, 1);
    let above = "n".repeat(2 << 20);
    let above = Struct::default()
        .int(3, I32, 0)
        .name(4, &above)
        .int(5, I32, 10);
    let leaf = |index: i64| {
        let name = format!("c{index}");
        Struct::default()
            .int(1, I32, 2)
            .int(3, I32, 0)
            .name(4, &name)
    };
    let schema: Vec<_> = [root, above].into_iter().chain((0..10).map(leaf)).collect();
    let footer = Struct::default().list(2, &schema).int(3, I64, 1).end();
    let length = (footer.len() as u32).to_le_bytes();
    let error = error([b"PAR1", footer.as_slice(), &length, b"PAR1"].concat());
    assert!(error.message().contains("names of its columns"), "{error}");
}

#[test]
fn it_is_one_block_of_as_many_rows_as_its_footer_says_and_no_longer_than_may_be() {
    for name in ["plain.parquet", "duckdb-2.parquet"] {
        let bytes = bytes(name);
        let options = Options::default();
        let length = bytes.len() as u64;
        let mut blocks = Blocks::open(&bytes, &options, length).unwrap();
        let block = blocks.next(1, 1).unwrap().unwrap();
        assert_eq!((block.rows, &block.bytes), (60, &bytes), "{name}");
        assert_eq!(blocks.next(1, 1).unwrap(), None);
        let error = Blocks::open(&bytes, &options, length - 1).err().unwrap();
        assert!(
            matches!(error.problem(), Problem::TooManyBytes { .. }),
            "{error}"
        );
    }
}

#[test]
fn encodings_that_are_not_read_are_named() {
    let error = error(
        Made {
            encoding: 4,
            ..Made::default()
        }
        .bytes(),
    );
    assert_eq!(
        error.message(),
        "a column has the encoding BIT_PACKED in row group 1, which is not read here"
    );
    assert_eq!(error.column(), Some("n"));
}

#[test]
fn a_footer_of_any_lists_takes_no_more_memory_than_it_has_bytes() {
    let mut footer = vec![0x19 + 0x10, 0xfc];
    footer.extend([0xff; 9]);
    footer.push(0x01);
    let length = (footer.len() as u32).to_le_bytes();
    let error = error([b"PAR1", footer.as_slice(), &length, b"PAR1"].concat());
    assert!(
        matches!(error.problem(), Problem::ParquetDamaged { .. }),
        "{error}"
    );
}
