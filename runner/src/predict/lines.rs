//! The predictions that a module leaves, appended to those of the rows before.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, Write};
use std::path::Path;

use super::PredictError;
use super::formulas::{Formulas, is_unseen, push_quoted};
use super::output::Writer;
use super::records::{Line, Record, RecordError};
use crate::foreign;
use crate::stop::Stop;

/// The columns that the runner adds.
const ADDED: [&str; 2] = ["model", "model_version"];
/// The column that numbers the rows: the first one, or none.
const ROW: &str = "row";

/// What is appended, block by block.
pub(super) struct Lines {
    /// What ends each line: name and version.
    end: Vec<u8>,
    writer: Writer,
    formulas: Formulas,
    /// The first block's columns; empty before it.
    header: Vec<Vec<u8>>,
}

/// A block of `rows` rows, behind `first` others.
#[derive(Clone, Copy)]
pub(super) struct Block {
    pub first: u64,
    pub rows: u64,
}

impl Lines {
    pub fn new(model: &str, version: &str, writer: Writer, formulas: Formulas) -> Self {
        let mut end = Vec::new();
        for cell in [model, version] {
            end.push(b',');
            push_quoted(&mut end, cell.as_bytes());
        }
        end.push(b'\n');
        Self {
            end,
            writer,
            formulas,
            header: Vec::new(),
        }
    }

    /// Appends what `path` holds, each row with its number in the whole dataset and the model's name and version. Every
    /// cell is written anew, as it was read: no other program sees cells or rows that were not looked at here.
    ///
    /// # Errors
    /// When it is not what the contract says, can't be read or written, or `stop` was ordered.
    pub fn append(&mut self, path: &Path, block: Block, stop: &Stop) -> Result<(), PredictError> {
        let file = File::open(path).map_err(|error| PredictError::local("read", path, error))?;
        let mut file = BufReader::new(file);
        let mut record = Record::default();
        let mut next = |record: &mut Record, number: u64| loop {
            // Lines may be empty, and many.
            stop.check().map_err(|_| PredictError::Stopped)?;
            match record.read(&mut file) {
                Ok(Line::Record) => return Ok(true),
                Ok(Line::End) => return Ok(false),
                Ok(Line::Empty) => {}
                Err(RecordError::Read(error)) => {
                    return Err(PredictError::local("read", path, error));
                }
                Err(other) if number == 0 => return Err(bad(format!("its header {other}"))),
                Err(other) => return Err(bad(format!("its row {number} {other}"))),
            }
        };
        if !next(&mut record, 0)? {
            return Err(bad("the file is empty"));
        }
        let is_numbered = self.header(&record)?;
        let columns = record.cells().len();
        let mut line = Vec::new();
        let mut found = 0;
        while next(&mut record, found + 1)? {
            found += 1;
            if found > block.rows {
                break;
            }
            let cells = record.cells().len();
            if cells != columns {
                return Err(bad(format!(
                    "its row {found} has {cells} cells, and its header {columns}"
                )));
            }
            if is_numbered {
                check_number(record.cells().next().unwrap_or_default(), found)?;
            }
            let row = block.first + found;
            line.clear();
            line.extend_from_slice(row.to_string().as_bytes());
            self.cells(&record, is_numbered, row, &mut line);
            line.extend_from_slice(&self.end);
            self.writer.with(|out| out.write_all(&line))?;
        }
        if found != block.rows {
            return Err(PredictError::Rows {
                found,
                rows: block.rows,
                first: block.first,
            });
        }
        Ok(())
    }

    /// Says what was noticed of all blocks.
    pub fn finish(&self) {
        self.formulas.report();
    }

    /// Writes the header of the first block, and compares that of another with it. True when the first column numbers
    /// the rows.
    fn header(&mut self, record: &Record) -> Result<bool, PredictError> {
        let is_numbered = record.cells().next().map(comparable).as_deref() == Some(ROW);
        if !self.header.is_empty() {
            if self.header.iter().map(Vec::as_slice).eq(record.cells()) {
                return Ok(is_numbered);
            }
            return Err(bad("its columns differ from one block of rows to the next"));
        }
        check_names(record)?;
        self.header = record.cells().map(<[u8]>::to_vec).collect();
        let mut line = ROW.as_bytes().to_vec();
        self.cells(record, is_numbered, 0, &mut line);
        for name in ADDED {
            line.push(b',');
            line.extend_from_slice(name.as_bytes());
        }
        line.push(b'\n');
        self.writer.with(|out| out.write_all(&line))?;
        Ok(is_numbered)
    }

