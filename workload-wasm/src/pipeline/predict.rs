use contract::PredictionWarnings;

use super::PipelineError;
use super::files::Outputs;
use super::prepare::unread_cells;
use crate::environment::Environment;
use crate::export::{Model, predictions_csv};
use crate::features::Encoder;
use crate::log::Log;
use crate::specification::nearest;
use crate::table::{DataError, Dataset, Table, read_dataset};

/// Mode `predict`: reads rows and `/model/model.json`, repeats the features, and writes the predictions.
///
/// # Errors
/// When the rows lack a column that the model reads or cannot be read, or the model is damaged.
pub fn predict(environment: &Environment, log: &mut Log<'_>) -> Result<(), PipelineError> {
    let model = read_model(environment)?;
    let table = typed_table(environment, &model, log)?;
    let rows: Vec<u32> = (0..table.rows as u32).collect();
    let predictions = model.predict(&table, &rows);
    let csv = predictions_csv(&rows, None, &predictions, &model.target);
    let counts = |encoder: &Encoder| encoder.count_unknown(&table, &rows);
    let notes = PredictionWarnings {
        warnings: log.warnings().to_vec(),
        categories: model.features.iter().filter_map(counts).collect(),
    };
    let mut outputs = Outputs::default();
    if !notes.is_empty() {
        let folder = environment.resolve(contract::files::PREDICTIONS);
        outputs.add_json(&folder, contract::files::WARNINGS_JSON, &notes)?;
    }
    outputs.add(
        environment.resolve(&environment.prediction_path),
        csv.into_bytes(),
    );
    outputs.finish()?;
    log.say(format_args!(
        "predicted {} of {} rows into {}",
        model.target.column, table.rows, environment.prediction_path
    ));
    Ok(())
}

fn read_model(environment: &Environment) -> Result<Model, PipelineError> {
    let path = environment
        .resolve(contract::files::MODEL)
        .join(contract::files::MODEL_JSON);
    let json = std::fs::read(&path).map_err(|reason| PipelineError::File {
        path: path.clone(),
        action: "read",
        reason,
    })?;
    Model::from_json(&json).map_err(|reason| PipelineError::Model { path, reason })
}

/// The rows, each column of the type that it had in training.
fn typed_table(
    environment: &Environment,
    model: &Model,
    log: &mut Log<'_>,
) -> Result<Table, PipelineError> {
    let reading = model.reading().map_err(|reason| PipelineError::Model {
        path: environment.resolve(contract::files::MODEL),
        reason,
    })?;
    let Dataset {
        mut table,
        warnings,
        ..
    } = read_dataset(&environment.resolve(&environment.data_path), reading)?;
    log.warn(warnings);
    for input in &model.inputs {
        if table.column(&input.name).is_none() {
            return Err(DataError::MissingColumn {
                column: input.name.clone(),
                nearest: nearest(&input.name, table.names()),
            }
            .into());
        }
        let unread = table.set_type(&input.name, input.kind)?;
        if unread > 0 {
            log.warn([unread_cells(&input.name, unread, input.kind)]);
        }
    }
    Ok(table)
}
