#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::score::Port;

/// A model of a number `x` and a text `s`, with what its metadata note.
fn schema(metadata: &[(&str, &str)]) -> Result<Schema, String> {
    let port = |name: &str, kind| Port {
        name: name.to_owned(),
        kind,
        columns: 1,
    };
    let signature = Signature {
        inputs: vec![port("x", Kind::Number), port("s", Kind::Text)],
        outputs: Vec::new(),
        metadata: metadata
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
    };
    Schema::of(&signature, 1 << 20)
}

/// The cells of `x` and of `s`, and the messages of the warnings.
type Read = (Vec<f32>, Vec<String>, Vec<String>);

/// Reads rows that come in blocks of two.
fn read(schema: &mut Schema, csv: &str) -> Result<Read, String> {
    let options = Options {
        rules: schema.rules(),
        ..Options::default()
    };
    let bytes = csv.as_bytes();
    let mut blocks = records::Blocks::open(&bytes, &options, 1 << 20).unwrap();
    let (mut numbers, mut texts) = (Vec::new(), Vec::new());
    while let Some(block) = blocks.next(2, usize::MAX).unwrap() {
        let records = schema
            .parse(&block)
            .map_err(|error| at(&error, block.first_row))?;
        let columns = schema.read(records, block.first_row)?;
        for column in columns.part(0, columns.rows) {
            match column.values {
                Values::Numbers(values) => numbers.extend(values),
                Values::Doubles(values) => numbers.extend(values.iter().map(|value| *value as f32)),
                Values::Text(values) => texts.extend(values),
            }
        }
    }
    let said = schema.finish(blocks.passed())?.warnings;
    let said = said.into_iter().map(|warning| warning.message).collect();
    Ok((numbers, texts, said))
}

const SECOND: (&str, &str) = ("reading_rules", "2");

#[test]
fn a_model_without_the_note_reads_by_the_first_rules() {
    let csv = "x,s\n1, a\n?,NA\n";
    let (numbers, texts, said) = read(&mut schema(&[]).unwrap(), csv).unwrap();
    assert!(numbers[0] == 1.0 && numbers[1].is_nan());
    assert_eq!(texts, [" a", "NA"]);
    assert_eq!(
        said,
        ["x: 1 cells cannot be read as number and count as missing"]
    );
    let (_, texts, said) = read(&mut schema(&[SECOND]).unwrap(), csv).unwrap();
    assert_eq!(texts, ["a", ""]);
    assert!(said[0].contains("x: 1 of 2 (`?` in row 2)"), "{said:?}");
}

#[test]
fn rules_of_a_later_runner_are_refused() {
    for number in ["3", "", "two"] {
        let problem = schema(&[("reading_rules", number)]).err().unwrap();
        assert!(problem.contains("use a newer one"), "{problem}");
    }
}

#[test]
fn columns_are_read_as_the_model_knows_them_wherever_blocks_end() {
    let noted = r#"{"inputs":[{"name":"x","type":"number","format":"1.234,5"},{"name":"s","type":"category","na_is_text":true}]}"#;
    let mut model = schema(&[SECOND, ("schema", noted)]).unwrap();
    let csv = "x;s\n2.411;NA\n7;b\nx;s\n1.234.567,5;c\n-;d\nfive;e\n";
    let (numbers, texts, said) = read(&mut model, csv).unwrap();
    assert_eq!(numbers[..3], [2_411.0, 7.0, 1_234_567.5]);
    assert!(numbers[3].is_nan() && numbers[4].is_nan());
    assert_eq!(texts, ["NA", "b", "c", "d", "e"]);
    for part in [
        "1 line in mid-file",
        "(`-` in row 4)",
        "x: 1 of 4 cells cannot be read as number (`five` in row 5)",
    ] {
        assert!(
            said.iter().any(|said| said.contains(part)),
            "{part}: {said:?}"
        );
    }
    // No block is judged by its own marks.
    let mut plain = schema(&[SECOND]).unwrap();
    let problem = read(&mut plain, "x;s\n2.411;a\n3.411;b\n1.234.567;c\n").unwrap_err();
    assert!(
        problem.contains("row 3, column `x`: `1.234.567` is a number in another form"),
        "{problem}"
    );
}

#[test]
fn a_column_of_which_no_cell_can_be_read_is_refused_once_all_blocks_are_known() {
    let problem = read(&mut schema(&[SECOND]).unwrap(), "x,s\n,a\nno,b\nnot,c\n").unwrap_err();
    assert!(
        problem.starts_with("row 2, column `x`: `no` is no number"),
        "{problem}"
    );
    let (numbers, _, said) =
        read(&mut schema(&[SECOND]).unwrap(), "x,s\nno,a\nnot,b\n3,c\n").unwrap();
    assert_eq!(numbers[2], 3.0);
    assert!(
        said[0].contains("x: 2 of 3 cells cannot be read as number"),
        "{said:?}"
    );
}
