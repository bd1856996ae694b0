//! A dataset of any length as a series of short ones.

use crate::csv::{self, Line};
use crate::error::{Problem, ReadError};
use crate::format::{Family, Kind, family};
use crate::input::Input;
use crate::json::Json;
use crate::notes::Passed;
use crate::options::Options;
use crate::parquet;
use crate::rules::Rules;
use crate::source::Source;

/// Some rows of a dataset, as a dataset of their own: with the header line of CSV, as a JSON array, or as a Salesforce
/// query result. Each can be read by [`crate::read`]; types that are not declared are told by the block's rows alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    pub bytes: Vec<u8>,
    pub rows: usize,
    /// Rows of the blocks before it.
    pub first_row: u64,
}

/// Cuts a dataset into [`Block`]s; besides the block, only some of the source is held. The bytes of rows are passed on
/// as they are, decompressed.
pub struct Blocks<'a> {
    input: Input<'a>,
    rows: Rows,
    first_row: u64,
}

enum Rows {
    Csv(Lines),
    Json(Json),
    /// Parquet keeps its columns one after another: all of it is one block, until that was given.
    Whole(Option<Block>),
}

/// Lines of CSV.
struct Lines {
    /// The header line as it stands.
    header: Vec<u8>,
    names: csv::Header,
    rules: Rules,
    passed: Passed,
    /// Blank lines behind which no row was met.
    blank: u64,
}

impl<'a> Blocks<'a> {
    /// Parquet is held whole, and refused where it is longer than `most_whole` bytes, decompressed.
    ///
    /// # Errors
    /// When the source can't be read, or is of no known format.
    pub fn open(
        source: &'a dyn Source,
        options: &Options,
        most_whole: u64,
    ) -> Result<Self, ReadError> {
        let mut input = Input::open(source, options)?;
        let rows = match family(input.text())? {
            Family::Json => Rows::Json(Json::default()),
            Family::Parquet => {
                input.limit(most_whole)?;
                Rows::Whole(Some(whole(&mut input)?))
            }
            Family::Csv => loop {
                input.end_last_line();
                let window = input.window();
                if let Some((names, end)) = csv::first_header(window)? {
                    let header = window.bytes[..end].to_vec();
                    input.consume(end);
                    break Rows::Csv(Lines {
                        header,
                        names,
                        rules: options.rules,
                        passed: Passed::default(),
                        blank: 0,
                    });
                }
                if input.at_end() {
                    return Err(Problem::UnclosedQuote.into());
                }
                input.refill()?;
            },
        };
        Ok(Self {
            input,
            rows,
            first_row: 0,
        })
    }

    /// How many bytes of the dataset were read, decompressed.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.input.offset()
    }

    /// The file's extension that a dataset of this kind has.
    #[must_use]
    pub fn extension(&self) -> &'static str {
        match self.rows {
            Rows::Csv(_) => "csv",
            Rows::Json(_) => "json",
            Rows::Whole(_) => "parquet",
        }
    }

    /// Lines so far that are no rows, and that no block has.
    #[must_use]
    pub fn passed(&self) -> Passed {
        match &self.rows {
            Rows::Csv(lines) if lines.rules >= Rules::Two => lines.passed,
            _ => Passed::default(),
        }
    }

    /// The next block, of at most `most_rows` rows (one at least), and of no more than `most_bytes` bytes unless its
    /// first row is longer. `None` at the end.
    ///
    /// # Errors
    /// When the source can't be read, or is not well-formed as far as rows are told apart; with the row where there
    /// is one.
    pub fn next(
        &mut self,
        most_rows: usize,
        most_bytes: usize,
    ) -> Result<Option<Block>, ReadError> {
        if let Rows::Whole(block) = &mut self.rows {
            return Ok(block.take());
        }
        let mut block = Block {
            first_row: self.first_row,
            ..Block::default()
        };
        self.fill(&mut block, most_rows.max(1), most_bytes)
            .map_err(|error| {
                let row = self.first_row + block.rows as u64 + 1;
                error.at_row(usize::try_from(row).unwrap_or(usize::MAX))
            })?;
        if block.rows == 0 {
            return Ok(None);
        }
        if let Rows::Json(json) = &self.rows {
            let end: &[u8] = match json.kind() {
                Kind::Salesforce => b"]}",
                _ => b"]",
            };
            block.bytes.extend_from_slice(end);
        }
        self.first_row += block.rows as u64;
        Ok(Some(block))
    }

    fn fill(
        &mut self,
        block: &mut Block,
        most_rows: usize,
        most_bytes: usize,
    ) -> Result<(), ReadError> {
        loop {
            let (used, is_full) = match &mut self.rows {
                Rows::Csv(lines) => {
                    self.input.end_last_line();
                    lines.fill(&self.input, block, most_rows, most_bytes)?
                }
                Rows::Json(json) => objects(&self.input, json, block, most_rows, most_bytes)?,
                Rows::Whole(_) => return Ok(()),
            };
            self.input.consume(used);
            if is_full {
                return Ok(());
            }
            if self.input.at_end() {
                return self.end();
            }
            self.input.refill()?;
        }
    }

    /// Judges what is left behind the last row.
    fn end(&self) -> Result<(), ReadError> {
        let rest = self.input.window();
        let text = &rest.bytes[..rest.end];
        let is_blank = text.trim_ascii().is_empty();
        match &self.rows {
            Rows::Csv(_) if is_blank => Ok(()),
            Rows::Csv(_) => Err(Problem::UnclosedQuote.into()),
            Rows::Json(json) if is_blank && json.is_at_top() => Ok(()),
            Rows::Json(_) => Err(Problem::JsonTruncated {
                offset: rest.offset,
            }
            .into()),
            Rows::Whole(_) => Ok(()),
        }
    }
}

