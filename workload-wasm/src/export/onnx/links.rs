//! From a form's sums to what the graph gives.

use super::features::clip_to_single;
use super::graph::{Graph, Value, int, ints};
use super::proto::DataType;
use crate::forms::Link;

/// Predictions in single precision from sums in double precision: rows x outputs of the link.
pub(super) fn apply(graph: &mut Graph, link: Link, sums: &Value) -> Value {
    match link {
        Link::Identity => clip_to_single(graph, sums),
        Link::Logistic => {
            let signs = graph.doubles(&[1, 2], &[-1.0, 1.0]);
            let both = graph.op("Mul", &[sums, &signs]);
            let shares = graph.sigmoid(&both);
            graph.cast(&shares, DataType::Float)
        }
        Link::Softmax => {
            let shares = softmax(graph, sums);
            graph.cast(&shares, DataType::Float)
        }
        Link::Shares => graph.cast(sums, DataType::Float),
    }
}

/// Step by step: not every runtime has a `Softmax` of doubles.
fn softmax(graph: &mut Graph, sums: &Value) -> Value {
    let rows = vec![ints("axes", vec![1]), int("keepdims", 1)];
    let largest = graph.op_with("ReduceMax", &[sums], rows);
    let below = graph.op("Sub", &[sums, &largest]);
    let exp = graph.op("Exp", &[&below]);
    shares(graph, &exp)
}

/// Each value over the sum of its row.
pub(super) fn shares(graph: &mut Graph, values: &Value) -> Value {
    let total = graph.row_sums(values);
    graph.op("Div", &[values, &total])
}
