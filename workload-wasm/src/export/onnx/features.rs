//! From raw columns to the columns that a form was fitted on: what `features::encode` does, in the same precision.
//! `sources` makes the numbers.

use std::collections::BTreeMap;

use super::graph::{Graph, Value, int, ints, strings};
use super::proto::DataType;
use super::sources::sources;
use crate::export::Model;
use crate::features::{Encoding, Scale, Source};

/// Single-precision columns, `NaN` where missing.
pub(super) struct Columns {
    pub value: Value,
    /// Which of the form's columns each column is.
    pub order: Vec<usize>,
    /// Codes of the form's columns that hold some.
    pub codes: BTreeMap<usize, Codes>,
}

/// A column of categories as int64: `0..known`, `known` for further values, `known + 1` for missing ones.
#[derive(Clone)]
pub(super) struct Codes {
    pub value: Value,
    pub known: usize,
}

/// A number of the form, before it is filled in and scaled.
pub(super) struct Number<'a> {
    pub source: &'a Source,
    /// What it is counted from.
    pub offset: Option<f64>,
    column: usize,
    fill: Option<f32>,
    scale: Option<Scale>,
    indicator: bool,
}

pub(super) fn columns(graph: &mut Graph, model: &Model) -> Columns {
    let mut blocks = Vec::new();
    let mut order = Vec::new();
    let mut all_codes = BTreeMap::new();
    let mut numbers = Vec::new();
    let mut column = 0;
    for encoder in &model.features {
        match &encoder.encoding {
            Encoding::Number {
                offset,
                fill,
                scale,
                indicator,
            } => numbers.push(Number {
                source: &encoder.source,
                offset: *offset,
                column,
                fill: *fill,
                scale: *scale,
                indicator: *indicator,
            }),
            Encoding::OneHot {
                categories,
                other,
                missing,
            } => {
                let codes = codes(graph, &encoder.source, categories);
                let known = (0..categories.len()).map(|code| code as i64);
                let other = other.then_some(codes.known as i64);
                let missing = missing.then_some(codes.known as i64 + 1);
                let wanted: Vec<i64> = known.chain(other).chain(missing).collect();
                if !wanted.is_empty() {
                    let wanted = graph.ints(&[1, wanted.len()], &wanted);
                    let equal = graph.op("Equal", &[&codes.value, &wanted]);
                    blocks.push(graph.cast(&equal, DataType::Float));
                }
                order.extend(column..column + encoder.encoding.width());
            }
            Encoding::Codes { categories } => {
                let codes = codes(graph, &encoder.source, categories);
                blocks.push(codes_as_numbers(graph, &codes));
                all_codes.insert(column, codes);
                order.push(column);
            }
        }
        column += encoder.encoding.width();
    }
    if !numbers.is_empty() {
        let (mut first, mut number_order) = encode_numbers(graph, model, &numbers);
        first.append(&mut blocks);
        blocks = first;
        number_order.append(&mut order);
        order = number_order;
    }
    Columns {
        value: graph.concat(&blocks),
        order,
        codes: all_codes,
    }
}

fn codes(graph: &mut Graph, source: &Source, categories: &[String]) -> Codes {
    let known = categories.len();
    // An empty text is missing, in every format that is read.
    let missing = String::new();
    let texts = categories.iter().chain([&missing]);
    let mapped = (0..known).chain([known + 1]).map(|code| code as i64);
    let input = graph.input(source.columns().first().copied().unwrap_or_default());
    let attributes = vec![
        strings("cats_strings", texts),
        ints("cats_int64s", mapped.collect()),
        int("default_int64", known as i64),
    ];
    Codes {
        value: graph.op_with("CategoryMapper", &[&input], attributes),
        known,
    }
}

fn codes_as_numbers(graph: &mut Graph, codes: &Codes) -> Value {
    let missing = graph.ints(&[1, 1], &[codes.known as i64 + 1]);
    let missing = graph.op("Equal", &[&codes.value, &missing]);
    let number = graph.cast(&codes.value, DataType::Float);
    let nan = graph.floats(&[1, 1], &[f32::NAN]);
    graph.op("Where", &[&missing, &nan, &number])
}

/// The numbers, and behind them the columns that say where they are missing; and what they are to the form.
fn encode_numbers(
    graph: &mut Graph,
    model: &Model,
    numbers: &[Number<'_>],
) -> (Vec<Value>, Vec<usize>) {
    let width = numbers.len();
    let mut value = sources(graph, model, numbers);
    let mut order: Vec<usize> = numbers.iter().map(|number| number.column).collect();
    let mut blocks = Vec::new();
    let fills: Vec<f32> = numbers
        .iter()
        .map(|number| number.fill.unwrap_or(f32::NAN))
        .collect();
    let indicators: Vec<usize> = (0..width).filter(|at| numbers[*at].indicator).collect();
    if !indicators.is_empty() || fills.iter().any(|fill| !fill.is_nan()) {
        let missing = graph.op("IsNaN", &[&value]);
        if !indicators.is_empty() {
            let flags = graph.cast(&missing, DataType::Float);
            blocks.push(graph.select(&flags, width, &indicators));
            order.extend(indicators.iter().map(|at| numbers[*at].column + 1));
        }
        let fills = graph.floats(&[1, width], &fills);
        value = graph.op("Where", &[&missing, &fills, &value]);
    }
    if numbers.iter().any(|number| number.scale.is_some()) {
        value = scale(graph, &value, numbers);
    }
    blocks.insert(0, value);
    (blocks, order)
}

/// `(x - mean) / deviation`, kept in the range of single precision.
///
/// The quotient is rounded from double precision, where it comes out the same even in a runtime that multiplies by a
/// reciprocal.
fn scale(graph: &mut Graph, value: &Value, numbers: &[Number<'_>]) -> Value {
    let width = numbers.len();
    let scales = numbers.iter().map(|number| number.scale);
    let means: Vec<f32> = scales
        .clone()
        .map(|scale| scale.map_or(0.0, |scale| scale.mean))
        .collect();
    let deviations: Vec<f64> = scales
        .map(|scale| scale.map_or(1.0, |scale| f64::from(scale.deviation)))
        .collect();
    let means = graph.floats(&[1, width], &means);
    let deviations = graph.doubles(&[1, width], &deviations);
    let difference = graph.op("Sub", &[value, &means]);
    let difference = graph.cast(&difference, DataType::Double);
    let quotient = graph.op("Div", &[&difference, &deviations]);
    let scaled = clip_to_single(graph, &quotient);
    if numbers.iter().all(|number| number.fill.is_some()) {
        return scaled;
    }
    // Runtimes differ in what becomes of NaN between two bounds.
    let missing = graph.op("IsNaN", &[value]);
    graph.op("Where", &[&missing, value, &scaled])
}

/// Doubles as floats; what lies beyond them is their end.
pub(super) fn clip_to_single(graph: &mut Graph, value: &Value) -> Value {
    let least = graph.doubles(&[], &[f64::from(f32::MIN)]);
    let most = graph.doubles(&[], &[f64::from(f32::MAX)]);
    let clipped = graph.op("Clip", &[value, &least, &most]);
    graph.cast(&clipped, DataType::Float)
}
