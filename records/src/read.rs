use contract::Warning;

use crate::column::Records;
use crate::csv::Csv;
use crate::error::{Problem, ReadError};
use crate::format::{Family, Format, Kind, family};
use crate::input::{Input, Window};
use crate::json::Json;
use crate::options::Options;
use crate::parquet;
use crate::source::Source;
use crate::table::Table;

/// Reads a dataset into columns.
///
/// Rows are read a block at a time, so besides the columns only a block (or the longest row) is held. A column takes
/// the type of its first value; when a later one is of another type, the source is read once more and the column
/// becomes text. Of Parquet a page is held instead of a block.
///
/// # Errors
/// When the source can't be read, is of no known format, is not well-formed, goes beyond a limit of `options`, or
/// a cell is not of the type that `options` declare.
pub fn read(source: &dyn Source, options: &Options) -> Result<Records, ReadError> {
    let mut input = Input::open(source, options)?;
    let mut parser = match family(input.text())? {
        Family::Csv => Parser::Csv(Csv::default()),
        Family::Json => Parser::Json(Json::default()),
        Family::Parquet => return parquet::read(input, source, options),
    };
    let mut table = Table::new(options);
    loop {
        match pass(&mut input, &mut parser, &mut table)? {
            Pass::TypesFound => table.restart(),
            Pass::Whole if table.has_mixed_columns() => table.read_again()?,
            Pass::Whole => break,
        }
        parser.restart();
        input = Input::open(source, options)?;
    }
    let format = Format {
        kind: parser.kind(),
        gzip: input.is_gzip(),
    };
    let mut records = table.finish(format)?;
    records.warnings = parser.warnings();
    Ok(records)
}

/// How far a pass over the source went.
enum Pass {
    /// The first block was enough to see that some columns are text: start over with that.
    TypesFound,
    Whole,
}

fn pass(
    input: &mut Input<'_>,
    parser: &mut Parser,
    table: &mut Table<'_>,
) -> Result<Pass, ReadError> {
    let mut first = true;
    loop {
        if parser.is_of_lines() {
            input.end_last_line();
        }
        let used = parser.rows(input.window(), table)?;
        table.drop_partial_row();
        input.consume(used);
        if first && table.has_mixed_columns() {
            return Ok(Pass::TypesFound);
        }
        first = false;
        if input.at_end() {
            parser.end(input.window(), table)?;
            return Ok(Pass::Whole);
        }
        table.expect_rows(input.offset(), input.size());
        input.refill().map_err(|error| parser.place(error, table))?;
    }
}

enum Parser {
    Csv(Csv),
    Json(Json),
}

impl Parser {
    fn is_of_lines(&self) -> bool {
        matches!(self, Parser::Csv(_))
    }

    fn restart(&mut self) {
        match self {
            Parser::Csv(csv) => csv.restart(),
            Parser::Json(json) => json.restart(),
        }
    }

    /// Reads the complete rows of `window`, and gives how many bytes they take.
    fn rows(&mut self, window: Window<'_>, table: &mut Table<'_>) -> Result<usize, ReadError> {
        match self {
            Parser::Csv(csv) => csv.rows(window, table),
            Parser::Json(json) => json.rows(window, table),
        }
    }

    /// Judges what is left behind the last row.
    fn end(&mut self, rest: Window<'_>, table: &Table<'_>) -> Result<(), ReadError> {
        match self {
            Parser::Csv(csv) => csv.end(rest, table),
            Parser::Json(json) => json.end(rest, table),
        }
    }

    /// Where reading on failed: in the row that was not complete, when that is what was too long.
    fn place(&self, error: ReadError, table: &Table<'_>) -> ReadError {
        match error.problem() {
            Problem::RowTooLong { .. } => table.here(error),
            _ => error,
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Parser::Csv(csv) => csv.kind(),
            Parser::Json(json) => json.kind(),
        }
    }

    fn warnings(&self) -> Vec<Warning> {
        match self {
            Parser::Csv(_) => Vec::new(),
            Parser::Json(json) => json.warnings(),
        }
    }
}
