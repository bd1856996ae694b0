//! Building a graph, operator by operator.

use prost::bytes::Bytes;

use super::proto::{
    self, Attribute, DataType, Dimension, Node, Shape, Tensor, TensorType, Type, ValueInfo,
    attribute_type,
};

/// The operators of `ai.onnx.ml`; all others are ONNX's own.
const ML: [&str; 3] = [
    "CategoryMapper",
    "TreeEnsembleClassifier",
    "TreeEnsembleRegressor",
];
pub(super) const ML_DOMAIN: &str = "ai.onnx.ml";

/// The name of a tensor in the graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Value(String);

/// A graph under construction. Every tensor of it has rank 2, rows first, unless an operator's comment says otherwise:
/// broadcasting then means the same to every runtime.
pub(super) struct Graph {
    proto: proto::Graph,
    /// What the names of all inner tensors begin with, and that of no input.
    prefix: String,
    count: usize,
}

impl Graph {
    /// A graph with `inputs` of one column each.
    pub fn new<'a>(inputs: impl Iterator<Item = (&'a str, DataType)> + Clone) -> Self {
        let mut prefix = "_".to_owned();
        while inputs.clone().any(|(name, _)| name.starts_with(&prefix)) {
            prefix.push('_');
        }
        let input = inputs
            .map(|(name, kind)| value_info(name.to_owned(), kind, Some(1)))
            .collect();
        Graph {
            proto: proto::Graph {
                name: "model".to_owned(),
                input,
                ..proto::Graph::default()
            },
            prefix,
            count: 0,
        }
    }

    /// The input of that name.
    pub fn input(&self, name: &str) -> Value {
        Value(name.to_owned())
    }

    fn fresh(&mut self, what: &str) -> String {
        self.count += 1;
        format!("{}{what}_{}", self.prefix, self.count)
    }

    pub fn op(&mut self, operator: &str, inputs: &[&Value]) -> Value {
        self.op_with(operator, inputs, Vec::new())
    }

    pub fn op_with(
        &mut self,
        operator: &str,
        inputs: &[&Value],
        attributes: Vec<Attribute>,
    ) -> Value {
        let output = self.fresh(operator);
        self.push(operator, inputs, vec![output.clone()], attributes);
        Value(output)
    }

    /// An operator whose second output is wanted.
    pub fn second_of(
        &mut self,
        operator: &str,
        inputs: &[&Value],
        attributes: Vec<Attribute>,
    ) -> Value {
        let outputs = vec![self.fresh(operator), self.fresh(operator)];
        let wanted = outputs[1].clone();
        self.push(operator, inputs, outputs, attributes);
        Value(wanted)
    }

    fn push(
        &mut self,
        operator: &str,
        inputs: &[&Value],
        output: Vec<String>,
        attribute: Vec<Attribute>,
    ) {
        let domain = if ML.contains(&operator) {
            ML_DOMAIN
        } else {
            ""
        };
        self.proto.node.push(Node {
            input: inputs.iter().map(|value| value.0.clone()).collect(),
            name: output[0].clone(),
            output,
            op_type: operator.to_owned(),
            attribute,
            domain: domain.to_owned(),
        });
    }

    fn constant(&mut self, data_type: DataType, shape: &[usize], raw: Vec<u8>) -> Value {
        let name = self.fresh("const");
        self.proto.initializer.push(Tensor {
            dims: shape.iter().map(|length| *length as i64).collect(),
            data_type: data_type as i32,
            name: name.clone(),
            raw_data: Some(raw),
            string_data: Vec::new(),
        });
        Value(name)
    }

    /// Row-major.
    pub fn floats(&mut self, shape: &[usize], values: &[f32]) -> Value {
        let raw = values.iter().flat_map(|value| value.to_le_bytes());
        let raw = raw.collect();
        self.constant(DataType::Float, shape, raw)
    }

    /// Row-major.
    pub fn doubles(&mut self, shape: &[usize], values: &[f64]) -> Value {
        let raw = values.iter().flat_map(|value| value.to_le_bytes());
        let raw = raw.collect();
        self.constant(DataType::Double, shape, raw)
    }

    /// Row-major.
    pub fn ints(&mut self, shape: &[usize], values: &[i64]) -> Value {
        let raw = values.iter().flat_map(|value| value.to_le_bytes());
        let raw = raw.collect();
        self.constant(DataType::Int64, shape, raw)
    }

    /// A vector.
    pub fn strings(&mut self, values: &[String]) -> Value {
        let name = self.fresh("const");
        self.proto.initializer.push(Tensor {
            dims: vec![values.len() as i64],
            data_type: DataType::String as i32,
            name: name.clone(),
            raw_data: None,
            string_data: values.iter().map(text).collect(),
        });
        Value(name)
    }

    /// A double that applies to every element.
    pub fn double(&mut self, value: f64) -> Value {
        self.doubles(&[1, 1], &[value])
    }

    pub fn cast(&mut self, value: &Value, to: DataType) -> Value {
        self.op_with("Cast", &[value], vec![int("to", to as i64)])
    }

    /// Side by side.
    pub fn concat(&mut self, values: &[Value]) -> Value {
        match values {
            [only] => only.clone(),
            _ => {
                let inputs: Vec<&Value> = values.iter().collect();
                self.op_with("Concat", &inputs, vec![int("axis", 1)])
            }
        }
    }

    /// The columns at `indices` of a value that has `width`.
    pub fn select(&mut self, value: &Value, width: usize, indices: &[usize]) -> Value {
        if indices.iter().copied().eq(0..width) {
            return value.clone();
        }
        let indices: Vec<i64> = indices.iter().map(|index| *index as i64).collect();
        let indices = self.ints(&[indices.len()], &indices);
        self.op_with("Gather", &[value, &indices], vec![int("axis", 1)])
    }

    /// `1 / (1 + exp(-x))` of doubles.
    pub fn sigmoid(&mut self, value: &Value) -> Value {
        let negative = self.op("Neg", &[value]);
        let exp = self.op("Exp", &[&negative]);
        let one = self.double(1.0);
        let sum = self.op("Add", &[&exp, &one]);
        self.op("Reciprocal", &[&sum])
    }

    /// The sum of each row.
    pub fn row_sums(&mut self, value: &Value) -> Value {
        let axes = self.ints(&[1], &[1]);
        self.op_with("ReduceSum", &[value, &axes], vec![int("keepdims", 1)])
    }

    /// Makes `value` an output, under `name` or, where an input has that name, under one that is nobody's. Returns the
    /// name. `width` is `None` for a value of rank 1.
    pub fn output(
        &mut self,
        value: &Value,
        name: &str,
        kind: DataType,
        width: Option<usize>,
    ) -> String {
        let mut free = name.to_owned();
        while self.proto.input.iter().any(|input| input.name == free) {
            free.push('_');
        }
        self.push("Identity", &[value], vec![free.clone()], Vec::new());
        self.proto
            .output
            .push(value_info(free.clone(), kind, width));
        free
    }

    pub fn finish(self) -> proto::Graph {
        self.proto
    }
}

