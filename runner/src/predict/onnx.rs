//! Rows through a model's ONNX form.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use records::{Blocks, Columns, Options, Problem, ReadError, Rules};

use super::formulas::Formulas;
use super::model::Model;
use super::output::{Output, Writer};
use super::rows::Rows;
use super::said::Said;
use super::table::{Schema, at};
use super::{Job, PredictError};
use crate::score::{Column, ScoreError, Scorer, Scores, Standby, arrange};
use crate::store::LocalFile;

/// Rows that are read at a time.
const READ: usize = 10_000;
const READ_BYTES: usize = 32 << 20;
/// Rows that are scored at a time.
const SCORED: usize = 1_000;

pub(super) async fn predict(
    job: &Job,
    model: &Model,
    rows: Rows,
    output: &Output,
) -> Result<(), PredictError> {
    let path = model.onnx.path().to_owned();
    let work = Work {
        file: model.onnx.clone(),
        named: model.manifest.as_ref().map(|manifest| Name {
            model: manifest.name.clone(),
            version: manifest.model_version.clone(),
        }),
        data: job.data.source.to_string(),
        memory: job.limits.memory,
        keep_formulas: job.keep_formulas,
        rows,
        writer: output.writer(),
    };
    // What is wrong with the rows is no error of the scorer's: it comes through beside it.
    let standby = Standby::start(job.limits.memory);
    let done = standby.score(job.limits.timeout, move |scorer| Ok(work.all(scorer)));
    done.await.map_err(failed(&path))?
}

fn failed(path: &Path) -> impl Fn(ScoreError) -> PredictError {
    let path = path.to_owned();
    move |source| PredictError::Score {
        path: path.clone(),
        source,
    }
}

struct Name {
    model: String,
    version: String,
}

struct Work {
    file: LocalFile,
    named: Option<Name>,
    data: String,
    memory: u64,
    keep_formulas: bool,
    rows: Rows,
    writer: Writer,
}

impl Work {
    fn all(&self, scorer: &mut Scorer) -> Result<(), PredictError> {
        let failed = failed(self.file.path());
        scorer.load(&self.file, SCORED).map_err(&failed)?;
        let mut schema = Schema::of(scorer.signature(), self.memory)
            .map_err(|problem| failed(ScoreError::Model(problem)))?;
        let mut lines = Lines::new(self.name(&schema), &schema, self.keep_formulas);
        let mut blocks = self.rows.open(schema.rules())?;
        // While the other process scores a block, this one writes the last and reads the next.
        let mut pending: Option<usize> = None;
        while let Some(columns) = self.read(&mut blocks, &mut schema)? {
            let count = columns.rows;
            for start in (0..count).step_by(SCORED) {
                let end = (start + SCORED).min(count);
                let part: Vec<Column> = columns.part(start, end);
                let block = arrange(scorer.signature(), &part, end - start)
                    .map_err(|problem| self.column(problem))?;
                if let Some(rows) = pending.take() {
                    self.receive(scorer, rows, &mut lines)?;
                }
                scorer.send(block).map_err(&failed)?;
                lines.flush(&self.writer)?;
                pending = Some(end - start);
            }
            self.rows.at(blocks.offset(), columns.first + count as u64);
        }
        if let Some(rows) = pending {
            self.receive(scorer, rows, &mut lines)?;
        }
        let mut said = Said::default();
        let noticed = schema.finish(blocks.passed());
        said.add(noticed.map_err(|problem| self.column(problem))?);
        said.finish().map_err(|problem| self.column(problem))?;
        lines.formulas.report();
        lines.flush(&self.writer)
    }

    /// Takes the answer for the block that was sent last.
    fn receive(
        &self,
        scorer: &mut Scorer,
        rows: usize,
        lines: &mut Lines,
    ) -> Result<(), PredictError> {
        let failed = failed(self.file.path());
        let outputs = scorer.receive().map_err(&failed)?;
        let scores = Scores::of(scorer.signature(), outputs, rows)
            .map_err(|problem| failed(ScoreError::Model(problem)))?;
        lines.add(&scores, rows);
        Ok(())
    }

    fn read(
        &self,
        blocks: &mut Blocks<'_>,
        schema: &mut Schema,
    ) -> Result<Option<super::table::Columns>, PredictError> {
        let unread = |error: ReadError| self.rows.error(error);
        let Some(block) = blocks.next(READ, READ_BYTES).map_err(unread)? else {
            return Ok(None);
        };
        let records = schema
            .parse(&block)
            .map_err(|error| match error.problem() {
                Problem::TooManyBytes { .. } => unread(error),
                _ => self.column(at(&error, block.first_row)),
            })?;
        // Each row of CSV has all columns; of JSON a row has those that it gives.
        if block.first_row == 0 && blocks.extension() == "json" {
            let lacking = schema.lacking(&records);
            schema.expect(self.that_appear(lacking, schema.rules())?);
        }
        let columns = schema
            .read(records, block.first_row)
            .map_err(|problem| self.column(problem))?;
        Ok(Some(columns))
    }

