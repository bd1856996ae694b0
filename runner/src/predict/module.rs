//! Rows through the model's own module: what it was trained with, in the sandbox.
//!
//! A module reads one file. A long dataset goes to it in blocks, one run a block, so that memory is bounded.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::sync::Arc;

use contract::{Manifest, exit, files};

use super::model::{Model, check_digest};
use super::output::{Output, Writer, push_cell};
use super::rows::Rows;
use super::{Job, PredictError};
use crate::error::{Error, GuestError};
use crate::outputs;
use crate::run::load;
use crate::sandbox::{self, Engine, EngineOptions, Grants, Guest, Limits, Mode, Module};
use crate::workspace::Workspace;

/// Bytes of a block: many, for each run of the module reads the model anew.
const BLOCK: usize = 64 << 20;
/// The module's predictions, below `/predictions`.
const PREDICTIONS: &str = "predictions.csv";

pub(super) async fn predict(
    job: &Job,
    options: &EngineOptions,
    model: &Model,
    rows: Rows,
    workspace: &Workspace,
    output: &Output,
) -> Result<(), Error> {
    let (Some(manifest), Some(path)) = (&model.manifest, &model.module) else {
        return Err(PredictError::NoScore.into());
    };
    let engine = Arc::new(Engine::new(options)?);
    let module = load(&engine, path, &job.trust, job.limits.timeout).await?;
    // Once more, of the bytes that were read now.
    check_digest(path, &module.origin().sha256, manifest)?;
    let predictor = Predictor {
        engine,
        module,
        manifest,
        model: &model.folder,
        limits: job.limits,
        writer: output.writer(),
    };
    let mut header = Vec::new();
    let mut blocks = rows.open()?;
    let extension = blocks.extension();
    while let Some(block) = blocks
        .next(usize::MAX, BLOCK)
        .map_err(|error| rows.error(error))?
    {
        let folder = workspace.model(&format!("block-{}", block.first_row))?;
        let data = folder.join("data");
        let file = data.join(format!("rows.{extension}"));
        std::fs::create_dir_all(&data)
            .and_then(|()| std::fs::write(&file, &block.bytes))
            .map_err(|error| PredictError::local("write", &file, error))?;
        let (first, count) = (block.first_row, block.rows as u64);
        drop(block);
        // Whoever waits for a signal gets a turn.
        tokio::task::yield_now().await;
        predictor
            .block(&folder, &file, first, count, &mut header)
            .await?;
        // It is removed in the end, if not now.
        let _ = std::fs::remove_dir_all(&folder);
        rows.at(blocks.offset(), first + count);
    }
    Ok(())
}

struct Predictor<'a> {
    engine: Arc<Engine>,
    module: Module,
    manifest: &'a Manifest,
    model: &'a Path,
    limits: Limits,
    writer: Writer,
}

impl Predictor<'_> {
    /// Predicts the rows of `file`, the only one in its folder, and appends what the module says of them.
    async fn block(
        &self,
        folder: &Path,
        file: &Path,
        first: u64,
        rows: u64,
        header: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let predictions = folder.join("predictions");
        std::fs::create_dir_all(&predictions)
            .map_err(|error| PredictError::local("make", &predictions, error))?;
        let guest = Guest {
            mode: Mode::Predict,
            grants: Grants {
                data: &folder.join("data"),
                job: None,
                model: self.model,
                predictions: Some(&predictions),
                env: self.environment(file),
                seed: self.manifest.seed,
            },
        };
        let status = sandbox::run_guest(&self.engine, &self.module, &guest, &self.limits).await?;
        let left = outputs::list(&predictions, &self.limits)?;
        if status != exit::DONE {
            let mut report = outputs::error_report(&predictions)?;
            if let Some(row) = report.as_mut().and_then(|report| report.row.as_mut()) {
                *row = row.saturating_add(first);
            }
            return Err(GuestError { status, report }.into());
        }
        if !left.iter().any(|file| file.path == PREDICTIONS) {
            return Err(PredictError::BadOutput(format!(
                "it left none where PREDICTION_PATH says ({PREDICTIONS})"
            ))
            .into());
        }
        let path = predictions.join(PREDICTIONS);
        let appended = Lines {
            model: &self.manifest.name,
            version: &self.manifest.model_version,
            first,
            rows,
        };
        Ok(appended.append(&path, header, &self.writer)?)
    }

    fn environment(&self, file: &Path) -> BTreeMap<String, String> {
        let manifest = self.manifest;
        let mut env = manifest.parameters.env.clone();
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        for (variable, value) in [
            (
                "VERSION",
                format!("{}_{}", manifest.model_version, manifest.id),
            ),
            ("MODEL_VERSION", manifest.model_version.clone()),
            ("SAVE_PATH", manifest.save_path.clone()),
            ("DATA_PATH", format!("{}/{name}", files::DATA)),
            (
                "PREDICTION_PATH",
                format!("{}/{PREDICTIONS}", files::PREDICTIONS),
            ),
        ] {
            env.insert(variable.to_owned(), value);
        }
        env
    }
}

