//! What a training leaves.

use contract::Metrics;
use records::Rules;

use super::PipelineError;
use super::files::Outputs;
use super::fit::FittedModel;
use super::prepare::Prepared;
use crate::environment::Environment;
use crate::export::{FittedBy, Model, NotExported, PublishedAs, check, onnx, predictions_csv};
use crate::features::{Encoder, Input};
use crate::forms::Predictions;
use crate::learners::Learner;
use crate::table::{TargetValues, Type};

/// What `model.json` holds.
pub(super) fn model(prepared: &Prepared, fitted: FittedModel, learner: &dyn Learner) -> Model {
    let inputs = prepared
        .table
        .columns
        .iter()
        .filter(|column| {
            fitted
                .encoders
                .iter()
                .any(|encoder| encoder.source.columns().contains(&column.name.as_str()))
        })
        .map(|column| {
            let note = prepared.notes.of(&column.name);
            let declared = prepared.formats.get(&column.name);
            let format = declared.or(note.and_then(|note| note.format.as_ref()));
            let mut readers = fitted.encoders.iter().filter(|encoder| {
                let columns = encoder.source.columns();
                columns.contains(&column.name.as_str())
            });
            Input {
                name: column.name.clone(),
                kind: column.kind,
                double: column.kind == Type::Number && readers.any(Encoder::reads_double),
                format: format.map(ToString::to_string),
                na_is_text: note.is_some_and(|note| note.na_is_text),
            }
        })
        .collect();
    Model {
        format: Model::FORMAT,
        reading_rules: Rules::NEWEST.number(),
        fitted_by: Some(FittedBy {
            algorithm: learner.algorithm().to_owned(),
            engine: learner.engine().to_owned(),
        }),
        target: prepared.target.model.clone(),
        inputs,
        features: fitted.encoders,
        model: fitted.form,
    }
}

/// Writes `check.json`, and `model.onnx` unless it tells why there is none: the runner compares the two while the rest is
/// made.
pub(super) fn write_onnx(
    environment: &Environment,
    prepared: &Prepared,
    model: &Model,
    predictions: &Predictions,
    outputs: &mut Outputs,
) -> Result<Option<NotExported>, PipelineError> {
    let folder = environment.resolve(contract::files::MODEL);
    let held_out = &prepared.parts.held_out;
    let check = check(&prepared.table, model, held_out, predictions);
    let check = serde_json::to_vec(&check).map_err(|reason| PipelineError::Json {
        file: contract::files::CHECK_JSON,
        reason,
    })?;
    outputs.write(folder.join(contract::files::CHECK_JSON), &check)?;
    let published_as = PublishedAs {
        save_path: environment.save_path.clone(),
        model_version: environment.model_version.clone(),
    };
    match onnx(model, &published_as) {
        Ok(onnx) => {
            outputs.write(folder.join(contract::files::MODEL_ONNX), &onnx)?;
            Ok(None)
        }
        Err(reason) => Ok(Some(reason)),
    }
}

/// Writes every other file of the contract.
pub(super) fn write(
    environment: &Environment,
    prepared: &Prepared,
    model: &Model,
    predictions: &Predictions,
    metrics: &Metrics,
    mut outputs: Outputs,
) -> Result<(), PipelineError> {
    let held_out = &prepared.parts.held_out;
    let folder = environment.resolve(contract::files::MODEL);
    let actual = actual(prepared, held_out);
    let csv = predictions_csv(held_out, Some(&actual), predictions, &model.target);
    outputs.add(
        folder.join(contract::files::MODEL_JSON),
        model.to_json().map_err(|reason| PipelineError::Json {
            file: contract::files::MODEL_JSON,
            reason,
        })?,
    );
    outputs.add_json(&folder, contract::files::METRICS_JSON, metrics)?;
    outputs.add(
        environment.resolve(&environment.prediction_path),
        csv.into_bytes(),
    );
    outputs.finish()
}

/// The targets of rows as people write them.
fn actual(prepared: &Prepared, rows: &[u32]) -> Vec<String> {
    match &prepared.target.values {
        TargetValues::Classes(codes) => rows
            .iter()
            .map(|row| prepared.target.model.classes[codes[*row as usize] as usize].clone())
            .collect(),
        TargetValues::Numbers(values) => rows
            .iter()
            .map(|row| values.written(values.get(*row as usize)))
            .collect(),
    }
}