    /// Which of the columns `names` appear in any row. Reads as far as all have, and so to the end where one does not.
    fn that_appear(
        &self,
        names: BTreeSet<String>,
        rules: Rules,
    ) -> Result<BTreeSet<String>, PredictError> {
        let mut found = BTreeSet::new();
        if names.is_empty() {
            return Ok(found);
        }
        let options = Options {
            columns: Columns::Only(names.clone()),
            rules,
            ..Options::default()
        };
        let mut blocks = self.rows.open(rules)?;
        while found != names {
            let Some(block) = blocks
                .next(READ, READ_BYTES)
                .map_err(|error| self.rows.error(error))?
            else {
                break;
            };
            let records =
                records::read(&block.bytes, &options).map_err(|error| self.rows.error(error))?;
            let columns = records.columns.into_iter().map(|column| column.name);
            found.extend(columns.filter(|name| names.contains(name)));
        }
        Ok(found)
    }

    fn column(&self, problem: String) -> PredictError {
        PredictError::Column {
            data: self.data.clone(),
            problem,
        }
    }

    fn name(&self, schema: &Schema) -> Name {
        match &self.named {
            Some(name) => Name {
                model: name.model.clone(),
                version: name.version.clone(),
            },
            None => {
                let stem = self
                    .file
                    .path()
                    .file_stem()
                    .unwrap_or_default()
                    .to_string_lossy();
                Name {
                    model: schema.save_path.clone().unwrap_or(stem.into_owned()),
                    version: schema.model_version.clone().unwrap_or_default(),
                }
            }
        }
    }
}

/// Lines of CSV that wait to be written.
struct Lines {
    text: Vec<u8>,
    /// What ends each line: name and version.
    end: Vec<u8>,
    classes: Vec<String>,
    has_header: bool,
    rows: u64,
    formulas: Formulas,
}

impl Lines {
    fn new(name: Name, schema: &Schema, keep_formulas: bool) -> Self {
        // Names come with the model, and an ONNX file says what it likes.
        let mut formulas = Formulas::new(keep_formulas);
        let mut end = Vec::new();
        for cell in [&name.model, &name.version] {
            end.push(b',');
            formulas.push(&mut end, cell.as_bytes(), 1);
        }
        end.push(b'\n');
        Self {
            text: Vec::new(),
            end,
            classes: schema.classes.clone(),
            has_header: false,
            rows: 0,
            formulas,
        }
    }

    fn header(&mut self, scores: &Scores) {
        self.text.extend_from_slice(b"row");
        if !scores.labels.is_empty() || scores.targets == 1 {
            self.text.extend_from_slice(b",predicted");
        } else {
            for target in 1..=scores.targets {
                self.text
                    .extend_from_slice(format!(",predicted_{target}").as_bytes());
            }
        }
        for class in 0..scores.classes {
            self.text.push(b',');
            let name = match self.classes.get(class) {
                Some(name) if self.classes.len() == scores.classes => format!("p_{name}"),
                _ => format!("p_{class}"),
            };
            self.formulas.push(&mut self.text, name.as_bytes(), 0);
        }
        self.text.extend_from_slice(b",model,model_version\n");
        self.has_header = true;
    }

    fn add(&mut self, scores: &Scores, rows: usize) {
        if !self.has_header {
            self.header(scores);
        }
        let mut number = String::new();
        for row in 0..rows {
            self.rows += 1;
            number.clear();
            // Writing to a String cannot fail.
            let _ = write!(number, "{}", self.rows);
            self.text.extend_from_slice(number.as_bytes());
            if let Some(label) = scores.labels.get(row) {
                self.text.push(b',');
                self.formulas
                    .push(&mut self.text, label.as_bytes(), self.rows);
            }
            let targets = &scores.predictions[row * scores.targets..(row + 1) * scores.targets];
            let classes = &scores.probabilities[row * scores.classes..(row + 1) * scores.classes];
            number.clear();
            for value in targets {
                let _ = match scores.is_double {
                    true => write!(number, ",{value}"),
                    false => write!(number, ",{}", *value as f32),
                };
            }
            for value in classes {
                let _ = write!(number, ",{value}");
            }
            self.text.extend_from_slice(number.as_bytes());
            self.text.extend_from_slice(&self.end);
        }
    }

    fn flush(&mut self, writer: &Writer) -> Result<(), PredictError> {
        let written = writer.with(|out| out.write_all(&self.text));
        self.text.clear();
        written
    }
}