/// The predictions of a block of `rows` rows, behind `first` others.
struct Lines<'a> {
    model: &'a str,
    version: &'a str,
    first: u64,
    rows: u64,
}

impl Lines<'_> {
    /// Appends what `path` holds, each row with the model's name and version, numbered on from the blocks before it.
    /// `header` is that of the first block; empty before it.
    fn append(
        &self,
        path: &Path,
        header: &mut Vec<u8>,
        writer: &Writer,
    ) -> Result<(), PredictError> {
        let unread = |error| PredictError::local("read", path, error);
        let mut lines = BufReader::new(File::open(path).map_err(unread)?);
        let mut line = Vec::new();
        if !next_record(&mut lines, &mut line).map_err(unread)? {
            return Err(PredictError::BadOutput("the file is empty".to_owned()));
        }
        let is_numbered = line == b"row" || line.starts_with(b"row,");
        if header.is_empty() {
            header.clone_from(&line);
            line.extend_from_slice(b",model,model_version\n");
            writer.with(|out| out.write_all(&line))?;
        } else if *header != line {
            let other = "its columns differ from one block of rows to the next".to_owned();
            return Err(PredictError::BadOutput(other));
        }
        let mut end = vec![b','];
        push_cell(&mut end, self.model);
        end.push(b',');
        push_cell(&mut end, self.version);
        end.push(b'\n');
        let mut found = 0;
        while next_record(&mut lines, &mut line).map_err(unread)? {
            found += 1;
            writer.with(|out| {
                let rest = match (is_numbered && self.first > 0, number(&line)) {
                    (true, Some((row, length))) => {
                        write!(out, "{}", row.saturating_add(self.first))?;
                        &line[length..]
                    }
                    _ => &line,
                };
                out.write_all(rest)?;
                out.write_all(&end)
            })?;
        }
        if found != self.rows {
            return Err(PredictError::Rows {
                found,
                rows: self.rows,
                first: self.first,
            });
        }
        Ok(())
    }
}

/// The whole number that a line begins with, and its length.
fn number(line: &[u8]) -> Option<(u64, usize)> {
    let length = line.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let digits = std::str::from_utf8(&line[..length]).ok()?;
    Some((digits.parse().ok()?, length))
}

/// Reads a record without its line end: a line, or several where a quoted cell holds line ends. False at the end.
fn next_record(lines: &mut impl BufRead, record: &mut Vec<u8>) -> io::Result<bool> {
    record.clear();
    let mut quotes = 0;
    loop {
        let from = record.len();
        if lines.read_until(b'\n', record)? == 0 {
            return Ok(from > 0);
        }
        quotes += record[from..].iter().filter(|byte| **byte == b'"').count();
        if quotes % 2 == 0 {
            while record
                .last()
                .is_some_and(|end| matches!(end, b'\n' | b'\r'))
            {
                record.pop();
            }
            if !record.is_empty() {
                return Ok(true);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn append(text: &str, first: u64, rows: u64, header: &str) -> Result<String, PredictError> {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from.csv"), folder.path().join("to.csv"));
        std::fs::write(&from, text).unwrap();
        let output = Output::create(Some(&to))?;
        let lines = Lines {
            model: "m_v1_a",
            version: "1",
            first,
            rows,
        };
        lines.append(&from, &mut header.as_bytes().to_vec(), &output.writer())?;
        output.finish()?;
        Ok(std::fs::read_to_string(&to).unwrap())
    }

    #[test]
    fn rows_are_numbered_on_and_carry_the_model() {
        let text = "row,predicted\n1,\"a\nb\"\n2,c\n";
        assert_eq!(
            append(text, 0, 2, "").unwrap(),
            "row,predicted,model,model_version\n1,\"a\nb\",m_v1_a,1\n2,c,m_v1_a,1\n"
        );
        assert_eq!(
            append(text, 1_000, 2, "row,predicted").unwrap(),
            "1001,\"a\nb\",m_v1_a,1\n1002,c,m_v1_a,1\n"
        );
    }

    #[test]
    fn a_block_must_have_a_line_a_row_and_the_columns_of_the_first() {
        for (text, header, said) in [
            ("row,predicted\n1,a\n", "", "predicted 1 of the 2 rows"),
            ("row,p\n1,a\n2,b\n", "row,predicted", "columns differ"),
            ("", "", "empty"),
        ] {
            let error = append(text, 0, 2, header).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
