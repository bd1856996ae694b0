//! A graph that tract runs on blocks of rows.

use std::path::Path;
use std::sync::Arc;

use tract_onnx::data_resolver::ModelDataResolver;
use tract_onnx::model::{Onnx, ParseResult};
use tract_onnx::pb::{GraphProto, ModelProto};
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::{DimLike, Factoid, ShapeFactoid, format_err};
use tract_onnx::tract_hir::tract_core::internal::{bail, ensure};

use super::ensemble;
use super::signature::{Kind, MAX_COLUMNS, Port, Signature, Values};

/// What is told of a model's metadata.
const METADATA: [&str; 5] = [
    "save_path",
    "model_version",
    "classes",
    "schema",
    "categories",
];

/// Runs one model on blocks of a fixed number of rows.
pub(super) struct Session {
    pub signature: Signature,
    plan: Arc<TypedRunnableModel>,
    types: Vec<DatumType>,
    rows: usize,
}

/// Tensors in other files are not read: a model is one file.
struct NoFiles;

impl ModelDataResolver for NoFiles {
    fn read_bytes_from_path(
        &self,
        _: &mut Vec<u8>,
        path: &Path,
        _: usize,
        _: Option<usize>,
    ) -> TractResult<()> {
        bail!("it refers to the file {path:?}: a model must be one file")
    }
}

impl Session {
    /// # Errors
    /// When it is no ONNX model, has inputs that are no columns, or operators that tract does not know.
    pub fn load(bytes: &[u8], rows: usize) -> TractResult<Self> {
        let mut onnx = onnx();
        onnx.provider = Arc::new(NoFiles);
        ensemble::register(&mut onnx);
        let mut proto = onnx.proto_model_for_read(&mut &*bytes)?;
        let metadata = std::mem::take(&mut proto.metadata_props)
            .into_iter()
            .filter(|entry| METADATA.contains(&entry.key.as_str()))
            .map(|entry| (entry.key, entry.value))
            .collect();
        let graph = proto
            .graph
            .as_mut()
            .ok_or_else(|| format_err!("it holds no graph"))?;
        cut_zip_maps(graph);
        check_outputs(graph)?;
        let mut model = parse(&onnx, &proto)?;
        let mut inputs = Vec::new();
        let mut types = Vec::new();
        for index in 0..model.inputs.len() {
            let (port, kind) = input(&model, index)?;
            let shape = tvec!(rows, port.columns);
            model.set_input_fact(index, InferenceFact::dt_shape(kind, shape))?;
            inputs.push(port);
            types.push(kind);
        }
        // The optimizer takes longer than it saves on the rows of a gate, and changes the order of sums.
        let model = model.into_typed()?;
        let outputs = (0..model.outputs.len())
            .map(|index| output(&model, index, rows))
            .collect::<TractResult<_>>()?;
        Ok(Self {
            signature: Signature {
                inputs,
                outputs,
                metadata,
            },
            plan: model.into_runnable()?,
            types,
            rows,
        })
    }

    /// Scores a block: values of each input, rows x columns, to values of each output.
    ///
    /// # Errors
    /// When an operator fails.
    pub fn run(&self, block: Vec<Values>) -> TractResult<Vec<Values>> {
        let ports = self.signature.inputs.iter().zip(&self.types);
        let inputs = block
            .into_iter()
            .zip(ports)
            .map(|(values, (port, kind))| {
                let tensor = match values {
                    Values::Numbers(values) => tensor1(&values),
                    Values::Doubles(values) => tensor1(&values),
                    Values::Text(values) => tensor1(&values),
                };
                let tensor = tensor.into_shape(&[self.rows, port.columns])?;
                Ok(tensor.cast_to_dt(*kind)?.into_owned().into_tvalue())
            })
            .collect::<TractResult<_>>()?;
        let outputs = self.plan.run(inputs)?;
        outputs
            .iter()
            .zip(&self.signature.outputs)
            .map(|(tensor, port)| {
                let values = values(tensor, port)?;
                ensure!(
                    values.len() == self.rows * port.columns,
                    "output {} has {} values for {} rows",
                    port.name,
                    values.len(),
                    self.rows
                );
                Ok(values)
            })
            .collect()
    }
}

fn parse(onnx: &Onnx, proto: &ModelProto) -> TractResult<InferenceModel> {
    let ParseResult {
        model,
        unresolved_inputs,
        ..
    } = onnx.parse(proto, None)?;
    ensure!(
        unresolved_inputs.is_empty(),
        "nothing makes its values {unresolved_inputs:?}"
    );
    Ok(model)
}

