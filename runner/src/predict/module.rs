//! Rows through the model's own module: what it was trained with, in the sandbox.
//!
//! A module reads one file. A long dataset goes to it in blocks, one run a block, so that memory is bounded.

use std::collections::BTreeMap;
use std::io::{BufReader, Write};
use std::path::Path;
use std::sync::Arc;

use contract::{Manifest, PredictionWarnings, Warning, exit, files};
use records::{Notes, Passed, Rules};

use super::formulas::Formulas;
use super::lines::{Block, Lines};
use super::model::{Model, check_digest};
use super::output::Output;
use super::rows::Rows;
use super::said::Said;
use super::{Job, PredictError};
use crate::error::{Error, GuestError};
use crate::json::{self, FieldError};
use crate::outputs;
use crate::platform::NamedFolder;
use crate::run::{aside, load, within};
use crate::sandbox::{self, Engine, EngineOptions, Grants, Guest, LimitHit, Limits, Mode, Module};
use crate::stop::{Stop, StopOnDrop};
use crate::warnings;
use crate::workspace::Workspace;

/// Bytes of a block: many, for each run of the module reads the model anew.
const BLOCK: usize = 64 << 20;
/// The module's predictions, below `/predictions`.
const PREDICTIONS: &str = "predictions.csv";
/// What `model.json` notes them as.
const READING_RULES: &str = "reading_rules";

pub(super) async fn predict(
    job: &Job,
    options: &EngineOptions,
    model: &Model,
    rows: Rows,
    workspace: &Workspace,
    output: &Output,
) -> Result<(), Error> {
    let (Some(manifest), Some(path), Some(folder)) =
        (&model.manifest, &model.module, &model.folder)
    else {
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
        model: folder,
        limits: job.limits,
    };
    let formulas = Formulas::new(job.keep_formulas);
    let (name, version) = (&manifest.name, &manifest.model_version);
    let mut lines = Lines::new(name, version, output.writer(), formulas);
    let mut said = Said::default();
    let noted = folder.clone();
    let mut blocks = rows.open(aside(move || rules(&noted)).await?)?;
    let extension = blocks.extension();
    while let Some(block) = blocks
        .next(usize::MAX, BLOCK)
        .map_err(|error| rows.error(error))?
    {
        let name = format!("block-{}", block.first_row);
        let folder = workspace.model(&name)?;
        let file = format!("rows.{extension}");
        folder
            .make_beneath("data")
            .and_then(|data| data.create(&file, 0o666))
            .and_then(|mut written| written.write_all(&block.bytes))
            .map_err(|error| PredictError::local("write", folder.path().join(&file), error))?;
        let part = Block {
            first: block.first_row,
            rows: block.rows as u64,
        };
        drop(block);
        // Whoever waits for a signal gets a turn.
        tokio::task::yield_now().await;
        let (noticed, written) = predictor.block(&folder, &file, part, lines).await?;
        lines = written;
        said.add(noticed);
        // It is removed in the end, if not now.
        workspace.clear(&name);
        rows.at(blocks.offset(), part.first + part.rows);
    }
    lines.finish();
    said.add(PredictionWarnings {
        warnings: passed(blocks.passed()),
        ..PredictionWarnings::default()
    });
    Ok(said
        .finish()
        .map_err(|problem| PredictError::column(job, problem))?)
}

/// By which rules the model's module tells rows apart: the first where its `model.json` notes none, as that of another
/// author.
fn rules(folder: &NamedFolder) -> Result<Rules, PredictError> {
    let path = folder.path().join(files::MODEL_JSON);
    let file = folder
        .read(files::MODEL_JSON)
        .map_err(|error| PredictError::local("read", &path, error))?;
    match json::number(BufReader::new(file), READING_RULES, &outputs::read::MODEL) {
        // The module refuses those that it does not know.
        Ok(Some(noted)) => Ok(Rules::of(noted).unwrap_or(Rules::NEWEST)),
        Ok(None) => Ok(Rules::One),
        Err(FieldError::Read(error)) => Err(PredictError::local("read", path, error)),
        Err(problem) => Err(PredictError::BadModel {
            path,
            problem: format!("{problem}; train the model anew, or take another one"),
        }),
    }
}

/// What there is to say of lines that no block has.
fn passed(passed: Passed) -> Vec<Warning> {
    let mut notes = Notes::default();
    notes.passed = passed;
    notes.warnings()
}

struct Predictor<'a> {
    engine: Arc<Engine>,
    module: Module,
    manifest: &'a Manifest,
    model: &'a NamedFolder,
    limits: Limits,
}

impl Predictor<'_> {
    /// Predicts the rows of `file`, the only one in the data folder of `folder`, and appends what the module says of them to
    /// `lines`. Returns what it warns of, too.
    async fn block(
        &self,
        folder: &NamedFolder,
        file: &str,
        block: Block,
        mut lines: Lines,
    ) -> Result<(PredictionWarnings, Lines), Error> {
        let cannot = |path: &Path| {
            let path = path.to_owned();
            move |error| PredictError::local("use", &path, error)
        };
        let data = folder.beneath("data").map_err(cannot(folder.path()))?;
        let predictions = folder.make_beneath("predictions");
        let predictions = predictions.map_err(cannot(folder.path()))?;
        let guest = Guest {
            mode: Mode::Predict,
            grants: Grants {
                data: &data,
                job: None,
                model: self.model,
                predictions: Some(&predictions),
                env: self.environment(file),
                seed: self.manifest.seed,
            },
        };
        let status = sandbox::run_guest(&self.engine, &self.module, &guest, &self.limits).await?;
        // It may be a gigabyte, and whoever reads stdout may be slow: signals and deadlines are heard meanwhile.
        let stop = Stop::default();
        let _stop = StopOnDrop(stop.clone());
        let limits = self.limits;
        let appended = aside(move || {
            let left = outputs::list(&predictions, &limits)?;
            if status != exit::DONE {
                let mut report = outputs::error_report(&predictions)?;
                warnings::log(report.iter().flat_map(|report| &report.warnings));
                if let Some(row) = report.as_mut().and_then(|report| report.row.as_mut()) {
                    *row = row.saturating_add(block.first);
                }
                return Err(Error::from(GuestError { status, report }));
            }
            if !left.iter().any(|file| file.path == PREDICTIONS) {
                return Err(PredictError::BadOutput(format!(
                    "it left none where PREDICTION_PATH says ({PREDICTIONS})"
                ))
                .into());
            }
            let held = predictions.reach().map_err(cannot(predictions.path()))?;
            lines.append(&held.join(PREDICTIONS), block, &stop)?;
            Ok((outputs::prediction_warnings(&predictions)?, lines))
        });
        within(limits.timeout, LimitHit::Predictions, appended).await
    }

    fn environment(&self, file: &str) -> BTreeMap<String, String> {
        let manifest = self.manifest;
        let mut env = manifest.parameters.env.clone();
        for (variable, value) in [
            (
                "VERSION",
                format!("{}_{}", manifest.model_version, manifest.id),
            ),
            ("MODEL_VERSION", manifest.model_version.clone()),
            ("SAVE_PATH", manifest.save_path.clone()),
            ("DATA_PATH", format!("{}/{file}", files::DATA)),
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
