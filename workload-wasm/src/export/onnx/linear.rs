use super::features::Columns;
use super::graph::{Graph, Value};
use super::links;
use super::proto::DataType;
use crate::forms::Linear;

pub(super) fn linear(graph: &mut Graph, form: &Linear, columns: &Columns) -> Value {
    let outputs = form.coefficients.len();
    let weights: Vec<f64> = columns
        .order
        .iter()
        .flat_map(|column| form.coefficients.iter().map(|row| row[*column]))
        .collect();
    let weights = graph.doubles(&[columns.order.len(), outputs], &weights);
    let intercepts = graph.doubles(&[1, outputs], &form.intercepts);
    let value = graph.cast(&columns.value, DataType::Double);
    let product = graph.op("MatMul", &[&value, &weights]);
    let sums = graph.op("Add", &[&product, &intercepts]);
    links::apply(graph, form.link, &sums)
}
