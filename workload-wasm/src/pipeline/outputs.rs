//! What a training leaves.

use contract::Metrics;

use super::PipelineError;
use super::files::Outputs;
use super::fit::FittedModel;
use super::prepare::Prepared;
use crate::environment::Environment;
use crate::export::{Model, NotExported, PublishedAs, check, onnx, predictions_csv};
use crate::features::Input;
use crate::forms::Predictions;
use crate::table::TargetValues;

/// What `model.json` holds.
pub(super) fn model(prepared: &Prepared, fitted: FittedModel) -> Model {
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
        .map(|column| Input {
            name: column.name.clone(),
            kind: column.kind,
        })
        .collect();
    Model {
        format: Model::FORMAT,
        target: prepared.target.model.clone(),
        inputs,
        features: fitted.encoders,
        model: fitted.form,
    }
}

/// `model.onnx`, or why there is none.
pub(super) fn exported(environment: &Environment, model: &Model) -> Result<Vec<u8>, NotExported> {
    let published_as = PublishedAs {
        save_path: environment.save_path.clone(),
        model_version: environment.model_version.clone(),
    };
    onnx(model, &published_as)
}

/// Writes every file of the contract.
pub(super) fn write(
    environment: &Environment,
    prepared: &Prepared,
    model: &Model,
    onnx: Option<Vec<u8>>,
    predictions: &Predictions,
    metrics: &Metrics,
) -> Result<(), PipelineError> {
    let held_out = &prepared.parts.held_out;
    let folder = environment.resolve(contract::files::MODEL);
    let actual = actual(prepared, held_out);
    let csv = predictions_csv(held_out, Some(&actual), predictions, &model.target.classes);
    let mut outputs = Outputs::default();
    outputs.add(
        folder.join(contract::files::MODEL_JSON),
        model.to_json().map_err(|reason| PipelineError::Json {
            file: contract::files::MODEL_JSON,
            reason,
        })?,
    );
    if let Some(onnx) = onnx {
        outputs.add(folder.join(contract::files::MODEL_ONNX), onnx);
    }
    outputs.add_json(&folder, contract::files::METRICS_JSON, metrics)?;
    outputs.add(
        environment.resolve(&environment.prediction_path),
        csv.into_bytes(),
    );
    outputs.add_json(
        &folder,
        contract::files::CHECK_JSON,
        &check(&prepared.table, model, held_out),
    )?;
    outputs.write()
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
            .map(|row| values[*row as usize].to_string())
            .collect(),
    }
}
