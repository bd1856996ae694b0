//! From raw columns to the columns that a form was fitted on: what `features::encode` does, in the same precision.

use std::collections::BTreeMap;

use super::dates::date_parts;
use super::graph::{Graph, Value, int, ints, strings};
use super::proto::DataType;
use crate::export::Model;
use crate::features::{Encoding, Part, Scale, Source};
use crate::table::Type;

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
struct Number<'a> {
    source: &'a Source,
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
                fill,
                scale,
                indicator,
            } => numbers.push(Number {
                source: &encoder.source,
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

/// The sources of all numbers, in their order.
fn sources(graph: &mut Graph, model: &Model, numbers: &[Number<'_>]) -> Value {
    let mut pool = Pool::new(graph, model, numbers);
    pool.add_date_parts(graph, numbers);
    pool.add_pairs(graph, numbers, |source| match source {
        Source::Difference(left, right) => Some((left, right)),
        _ => None,
    });
    pool.add_pairs(graph, numbers, |source| match source {
        Source::Ratio(left, right) => Some((left, right)),
        _ => None,
    });
    pool.add_sums(graph, numbers);
    let all = graph.concat(&pool.blocks);
    let wanted: Vec<usize> = numbers
        .iter()
        .filter_map(|number| {
            pool.sources
                .iter()
                .position(|source| source == number.source)
        })
        .collect();
    graph.select(&all, pool.sources.len(), &wanted)
}

/// Blocks of columns, and what each column is.
struct Pool {
    /// Every column of numbers that some source reads.
    raw: Value,
    names: Vec<String>,
    blocks: Vec<Value>,
    sources: Vec<Source>,
}

impl Pool {
    fn new(graph: &mut Graph, model: &Model, numbers: &[Number<'_>]) -> Self {
        let names: Vec<String> = model
            .inputs
            .iter()
            .filter(|input| input.kind != Type::Category)
            .map(|input| &input.name)
            .filter(|name| {
                numbers
                    .iter()
                    .any(|number| number.source.columns().contains(&name.as_str()))
            })
            .cloned()
            .collect();
        let inputs: Vec<Value> = names.iter().map(|name| graph.input(name)).collect();
        let all = graph.concat(&inputs);
        let raw = finite(graph, &all);
        Pool {
            blocks: vec![raw.clone()],
            sources: names.iter().cloned().map(Source::Column).collect(),
            raw,
            names,
        }
    }

    fn select(&self, graph: &mut Graph, names: &[&String]) -> Value {
        let indices: Vec<usize> = names
            .iter()
            .filter_map(|name| self.names.iter().position(|known| known == *name))
            .collect();
        graph.select(&self.raw, self.names.len(), &indices)
    }

    fn add_date_parts(&mut self, graph: &mut Graph, numbers: &[Number<'_>]) {
        for wanted in [
            &[Part::Month, Part::Day][..],
            &[Part::Weekday],
            &[Part::Hour],
        ] {
            let mut dates: Vec<&String> = numbers
                .iter()
                .filter_map(|number| match number.source {
                    Source::DatePart { column, part } if wanted.contains(part) => Some(column),
                    _ => None,
                })
                .collect();
            dates.dedup();
            if dates.is_empty() {
                continue;
            }
            let days = self.select(graph, &dates);
            for (part, value) in date_parts(graph, &days, wanted) {
                self.blocks.push(value);
                self.sources
                    .extend(dates.iter().map(|column| Source::DatePart {
                        column: (*column).clone(),
                        part,
                    }));
            }
        }
    }

    /// All differences, or all ratios.
    fn add_pairs<'a>(
        &mut self,
        graph: &mut Graph,
        numbers: &[Number<'a>],
        columns: impl Fn(&'a Source) -> Option<(&'a String, &'a String)>,
    ) {
        let (sources, pairs): (Vec<&Source>, Vec<_>) = numbers
            .iter()
            .filter_map(|number| Some((number.source, columns(number.source)?)))
            .unzip();
        let (left, right): (Vec<&String>, Vec<&String>) = pairs.into_iter().unzip();
        let Some(first) = sources.first() else {
            return;
        };
        let left = self.select(graph, &left);
        let right = self.select(graph, &right);
        let result = if matches!(first, Source::Ratio(..)) {
            // In double precision for the reason that `scale` has.
            let left = graph.cast(&left, DataType::Double);
            let right = graph.cast(&right, DataType::Double);
            let ratio = graph.op("Div", &[&left, &right]);
            graph.cast(&ratio, DataType::Float)
        } else {
            graph.op("Sub", &[&left, &right])
        };
        self.blocks.push(finite(graph, &result));
        self.sources.extend(sources.into_iter().cloned());
    }

    fn add_sums(&mut self, graph: &mut Graph, numbers: &[Number<'_>]) {
        for number in numbers {
            let Source::Sum(columns) = number.source else {
                continue;
            };
            let mut sum: Option<Value> = None;
            for column in columns {
                let term = self.select(graph, &[column]);
                sum = Some(match sum {
                    Some(sum) => graph.op("Add", &[&sum, &term]),
                    None => term,
                });
            }
            if let Some(sum) = sum {
                self.blocks.push(finite(graph, &sum));
                self.sources.push(number.source.clone());
            }
        }
    }
}

/// Infinite numbers count as missing.
fn finite(graph: &mut Graph, value: &Value) -> Value {
    let infinite = graph.op("IsInf", &[value]);
    let nan = graph.floats(&[1, 1], &[f32::NAN]);
    graph.op("Where", &[&infinite, &nan, value])
}
