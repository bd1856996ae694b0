//! Rows through the model's own module: what it was trained with, in the sandbox.
//!
//! A module reads one file. A long dataset goes to it in blocks, one run a block, so that memory is bounded.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use contract::{Manifest, PredictionWarnings, exit, files};

use super::formulas::Formulas;
use super::lines::{Block, Lines};
use super::model::{Model, check_digest};
use super::output::Output;
use super::rows::Rows;
use super::said::Said;
use super::{Job, PredictError};
use crate::error::{Error, GuestError};
use crate::outputs;
use crate::run::load;
use crate::sandbox::{self, Engine, EngineOptions, Grants, Guest, Limits, Mode, Module};
use crate::warnings;
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
    };
    let formulas = Formulas::new(job.keep_formulas);
    let (name, version) = (&manifest.name, &manifest.model_version);
    let mut lines = Lines::new(name, version, output.writer(), formulas);
    let mut said = Said::default();
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
        let part = Block {
            first: block.first_row,
            rows: block.rows as u64,
        };
        drop(block);
        // Whoever waits for a signal gets a turn.
        tokio::task::yield_now().await;
        let noticed = predictor.block(&folder, &file, part, &mut lines).await?;
        said.add(noticed);
        // It is removed in the end, if not now.
        let _ = std::fs::remove_dir_all(&folder);
        rows.at(blocks.offset(), part.first + part.rows);
    }
    lines.finish();
    Ok(said
        .finish()
        .map_err(|problem| PredictError::column(job, problem))?)
}

struct Predictor<'a> {
    engine: Arc<Engine>,
    module: Module,
    manifest: &'a Manifest,
    model: &'a Path,
    limits: Limits,
}

impl Predictor<'_> {
    /// Predicts the rows of `file`, the only one in its folder, and appends what the module says of them. Returns what it
    /// warns of.
    async fn block(
        &self,
        folder: &Path,
        file: &Path,
        block: Block,
        lines: &mut Lines<'_>,
    ) -> Result<PredictionWarnings, Error> {
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
            warnings::log(report.iter().flat_map(|report| &report.warnings));
            if let Some(row) = report.as_mut().and_then(|report| report.row.as_mut()) {
                *row = row.saturating_add(block.first);
            }
            return Err(GuestError { status, report }.into());
        }
        if !left.iter().any(|file| file.path == PREDICTIONS) {
            return Err(PredictError::BadOutput(format!(
                "it left none where PREDICTION_PATH says ({PREDICTIONS})"
            ))
            .into());
        }
        lines.append(&predictions.join(PREDICTIONS), block)?;
        Ok(outputs::prediction_warnings(&predictions)?)
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