    /// Appends a record's cells to a line, each behind a comma, without the number where there is one.
    fn cells(&mut self, record: &Record, is_numbered: bool, row: u64, line: &mut Vec<u8>) {
        for cell in record.cells().skip(usize::from(is_numbered)) {
            line.push(b',');
            self.formulas.push(line, cell, row);
        }
    }
}

/// A column's name as programs may compare it: without what is not seen around it, and in one case.
fn comparable(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name);
    let is_around = |each: char| each.is_whitespace() || each.is_control() || is_unseen(each);
    // Up and down again is Unicode's case folding, but for a few letters.
    name.trim_matches(is_around).to_uppercase().to_lowercase()
}

/// Refuses names that the runner gives itself, and a name that two columns have: programs that read columns by their
/// names then read one of the two. Classes, after which columns are named, may differ in their case alone.
fn check_names(record: &Record) -> Result<(), PredictError> {
    let mut seen = HashSet::new();
    for (index, cell) in record.cells().enumerate() {
        let name = comparable(cell);
        if ADDED.contains(&name.as_str()) {
            return Err(bad(format!(
                "it has a column `{name}`, which the runner adds itself"
            )));
        }
        if index > 0 && name == ROW {
            return Err(bad(
                "its column `row` is not the first one, where the runner looks for the rows' numbers",
            ));
        }
        if !seen.insert(cell) {
            let name = foreign::shortened(&String::from_utf8_lossy(cell), 60);
            return Err(bad(format!("two of its columns are called `{name}`")));
        }
    }
    Ok(())
}

fn check_number(cell: &[u8], expected: u64) -> Result<(), PredictError> {
    if cell == expected.to_string().as_bytes() {
        return Ok(());
    }
    let found = foreign::shortened(&String::from_utf8_lossy(cell), 20);
    Err(bad(format!(
        "its row {expected} is numbered `{found}`: `row` counts from 1, in the order of the data"
    )))
}

