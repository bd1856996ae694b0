//! A table that is written as CSV is read as it was, whatever its cells hold.
#![no_main]

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use records::{Options, Rules, Type, Values, read};

#[derive(Arbitrary, Debug)]
struct Table {
    /// Cells of two columns.
    rows: Vec<(Cell, Cell)>,
    separator: Separator,
    crlf: bool,
    last_line_ends: bool,
}

#[derive(Arbitrary, Debug)]
struct Cell {
    text: String,
    quoted: bool,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Separator {
    Comma,
    Semicolon,
    Tab,
}

fuzz_target!(|table: Table| {
    if table.rows.is_empty() {
        return;
    }
    let separator = match table.separator {
        Separator::Comma => ',',
        Separator::Semicolon => ';',
        Separator::Tab => '\t',
    };
    let line_break = if table.crlf { "\r\n" } else { "\n" };
    let mut csv = format!("first{separator}second");
    for (first, second) in &table.rows {
        csv += &format!(
            "{line_break}{}{separator}{}",
            written(first),
            written(second)
        );
    }
    if table.last_line_ends {
        csv += line_break;
    }
    let types = ["first", "second"]
        .map(|name| (name.to_owned(), Type::Text))
        .into();
    let records = match read(
        &csv.as_bytes(),
        &Options {
            types,
            // The later rules drop blanks around cells.
            rules: Rules::One,
            block_bytes: 64,
            ..Options::default()
        },
    ) {
        Ok(records) => records,
        Err(error) => panic!("{error}\n{csv:?}"),
    };
    assert_eq!(records.rows, table.rows.len(), "{csv:?}");
    for (column, cells) in records.columns.iter().zip([
        table.rows.iter().map(|row| &row.0).collect::<Vec<_>>(),
        table.rows.iter().map(|row| &row.1).collect(),
    ]) {
        let Values::Text(text) = &column.values else {
            panic!("{:?}", column.values)
        };
        for (code, cell) in text.codes.iter().zip(cells) {
            let is_missing = cell.text.as_bytes().trim_ascii().is_empty();
            let expected = (!is_missing).then_some(&cell.text);
            assert_eq!(text.distinct.get(*code as usize), expected, "{csv:?}");
        }
    }
});

fn written(cell: &Cell) -> String {
    if cell.quoted || cell.text.contains(['"', ',', ';', '\t', '\n', '\r']) {
        format!("\"{}\"", cell.text.replace('"', "\"\""))
    } else {
        cell.text.clone()
    }
}
