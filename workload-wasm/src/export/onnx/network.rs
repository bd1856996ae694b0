use super::features::Columns;
use super::graph::{Graph, Value};
use super::links;
use super::proto::DataType;
use crate::forms::Network;

/// The weights are single precision in the file, and the arithmetic double, as the form's is.
pub(super) fn network(graph: &mut Graph, form: &Network, columns: &Columns) -> Value {
    let mut value = graph.cast(&columns.value, DataType::Double);
    for (index, layer) in form.layers.iter().enumerate() {
        let outputs = layer.biases.len();
        let weights = if index == 0 {
            let rows: Vec<&[f32]> = layer.weights.chunks_exact(outputs).collect();
            let in_order: Vec<f32> = columns
                .order
                .iter()
                .flat_map(|column| rows[*column].iter().copied())
                .collect();
            graph.floats(&[columns.order.len(), outputs], &in_order)
        } else {
            let zero = graph.double(0.0);
            value = graph.op("Max", &[&value, &zero]);
            graph.floats(&[layer.weights.len() / outputs, outputs], &layer.weights)
        };
        let biases = graph.floats(&[1, outputs], &layer.biases);
        let weights = graph.cast(&weights, DataType::Double);
        let biases = graph.cast(&biases, DataType::Double);
        let product = graph.op("MatMul", &[&value, &weights]);
        value = graph.op("Add", &[&product, &biases]);
    }
    links::apply(graph, form.link, &value)
}
