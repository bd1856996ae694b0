//! The predictions that a module leaves, appended to those of the rows before.

use std::fs::File;
use std::io::{BufReader, Write};
use std::path::Path;

use super::PredictError;
use super::formulas::Formulas;
use super::output::{Writer, push_cell};
use super::records::{Record, RecordError};
use crate::foreign;

/// The columns that the runner adds.
const ADDED: [&str; 2] = ["model", "model_version"];
/// The column that numbers the rows: the first one, or none.
const ROW: &[u8] = b"row";

/// What is appended, block by block.
pub(super) struct Lines<'a> {
    model: &'a str,
    version: &'a str,
    writer: Writer,
    formulas: Formulas,
    /// The first block's; empty before it.
    header: Vec<u8>,
}

/// A block of `rows` rows, behind `first` others.
#[derive(Clone, Copy)]
pub(super) struct Block {
    pub first: u64,
    pub rows: u64,
}

impl<'a> Lines<'a> {
    pub fn new(model: &'a str, version: &'a str, writer: Writer, formulas: Formulas) -> Self {
        Self {
            model,
            version,
            writer,
            formulas,
            header: Vec::new(),
        }
    }

    /// Appends what `path` holds, each row with its number in the whole dataset and the model's name and version.
    ///
    /// # Errors
    /// When it is not what the contract says, or can't be read or written.
    pub fn append(&mut self, path: &Path, block: Block) -> Result<(), PredictError> {
        let file = File::open(path).map_err(|error| PredictError::local("read", path, error))?;
        let mut file = BufReader::new(file);
        let mut record = Record::default();
        let mut next = |record: &mut Record, number: u64| {
            record.read(&mut file).map_err(|error| match error {
                RecordError::Read(error) => PredictError::local("read", path, error),
                other if number == 0 => bad(format!("its header {other}")),
                other => bad(format!("its row {number} {other}")),
            })
        };
        if !next(&mut record, 0)? {
            return Err(bad("the file is empty"));
        }
        let columns = record.cells.len();
        let is_numbered = self.header(&record)?;
        let end = self.end();
        let mut line = Vec::new();
        let mut found = 0;
        while next(&mut record, found + 1)? {
            found += 1;
            if found > block.rows {
                break;
            }
            if record.cells.len() != columns {
                return Err(bad(format!(
                    "its row {found} has {} cells, and its header {columns}",
                    record.cells.len()
                )));
            }
            let row = block.first + found;
            line.clear();
            line.extend_from_slice(row.to_string().as_bytes());
            if is_numbered {
                check_number(&record, found)?;
            }
            self.cells(&record, usize::from(is_numbered), row, &mut line);
            line.extend_from_slice(&end);
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
        let names: Vec<Vec<u8>> = record.cells.iter().map(|cell| record.cell(cell)).collect();
        let is_numbered = names.first().is_some_and(|name| name == ROW);
        if !self.header.is_empty() {
            if self.header == record.text {
                return Ok(is_numbered);
            }
            return Err(bad("its columns differ from one block of rows to the next"));
        }
        if let Some(name) = ADDED
            .iter()
            .find(|added| names.iter().any(|name| name == added.as_bytes()))
        {
            return Err(bad(format!(
                "it has a column `{name}`, which the runner adds itself"
            )));
        }
        if names.iter().skip(1).any(|name| name == ROW) {
            return Err(bad(
                "its column `row` is not the first one, where the runner looks for the rows' numbers",
            ));
        }
        self.header.clone_from(&record.text);
        let mut line = ROW.to_vec();
        self.cells(record, usize::from(is_numbered), 0, &mut line);
        for name in ADDED {
            line.push(b',');
            line.extend_from_slice(name.as_bytes());
        }
        line.push(b'\n');
        self.writer.with(|out| out.write_all(&line))?;
        Ok(is_numbered)
    }

    /// Appends a record's cells to a line, from the one at `from`, each behind a comma.
    fn cells(&mut self, record: &Record, from: usize, row: u64, line: &mut Vec<u8>) {
        for cell in record.cells.iter().skip(from) {
            line.push(b',');
            let raw = &record.text[cell.clone()];
            let may_be_formula = raw
                .iter()
                .find(|byte| !matches!(byte, b'"') && !byte.is_ascii_whitespace())
                .is_some_and(|byte| matches!(byte, b'=' | b'+' | b'-' | b'@'));
            if may_be_formula && self.formulas.defuse(&record.cell(cell), row) {
                let at = usize::from(raw.starts_with(b"\""));
                line.extend_from_slice(&raw[..at]);
                line.push(b'\'');
                line.extend_from_slice(&raw[at..]);
            } else {
                line.extend_from_slice(raw);
            }
        }
    }

    /// What ends each line.
    fn end(&self) -> Vec<u8> {
        let mut end = vec![b','];
        push_cell(&mut end, self.model);
        end.push(b',');
        push_cell(&mut end, self.version);
        end.push(b'\n');
        end
    }
}

fn check_number(record: &Record, expected: u64) -> Result<(), PredictError> {
    let cell = record.cells.first().map(|cell| record.cell(cell));
    let cell = cell.unwrap_or_default();
    if cell == expected.to_string().as_bytes() {
        return Ok(());
    }
    let found = foreign::shortened(&String::from_utf8_lossy(&cell), 20);
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
            lines.append(&from, Block { first, rows: *rows })?;
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
