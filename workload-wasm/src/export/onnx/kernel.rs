//! Support vectors: kernels by a matrix product with them, sums by another.

use super::features::{Columns, clip_to_single};
use super::graph::{Graph, Value};
use super::links::shares;
use super::proto::DataType;
use crate::forms::{Kernel, KernelFunction, Machine, Machines, PAIR_MARGIN, Pair};

pub(super) fn kernel(graph: &mut Graph, form: &Kernel, columns: &Columns) -> Value {
    let kernels = kernels(graph, form, columns);
    let vectors = form.vectors.iter().len();
    match &form.machines {
        Machines::Regression(machine) => {
            let sums = sums(graph, &kernels, vectors, &[machine]);
            clip_to_single(graph, &sums)
        }
        Machines::Classification { classes, pairs } => {
            let machines: Vec<&Machine> = pairs.iter().map(|pair| &pair.machine).collect();
            let sums = sums(graph, &kernels, vectors, &machines);
            let shares = couple(graph, *classes as usize, pairs, &sums);
            graph.cast(&shares, DataType::Float)
        }
    }
}

/// How many numbers the graph holds besides the support vectors.
pub(super) fn matrix_cells(form: &Kernel) -> usize {
    let vectors = form.vectors.iter().len();
    match &form.machines {
        Machines::Regression(_) => vectors,
        Machines::Classification { classes, pairs } => {
            pairs.len().saturating_mul(vectors + 2 * *classes as usize)
        }
    }
}

/// The kernel of each row and each vector.
fn kernels(graph: &mut Graph, form: &Kernel, columns: &Columns) -> Value {
    let count = form.vectors.iter().len();
    let width = columns.order.len();
    let rows: Vec<&[f32]> = form.vectors.iter().collect();
    let transposed: Vec<f32> = columns
        .order
        .iter()
        .flat_map(|column| rows.iter().map(|row| row[*column]))
        .collect();
    let vectors = graph.floats(&[width, count], &transposed);
    let vectors = graph.cast(&vectors, DataType::Double);
    let value = graph.cast(&columns.value, DataType::Double);
    let products = graph.op("MatMul", &[&value, &vectors]);
    let affine = |graph: &mut Graph, gamma: f64, coef0: f64| {
        let gamma = graph.double(gamma);
        let coef0 = graph.double(coef0);
        let scaled = graph.op("Mul", &[&products, &gamma]);
        graph.op("Add", &[&scaled, &coef0])
    };
    match form.function {
        KernelFunction::Linear => products,
        KernelFunction::Rbf { gamma } => {
            let squares: Vec<f64> = rows.iter().map(|row| square(row)).collect();
            let squares = graph.doubles(&[1, count], &squares);
            let own = graph.op("Mul", &[&value, &value]);
            let own = graph.row_sums(&own);
            let both = graph.op("Add", &[&own, &squares]);
            let minus_two = graph.double(-2.0);
            let products = graph.op("Mul", &[&products, &minus_two]);
            let distances = graph.op("Add", &[&both, &products]);
            let gamma = graph.double(-gamma);
            let exponents = graph.op("Mul", &[&distances, &gamma]);
            graph.op("Exp", &[&exponents])
        }
        KernelFunction::Poly {
            gamma,
            coef0,
            degree,
        } => {
            let base = affine(graph, gamma, coef0);
            let degree = graph.double(f64::from(degree));
            graph.op("Pow", &[&base, &degree])
        }
        KernelFunction::Sigmoid { gamma, coef0 } => {
            let inner = affine(graph, gamma, coef0);
            graph.op("Tanh", &[&inner])
        }
    }
}

fn square(row: &[f32]) -> f64 {
    row.iter()
        .map(|value| f64::from(*value) * f64::from(*value))
        .sum()
}

/// The sum of each machine, rows x machines.
fn sums(graph: &mut Graph, kernels: &Value, vectors: usize, machines: &[&Machine]) -> Value {
    let mut weights = vec![0.0; vectors * machines.len()];
    for (column, machine) in machines.iter().enumerate() {
        for (vector, weight) in machine.vectors.iter().zip(&machine.weights) {
            weights[*vector as usize * machines.len() + column] += weight;
        }
    }
    let intercepts: Vec<f64> = machines.iter().map(|machine| machine.intercept).collect();
    let weights = graph.doubles(&[vectors, machines.len()], &weights);
    let intercepts = graph.doubles(&[1, machines.len()], &intercepts);
    let products = graph.op("MatMul", &[kernels, &weights]);
    graph.op("Add", &[&products, &intercepts])
}

/// Probabilities of the classes from the sums of their pairs, as the form couples them.
fn couple(graph: &mut Graph, classes: usize, pairs: &[Pair], sums: &Value) -> Value {
    let width = pairs.len();
    let slopes: Vec<f64> = pairs.iter().map(|pair| pair.slope).collect();
    let offsets: Vec<f64> = pairs.iter().map(|pair| pair.offset).collect();
    let slopes = graph.doubles(&[1, width], &slopes);
    let offsets = graph.doubles(&[1, width], &offsets);
    let scaled = graph.op("Mul", &[sums, &slopes]);
    let log_odds = graph.op("Add", &[&scaled, &offsets]);
    let second = graph.sigmoid(&log_odds);
    let least = graph.doubles(&[], &[PAIR_MARGIN]);
    let most = graph.doubles(&[], &[1.0 - PAIR_MARGIN]);
    let second = graph.op("Clip", &[&second, &least, &most]);
    let one = graph.double(1.0);
    let first = graph.op("Sub", &[&one, &second]);
    let mut total = graph.doubles(&[1, classes], &vec![2.0 - classes as f64; classes]);
    for (probability, class) in [
        (&second, (|pair| pair.second) as fn(&Pair) -> u32),
        (&first, |pair| pair.first),
    ] {
        let mut of_class = vec![0.0; width * classes];
        for (index, pair) in pairs.iter().enumerate() {
            of_class[index * classes + class(pair) as usize] = 1.0;
        }
        let of_class = graph.doubles(&[width, classes], &of_class);
        let inverse = graph.op("Reciprocal", &[probability]);
        let inverse = graph.op("MatMul", &[&inverse, &of_class]);
        total = graph.op("Add", &[&inverse, &total]);
    }
    let inverse = graph.op("Reciprocal", &[&total]);
    shares(graph, &inverse)
}