/// A dataset that is one block. Its footer says how many rows it has: they are read by whoever gets it.
fn whole(input: &mut Input<'_>) -> Result<Block, ReadError> {
    let bytes = input.rest()?;
    let rows = parquet::rows(&bytes)?;
    Ok(Block {
        bytes,
        rows,
        first_row: 0,
    })
}

/// How many bytes of the window are done with, and whether the block is full.
type Filled = (usize, bool);

impl Lines {
    fn fill(
        &mut self,
        input: &Input<'_>,
        block: &mut Block,
        most_rows: usize,
        most_bytes: usize,
    ) -> Result<Filled, ReadError> {
        let window = input.window();
        if block.rows == 0 {
            block.bytes.clear();
            block.bytes.extend_from_slice(&self.header);
        }
        let (mut from, mut at) = (0, 0);
        let mut is_full = false;
        while let Some(line) = csv::next_line(window, at, &self.names, self.rules)? {
            let end = match line {
                Line::Row(end) => end,
                // These stay out.
                Line::Blank(end) | Line::Header(end) => {
                    match line {
                        Line::Header(_) => self.passed.headers += 1,
                        _ => self.blank += 1,
                    }
                    block.bytes.extend_from_slice(&window.bytes[from..at]);
                    (from, at) = (end, end);
                    continue;
                }
            };
            let length = block.bytes.len() + (end - from);
            if block.rows == most_rows || (block.rows > 0 && length > most_bytes) {
                is_full = true;
                break;
            }
            at = end;
            block.rows += 1;
            self.passed.blank += std::mem::take(&mut self.blank);
        }
        block.bytes.extend_from_slice(&window.bytes[from..at]);
        Ok((at, is_full))
    }
}