/// scikit-learn's exporter wraps probabilities into maps from class to probability, for which no table has a column:
/// what goes into them is taken.
fn cut_zip_maps(graph: &mut GraphProto) {
    let maps: Vec<(String, String)> = graph
        .node
        .iter()
        .filter(|node| node.op_type == "ZipMap")
        .filter_map(|node| Some((node.output.first()?.clone(), node.input.first()?.clone())))
        .collect();
    graph.node.retain(|node| node.op_type != "ZipMap");
    for output in &mut graph.output {
        if let Some((_, from)) = maps.iter().find(|(map, _)| *map == output.name) {
            output.name.clone_from(from);
            output.r#type = None;
        }
    }
}

/// tract takes it for granted that something makes each output.
fn check_outputs(graph: &GraphProto) -> TractResult<()> {
    for output in &graph.output {
        let is_made = graph
            .node
            .iter()
            .flat_map(|node| &node.output)
            .chain(graph.input.iter().map(|input| &input.name))
            .chain(graph.initializer.iter().map(|tensor| &tensor.name))
            .any(|name| *name == output.name);
        ensure!(is_made, "nothing makes its output {}", output.name);
    }
    Ok(())
}

fn input(model: &InferenceModel, index: usize) -> TractResult<(Port, DatumType)> {
    let outlet = model.inputs[index];
    let name = model.node(outlet.node).name.clone();
    let fact = model.input_fact(index)?;
    let Some(datum) = fact.datum_type.concretize() else {
        bail!("its input {name} has no type");
    };
    let kind = if datum == String::datum_type() {
        Kind::Text
    } else if datum == f64::datum_type() {
        Kind::Double
    } else if datum.is_number() || datum == bool::datum_type() {
        Kind::Number
    } else {
        bail!("its input {name} is of type {datum:?}, which no column has");
    };
    let shape: &ShapeFactoid = &fact.shape;
    let dims: Vec<_> = shape.dims().collect();
    let columns = match dims.as_slice() {
        [_, columns] => columns
            .concretize()
            .and_then(|columns| columns.to_usize().ok()),
        _ => None,
    };
    match columns {
        Some(columns @ 1..=MAX_COLUMNS) => Ok((
            Port {
                name,
                kind,
                columns,
            },
            datum,
        )),
        _ => {
            bail!(
                "its input {name} is of shape {shape:?}, and not rows by a fixed count of columns"
            )
        }
    }
}

fn output(model: &TypedModel, index: usize, rows: usize) -> TractResult<Port> {
    let outlet = model.outputs[index];
    let name = match model.outlet_label(outlet) {
        Some(label) => label.to_owned(),
        None => model.node(outlet.node).name.clone(),
    };
    let fact = model.output_fact(index)?;
    let shape = fact
        .shape
        .as_concrete()
        .ok_or_else(|| format_err!("its output {name} has no fixed shape"))?;
    let columns = match shape {
        [of] if *of == rows => 1,
        [of, columns] if *of == rows && (1..=MAX_COLUMNS).contains(columns) => *columns,
        _ => bail!("its output {name} is of shape {shape:?} for {rows} rows"),
    };
    let kind = if fact.datum_type == f64::datum_type() {
        Kind::Double
    } else if fact.datum_type.is_float() {
        Kind::Number
    } else {
        Kind::Text
    };
    Ok(Port {
        name,
        kind,
        columns,
    })
}

/// Labels are text, be they strings or whole numbers.
fn values(tensor: &Tensor, port: &Port) -> TractResult<Values> {
    if port.kind == Kind::Number {
        let numbers = tensor.cast_to::<f32>()?;
        let numbers = numbers.try_as_plain_ram()?;
        return Ok(Values::Numbers(numbers.as_slice::<f32>()?.to_vec()));
    }
    if port.kind == Kind::Double {
        let numbers = tensor.cast_to::<f64>()?;
        let numbers = numbers.try_as_plain_ram()?;
        return Ok(Values::Doubles(numbers.as_slice::<f64>()?.to_vec()));
    }
    if tensor.datum_type() == String::datum_type() {
        let text = tensor.try_as_plain_ram()?;
        return Ok(Values::Text(text.as_slice::<String>()?.to_vec()));
    }
    let numbers = tensor.cast_to::<i64>()?;
    let numbers = numbers.try_as_plain_ram()?;
    let text = numbers.as_slice::<i64>()?.iter().map(i64::to_string);
    Ok(Values::Text(text.collect()))
}
