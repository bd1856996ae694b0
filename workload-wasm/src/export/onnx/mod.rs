//! `model.onnx`: everything between raw columns and predictions as one graph (`docs/onnx.md`).
//!
//! Features end in single precision, as `features::encode` makes them, and all that follows is computed in double
//! precision, as the forms do. Only operators that onnxruntime and tract share; nothing that tells when or where it was made.

mod dates;
mod features;
mod graph;
mod kernel;
mod linear;
mod links;
mod naive_bayes;
mod network;
mod proto;
mod sources;
mod trees;

use contract::Task;
use prost::Message;
use serde_json::json;

use super::Model;
use crate::features::Input;
use crate::forms::Form;
use crate::table::Type;
use graph::{Graph, ML_DOMAIN, Value, int};
use proto::DataType;

/// The versions of ONNX's operator sets, and the version of the file format that came with them.
const OPERATORS: i64 = 17;
const ML_OPERATORS: i64 = 3;
const IR_VERSION: i64 = 8;

/// A larger file would not pay: `model.json` is there.
const MOST_BYTES: usize = 256 << 20;
/// What making a file takes, in files.
const ROOM: usize = 5;

/// Under what name the model is published; part of the file's metadata.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublishedAs {
    pub save_path: Option<String>,
    pub model_version: Option<String>,
}

/// Why a model has no `model.onnx`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotExported {
    #[error(
        "nearest neighbors are not exported: ties between equally near rows come out differently in other runtimes"
    )]
    Neighbors,
    #[error("it would be larger than {} MiB", MOST_BYTES >> 20)]
    TooLarge,
    #[error("the module's memory has no room to make it; --memory gives more")]
    NoRoom,
    #[error("a column that the model reads has no name, and an input of a graph needs one")]
    Unnamed,
    #[error("the parts of the model do not fit together")]
    Damaged,
}

/// The bytes of `model.onnx`. Equal models give equal bytes.
///
/// # Errors
/// When the model cannot be said in ONNX.
pub fn onnx(model: &Model, published_as: &PublishedAs) -> Result<Vec<u8>, NotExported> {
    if model.inputs.iter().any(|input| input.name.is_empty()) {
        return Err(NotExported::Unnamed);
    }
    check_room(&model.model)?;
    let inputs = model
        .inputs
        .iter()
        .map(|input| (input.name.as_str(), data_type(input)));
    let mut graph = Graph::new(inputs);
    let columns = features::columns(&mut graph, model);
    let predictions = match &model.model {
        Form::Linear(form) => linear::linear(&mut graph, form, &columns),
        Form::Trees(form) => trees::trees(&mut graph, form, &columns)?,
        Form::NaiveBayes(form) => naive_bayes::naive_bayes(&mut graph, form, &columns),
        Form::Neighbors(_) => return Err(NotExported::Neighbors),
        Form::Kernel(form) => kernel::kernel(&mut graph, form, &columns),
        Form::Network(form) => network::network(&mut graph, form, &columns),
    };
    let outputs = outputs(&mut graph, model, &predictions);
    let file = proto::Model {
        ir_version: IR_VERSION,
        producer_name: "nomad-runner".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        graph: Some(graph.finish()),
        opset_import: vec![operators("", OPERATORS), operators(ML_DOMAIN, ML_OPERATORS)],
        metadata_props: metadata(model, published_as, &outputs),
    };
    Ok(file.encode_to_vec())
}

/// Refuses what would be too large, or would end the module for want of memory where it has just fitted a model.
fn check_room(form: &Form) -> Result<(), NotExported> {
    let bytes = match form {
        Form::Trees(form) => trees::bytes(form),
        Form::Kernel(form) => {
            let vectors = form.vectors.values.len().saturating_mul(4);
            kernel::matrix_cells(form)
                .saturating_mul(8)
                .saturating_add(vectors)
        }
        Form::Network(form) => form
            .layers
            .iter()
            .map(|layer| layer.weights.len() * 4)
            .sum(),
        Form::Linear(_) | Form::NaiveBayes(_) | Form::Neighbors(_) => 0,
    };
    if bytes > MOST_BYTES {
        return Err(NotExported::TooLarge);
    }
    let mut room: Vec<u8> = Vec::new();
    room.try_reserve_exact(bytes * ROOM)
        .map_err(|_| NotExported::NoRoom)
}

/// Text, or numbers in the precision in which they are read.
fn data_type(input: &Input) -> DataType {
    match input.kind {
        Type::Category => DataType::String,
        Type::Date | Type::Timestamp => DataType::Double,
        Type::Number if input.double => DataType::Double,
        Type::Number | Type::Boolean => DataType::Float,
    }
}

/// Names what the graph gives: label and probabilities, or a prediction.
fn outputs(graph: &mut Graph, model: &Model, predictions: &Value) -> Vec<String> {
    let classes = &model.target.classes;
    if let Some(offset) = model.target.offset {
        let counted = graph.cast(predictions, DataType::Double);
        let offset = graph.double(offset);
        let numbers = graph.op("Add", &[&counted, &offset]);
        return vec![graph.output(&numbers, "prediction", DataType::Double, Some(1))];
    }
    if model.target.task == Task::Regression {
        return vec![graph.output(predictions, "prediction", DataType::Float, Some(1))];
    }
    let largest = graph.op_with(
        "ArgMax",
        &[predictions],
        vec![int("axis", 1), int("keepdims", 0)],
    );
    let names = graph.strings(classes);
    let labels = graph.op_with("Gather", &[&names, &largest], vec![int("axis", 0)]);
    vec![
        graph.output(&labels, "label", DataType::String, None),
        graph.output(
            predictions,
            "probabilities",
            DataType::Float,
            Some(classes.len()),
        ),
    ]
}

fn operators(domain: &str, version: i64) -> proto::OperatorSet {
    proto::OperatorSet {
        domain: Some(domain.to_owned()),
        version,
    }
}

fn metadata(model: &Model, published_as: &PublishedAs, outputs: &[String]) -> Vec<proto::Property> {
    let target = &model.target;
    let task = match target.task {
        Task::Binary => "binary",
        Task::Multiclass => "multiclass",
        Task::Regression => "regression",
    };
    let inputs: Vec<_> = model
        .inputs
        .iter()
        .map(|input| {
            let mut written = json!({ "name": input.name, "type": input.kind.name() });
            if let Some(format) = &input.format {
                written["format"] = json!(format);
            }
            if input.double {
                written["double"] = json!(true);
            }
            if input.na_is_text {
                written["na_is_text"] = json!(true);
            }
            written
        })
        .collect();
    let classes = (!target.classes.is_empty()).then(|| json!(target.classes).to_string());
    let known: Vec<_> = model
        .features
        .iter()
        .filter_map(|encoder| encoder.known_categories())
        .map(|(column, known)| (column.to_owned(), json!(known)))
        .collect();
    let known = (!known.is_empty()).then(|| json!(serde_json::Map::from_iter(known)).to_string());
    [
        ("save_path", published_as.save_path.clone()),
        ("model_version", published_as.model_version.clone()),
        ("task", Some(task.to_owned())),
        ("target", Some(target.column.clone())),
        ("classes", classes),
        ("positive", target.positive().map(str::to_owned)),
        (
            "schema",
            Some(json!({ "inputs": inputs, "outputs": outputs }).to_string()),
        ),
        ("categories", known),
        ("reading_rules", Some(model.reading_rules.to_string())),
    ]
    .into_iter()
    .filter_map(|(key, value)| {
        Some(proto::Property {
            key: key.to_owned(),
            value: value?,
        })
    })
    .collect()
}