fn bad(problem: impl Into<String>) -> PredictError {
    PredictError::BadOutput(problem.into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::predict::output::Output;

    /// Appends blocks of these texts and numbers of rows.
    fn append(blocks: &[(&str, u64)]) -> Result<String, PredictError> {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from.csv"), folder.path().join("to.csv"));
        let output = Output::create(Some(&to))?;
        let mut lines = Lines::new("m_v1_a", "1", output.writer(), Formulas::new(false));
        let mut first = 0;
        for (text, rows) in blocks {
            std::fs::write(&from, text).unwrap();
            let block = Block { first, rows: *rows };
            lines.append(&from, block, &Stop::default())?;
            first += rows;
        }
        output.finish()?;
        Ok(std::fs::read_to_string(&to).unwrap())
    }

    #[test]
    fn rows_are_numbered_on_and_carry_the_model() {
        let text = "row,predicted\n1,\"a\nb\"\n2,c\n";
        assert_eq!(
            append(&[(text, 2), (text, 2)]).unwrap(),
            "row,predicted,model,model_version\n1,\"a\nb\",m_v1_a,1\n2,c,m_v1_a,1\n\
             3,\"a\nb\",m_v1_a,1\n4,c,m_v1_a,1\n"
        );
    }

    #[test]
    fn rows_without_numbers_get_theirs() {
        let text = "predicted,p_a\na,0.5\nb,-1\n";
        assert_eq!(
            append(&[(text, 2)]).unwrap(),
            "row,predicted,p_a,model,model_version\n1,a,0.5,m_v1_a,1\n2,b,-1,m_v1_a,1\n"
        );
    }

    #[test]
    fn formulas_are_defused() {
        let text = "row,predicted,=x\n1,=cmd|'x',\"=\"\"1\"\"\"\n2,-a,\" =1,2\"\n";
        assert_eq!(
            append(&[(text, 2)]).unwrap(),
            "row,predicted,'=x,model,model_version\n1,'=cmd|'x',\"'=\"\"1\"\"\",m_v1_a,1\n\
             2,'-a,\"' =1,2\",m_v1_a,1\n"
        );
    }

    #[test]
    fn a_cell_is_written_as_it_was_read_whatever_another_program_would_see_in_it() {
        let text =
            "row,p\n1,\"a\"\"\n2,forged\"\n2,\"a\r9,=1\"\n3,a;=cmd|x\n4,\"plain\"\n5,\u{ff1d}1\n";
        assert_eq!(
            append(&[(text, 5)]).unwrap(),
            "row,p,model,model_version\n1,\"a\"\"\n2,forged\",m_v1_a,1\n2,\"a\r9,=1\",m_v1_a,1\n\
             3,\"a;'=cmd|x\",m_v1_a,1\n4,plain,m_v1_a,1\n5,'\u{ff1d}1,m_v1_a,1\n"
        );
    }

    #[test]
    fn names_of_columns_are_compared_as_programs_may_compare_them() {
        let numbered = append(&[("\u{feff} Row\u{a0},P\n1,a\n", 1)]).unwrap();
        assert_eq!(numbered, "row,P,model,model_version\n1,a,m_v1_a,1\n");
        // Classes may differ in their case.
        assert!(append(&[("p_A,p_a\n1,0\n", 1)]).is_ok());
        for (header, said) in [
            ("row,Model", "a column `model`"),
            ("row,\"model \"", "a column `model`"),
            ("row,\u{feff}MODEL_version", "a column `model_version`"),
            ("row,\u{200b}model", "a column `model`"),
            ("p, row", "`row` is not the first"),
            ("row,ROW", "`row` is not the first"),
            ("p,p", "two of its columns are called `p`"),
            ("p,\"p\"", "two of its columns are called `p`"),
            ("p,,", "two of its columns are called ``"),
        ] {
            let error = append(&[(&format!("{header}\n"), 0)]).unwrap_err();
            assert!(error.to_string().contains(said), "{header}: {error}");
        }
    }

    #[test]
    fn it_ends_when_it_is_told_to_however_many_lines_are_empty() {
        let folder = tempfile::tempdir().unwrap();
        let from = folder.path().join("from.csv");
        std::fs::write(&from, format!("p{}", "\n".repeat(16 << 20))).unwrap();
        let output = Output::create(Some(&folder.path().join("to.csv"))).unwrap();
        let mut lines = Lines::new("m_v1_a", "1", output.writer(), Formulas::new(false));
        let stop = Stop::default();
        stop.order();
        let ended = lines.append(&from, Block { first: 0, rows: 1 }, &stop);
        assert!(matches!(ended, Err(PredictError::Stopped)));
    }

    #[test]
    fn a_block_has_a_line_a_row_and_the_columns_of_the_first() {
        let long = "x".repeat(2 << 20);
        for (blocks, said) in [
            (
                &[("row,predicted\n1,a\n", 2)][..],
                "predicted 1 of the 2 rows",
            ),
            (
                &[("row,predicted\n1,a\n2,b\n3,c\n", 2)],
                "predicted 3 of the 2 rows",
            ),
            (
                &[("row,predicted\n1,a\n", 1), ("row,p\n1,a\n", 1)],
                "columns differ",
            ),
            (&[("", 2)], "empty"),
            (
                &[("row,p\n1,a,b\n", 1)],
                "row 1 has 3 cells, and its header 2",
            ),
            (
                &[("row,p,q\n1,a\n", 1)],
                "row 1 has 2 cells, and its header 3",
            ),
            (&[("row,p\n,a\n", 1)], "row 1 is numbered ``"),
            (&[("row,p\n2,a\n", 1)], "row 1 is numbered `2`"),
            (&[("row,p\n1,a\n1,b\n", 2)], "row 2 is numbered `1`"),
            (&[("row,p,model\n1,a,b\n", 1)], "a column `model`"),
            (
                &[("row,\"model_version\"\n1,a\n", 1)],
                "a column `model_version`",
            ),
            (&[("p,row\na,1\n", 1)], "`row` is not the first"),
            (
                &[("row,p\n1,\"a\"b\n", 1)],
                "row 1 has text behind a closing quote",
            ),
            (
                &[(&format!("row,p\n1,{long}\n"), 1)],
                "row 1 is longer than 1024 KiB",
            ),
            (&[(&long, 1)], "its header is longer"),
        ] {
            let error = append(blocks).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