fn objects(
    input: &Input<'_>,
    json: &mut Json,
    block: &mut Block,
    most_rows: usize,
    most_bytes: usize,
) -> Result<Filled, ReadError> {
    let window = input.window();
    let mut at = 0;
    loop {
        if block.rows == most_rows || (block.rows > 0 && block.bytes.len() >= most_bytes) {
            return Ok((at, true));
        }
        let (row, next) = json.next_row(window, at)?;
        at = next;
        let Some(row) = row else {
            return Ok((at, false));
        };
        let start: &[u8] = match (block.rows, json.kind()) {
            (0, Kind::Salesforce) => b"{\"totalSize\":0,\"done\":true,\"records\":[",
            (0, _) => b"[",
            _ => b",\n",
        };
        block.bytes.extend_from_slice(start);
        block.bytes.extend_from_slice(row);
        block.rows += 1;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::read;

    /// The blocks of a text, read with a window so short that rows cross its end.
    fn blocks(text: &str, most_rows: usize, most_bytes: usize) -> Vec<Block> {
        let options = Options {
            block_bytes: 64,
            ..Options::default()
        };
        let bytes = text.as_bytes();
        let mut blocks = Blocks::open(&bytes, &options, u64::MAX).unwrap();
        std::iter::from_fn(|| blocks.next(most_rows, most_bytes).unwrap()).collect()
    }

    fn text(block: &Block) -> &str {
        std::str::from_utf8(&block.bytes).unwrap()
    }

    #[test]
    fn each_block_of_csv_has_the_header_and_whole_rows() {
        let rows: String = (0..25)
            .map(|row| format!("{row};\"a\nb \"\"{row}\"\"; c\"\n\n"))
            .collect();
        let blocks = blocks(&format!("\nid;what\r\n{rows}"), 10, usize::MAX);
        let counts: Vec<usize> = blocks.iter().map(|block| block.rows).collect();
        assert_eq!(counts, [10, 10, 5]);
        assert_eq!(blocks[2].first_row, 20);
        assert_eq!(
            text(&blocks[2]).lines().take(3).collect::<Vec<_>>(),
            ["", "id;what", "20;\"a"]
        );
        let records = read(&blocks[1].bytes, &Options::default()).unwrap();
        assert_eq!((records.rows, records.columns.len()), (10, 2));
    }

    #[test]
    fn blank_lines_of_one_column_are_rows_and_a_header_in_mid_file_is_none() {
        let one = blocks("x\n1\n\n2\n\r\n", 3, usize::MAX);
        assert_eq!(
            one.iter().map(|block| block.rows).collect::<Vec<_>>(),
            [3, 1]
        );
        assert_eq!(text(&one[1]), "x\n\r\n");
        for block in &one {
            assert_eq!(
                read(&block.bytes, &Options::default()).unwrap().rows,
                block.rows
            );
        }
        let more = blocks("x,y\n1,2\nx,y\n\n3,4\nx,y\n", 1, usize::MAX);
        assert_eq!(
            more.iter().map(text).collect::<Vec<_>>(),
            ["x,y\n1,2\n", "x,y\n3,4\n"]
        );
        let first = Options {
            rules: Rules::One,
            ..Options::default()
        };
        let bytes = "x\n1\n\n2\n".as_bytes();
        let mut blocks = Blocks::open(&bytes, &first, u64::MAX).unwrap();
        assert_eq!(blocks.next(9, usize::MAX).unwrap().unwrap().rows, 2);
    }

    #[test]
    fn the_last_line_needs_no_end_and_a_quote_inside_of_a_cell_is_a_character() {
        let blocks = blocks("size,n\n5\" pipe,1\n6\" pipe,2", 1, usize::MAX);
        assert_eq!(text(&blocks[0]), "size,n\n5\" pipe,1\n");
        assert_eq!(text(&blocks[1]), "size,n\n6\" pipe,2\n");
        assert_eq!(blocks.len(), 2);
    }

    #[test]
    fn json_of_every_kind_becomes_arrays_and_a_query_stays_one() {
        for (given, expected) in [
            (
                "[{\"a\":1} , {\"a\":[2]},{\"a\":3}]",
                "[{\"a\":1},\n{\"a\":[2]}]",
            ),
            (
                "{\"a\":1}\n{\"a\":[2]}\n{\"a\":3}\n",
                "[{\"a\":1},\n{\"a\":[2]}]",
            ),
            (
                "{\"totalSize\":3,\"done\":true,\"records\":[{\"a\":1},{\"a\":[2]},{\"a\":3}]}",
                "{\"totalSize\":0,\"done\":true,\"records\":[{\"a\":1},\n{\"a\":[2]}]}",
            ),
        ] {
            let blocks = blocks(given, 2, usize::MAX);
            assert_eq!(text(&blocks[0]), expected);
            assert_eq!(blocks.len(), 2);
            assert_eq!(blocks[1].first_row, 2);
        }
    }

    #[test]
    fn blocks_end_at_their_bytes_too() {
        let rows: String = (0..100).map(|row| format!("{row}\n")).collect();
        let blocks = blocks(&format!("a\n{rows}"), usize::MAX, 40);
        assert!(blocks.len() > 5);
        assert!(blocks.iter().all(|block| block.bytes.len() <= 40));
        assert_eq!(blocks.iter().map(|block| block.rows).sum::<usize>(), 100);
    }

    #[test]
    fn what_is_not_well_formed_is_told_with_its_row() {
        for (text, row) in [
            ("a\n1\n\"2", 2),
            ("[{\"a\":1},{\"a\":2", 2),
            ("{\"a\":1}\n{\"a\":}", 2),
        ] {
            let bytes = text.as_bytes();
            let mut blocks = Blocks::open(&bytes, &Options::default(), u64::MAX).unwrap();
            let error = loop {
                match blocks.next(1, usize::MAX) {
                    Ok(Some(_)) => {}
                    Ok(None) => unreachable!("{text}"),
                    Err(error) => break error,
                }
            };
            assert_eq!(error.row(), Some(row), "{text}: {error}");
        }
    }
}
