use super::features::Columns;
use super::graph::{Graph, Value, int};
use super::links;
use super::proto::DataType;
use crate::forms::{Link, NaiveBayes};

/// The squares are taken of the deviations, rows x classes x columns: multiplied out, they would lose what they differ in.
pub(super) fn naive_bayes(graph: &mut Graph, form: &NaiveBayes, columns: &Columns) -> Value {
    let (classes, width) = (form.log_priors.len(), columns.order.len());
    let in_order = |rows: &[Vec<f64>]| -> Vec<f64> {
        rows.iter()
            .flat_map(|row| columns.order.iter().map(|column| row[*column]))
            .collect()
    };
    let means = graph.doubles(&[1, classes, width], &in_order(&form.means));
    let weights: Vec<f64> = in_order(&form.variances)
        .into_iter()
        .map(|variance| -0.5 / variance)
        .collect();
    let weights = graph.doubles(&[1, classes, width], &weights);
    let starts: Vec<f64> = form
        .log_priors
        .iter()
        .zip(&form.variances)
        .map(|(prior, variances)| prior - 0.5 * log_volume(variances))
        .collect();
    let starts = graph.doubles(&[1, classes], &starts);
    let value = graph.cast(&columns.value, DataType::Double);
    let axis = graph.ints(&[1], &[1]);
    let value = graph.op("Unsqueeze", &[&value, &axis]);
    let deviations = graph.op("Sub", &[&value, &means]);
    let squares = graph.op("Mul", &[&deviations, &deviations]);
    let weighted = graph.op("Mul", &[&squares, &weights]);
    let axis = graph.ints(&[1], &[2]);
    let sums = graph.op_with("ReduceSum", &[&weighted, &axis], vec![int("keepdims", 0)]);
    let sums = graph.op("Add", &[&sums, &starts]);
    links::apply(graph, Link::Softmax, &sums)
}

fn log_volume(variances: &[f64]) -> f64 {
    variances
        .iter()
        .map(|variance| (2.0 * std::f64::consts::PI * variance).ln())
        .sum()
}