fn value_info(name: String, kind: DataType, width: Option<usize>) -> ValueInfo {
    let rows = Dimension {
        name: Some("rows".to_owned()),
        value: None,
    };
    let width = width.map(|width| Dimension {
        value: Some(width as i64),
        name: None,
    });
    ValueInfo {
        name,
        kind: Some(Type {
            tensor: Some(TensorType {
                element: kind as i32,
                shape: Some(Shape {
                    dim: std::iter::once(rows).chain(width).collect(),
                }),
            }),
        }),
    }
}

fn text(text: &String) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

pub(super) fn int(name: &str, value: i64) -> Attribute {
    Attribute {
        name: name.to_owned(),
        i: Some(value),
        kind: attribute_type::INT,
        ..Attribute::default()
    }
}

pub(super) fn ints(name: &str, ints: Vec<i64>) -> Attribute {
    Attribute {
        name: name.to_owned(),
        ints,
        kind: attribute_type::INTS,
        ..Attribute::default()
    }
}

pub(super) fn floats(name: &str, floats: Vec<f32>) -> Attribute {
    Attribute {
        name: name.to_owned(),
        floats,
        kind: attribute_type::FLOATS,
        ..Attribute::default()
    }
}

pub(super) fn string(name: &str, value: &'static str) -> Attribute {
    Attribute {
        name: name.to_owned(),
        s: Some(Bytes::from_static(value.as_bytes())),
        kind: attribute_type::STRING,
        ..Attribute::default()
    }
}

pub(super) fn strings<'a>(name: &str, values: impl Iterator<Item = &'a String>) -> Attribute {
    static_strings(name, values.map(text).collect())
}

pub(super) fn static_strings(name: &str, strings: Vec<Bytes>) -> Attribute {
    Attribute {
        name: name.to_owned(),
        strings,
        kind: attribute_type::STRINGS,
        ..Attribute::default()
    }
}
