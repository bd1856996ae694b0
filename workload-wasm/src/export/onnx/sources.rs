//! The sources of a model's numbers: columns, parts of dates, and what is computed of columns, ending in single precision.

use super::dates::{between, date_parts};
use super::features::Number;
use super::graph::{Graph, Value};
use super::proto::DataType;
use crate::export::Model;
use crate::features::{Part, Source};

/// The sources of all numbers, in their order. Equal sources are counted from one offset.
pub(super) fn sources(graph: &mut Graph, model: &Model, numbers: &[Number<'_>]) -> Value {
    let mut pool = Pool::new(graph, model, numbers);
    pool.add_columns(graph, numbers);
    pool.add_date_parts(graph, numbers);
    pool.add_differences(graph, model, numbers);
    pool.add_ratios(graph, numbers);
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

/// Inputs side by side.
struct Raw {
    value: Value,
    names: Vec<String>,
}

impl Raw {
    /// The inputs of `names`; `None` where there are none.
    fn new(graph: &mut Graph, names: Vec<String>) -> Option<Self> {
        let inputs: Vec<Value> = names.iter().map(|name| graph.input(name)).collect();
        (!names.is_empty()).then(|| Self {
            value: graph.concat(&inputs),
            names,
        })
    }

    fn columns(&self) -> impl Iterator<Item = Source> + '_ {
        self.names.iter().cloned().map(Source::Column)
    }

    fn select(&self, graph: &mut Graph, names: &[&String]) -> Value {
        let indices: Vec<usize> = names
            .iter()
            .filter_map(|name| self.names.iter().position(|known| known == *name))
            .collect();
        graph.select(&self.value, self.names.len(), &indices)
    }
}

/// Blocks of columns in single precision, and what each column is.
struct Pool {
    /// Every column of numbers that some source reads, as it is given: in single precision.
    single: Option<Raw>,
    /// In double precision.
    double: Option<Raw>,
    /// All of them in double precision, where something is computed of them.
    all: Option<Raw>,
    blocks: Vec<Value>,
    sources: Vec<Source>,
}

impl Pool {
    fn new(graph: &mut Graph, model: &Model, numbers: &[Number<'_>]) -> Self {
        let is_read = |name: &str| {
            let mut sources = numbers.iter().map(|number| number.source);
            sources.any(|source| source.columns().contains(&name))
        };
        let names = |wanted: DataType| -> Vec<String> {
            let inputs = model.inputs.iter();
            inputs
                .filter(|input| super::data_type(input) == wanted && is_read(&input.name))
                .map(|input| input.name.clone())
                .collect()
        };
        let mut single = Raw::new(graph, names(DataType::Float));
        if let Some(single) = &mut single {
            single.value = finite(graph, &single.value);
        }
        let mut double = Raw::new(graph, names(DataType::Double));
        if let Some(double) = &mut double {
            double.value = finite_double(graph, &double.value);
        }
        Pool {
            single,
            double,
            all: None,
            blocks: Vec::new(),
            sources: Vec::new(),
        }
    }

    /// The columns as they are.
    fn add_columns(&mut self, graph: &mut Graph, numbers: &[Number<'_>]) {
        if let Some(single) = &self.single {
            self.blocks.push(single.value.clone());
            self.sources.extend(single.columns());
        }
        if let Some(double) = &self.double {
            let offsets = double.columns().map(|source| {
                let mut numbers = numbers.iter();
                let number = numbers.find(|number| *number.source == source);
                number.and_then(|number| number.offset)
            });
            let offsets: Vec<Option<f64>> = offsets.collect();
            let value = counted(graph, &double.value, &offsets);
            self.blocks.push(value);
            self.sources.extend(double.columns());
        }
    }

    fn add_date_parts(&mut self, graph: &mut Graph, numbers: &[Number<'_>]) {
        let Some(double) = &self.double else {
            return;
        };
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
            let days = double.select(graph, &dates);
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

    /// Columns by name, in double precision.
    fn doubles(&mut self, graph: &mut Graph, names: &[&String]) -> Option<Value> {
        if self.all.is_none() {
            let mut values = Vec::new();
            let mut all = Vec::new();
            if let Some(single) = &self.single {
                values.push(graph.cast(&single.value, DataType::Double));
                all.extend(single.names.iter().cloned());
            }
            if let Some(double) = &self.double {
                values.push(double.value.clone());
                all.extend(double.names.iter().cloned());
            }
            if values.is_empty() {
                return None;
            }
            self.all = Some(Raw {
                value: graph.concat(&values),
                names: all,
            });
        }
        self.all.as_ref().map(|all| all.select(graph, names))
    }

    /// Adds what was computed in double precision.
    fn add(&mut self, graph: &mut Graph, result: &Value, numbers: &[&Number<'_>]) {
        let offsets: Vec<Option<f64>> = numbers.iter().map(|number| number.offset).collect();
        let value = counted(graph, result, &offsets);
        self.blocks.push(value);
        let sources = numbers.iter().map(|number| number.source.clone());
        self.sources.extend(sources);
    }

    /// Of dates, which are exact to the millisecond, and of other numbers.
    fn add_differences(&mut self, graph: &mut Graph, model: &Model, numbers: &[Number<'_>]) {
        let is_time = |name: &String| {
            let mut inputs = model.inputs.iter();
            inputs.any(|input| input.name == *name && input.kind.is_time())
        };
        for of_time in [true, false] {
            let pairs = numbers.iter().filter_map(|number| match number.source {
                Source::Difference(left, right) if (is_time(left) && is_time(right)) == of_time => {
                    Some((number, (left, right)))
                }
                _ => None,
            });
            let (pairs, columns): (Vec<&Number<'_>>, Vec<_>) = pairs.unzip();
            let Some((left, right)) = self.pairs(graph, columns) else {
                continue;
            };
            let mut difference = graph.op("Sub", &[&left, &right]);
            if of_time {
                difference = between(graph, &difference);
            }
            self.add(graph, &difference, &pairs);
        }
    }

    fn add_ratios(&mut self, graph: &mut Graph, numbers: &[Number<'_>]) {
        let pairs = numbers.iter().filter_map(|number| match number.source {
            Source::Ratio(left, right) => Some((number, (left, right))),
            _ => None,
        });
        let (pairs, columns): (Vec<&Number<'_>>, Vec<_>) = pairs.unzip();
        if let Some((left, right)) = self.pairs(graph, columns) {
            let ratio = graph.op("Div", &[&left, &right]);
            self.add(graph, &ratio, &pairs);
        }
    }

    /// The left columns of all pairs, and the right ones.
    fn pairs(
        &mut self,
        graph: &mut Graph,
        columns: Vec<(&String, &String)>,
    ) -> Option<(Value, Value)> {
        if columns.is_empty() {
            return None;
        }
        let (left, right): (Vec<&String>, Vec<&String>) = columns.into_iter().unzip();
        Some((self.doubles(graph, &left)?, self.doubles(graph, &right)?))
    }

    fn add_sums(&mut self, graph: &mut Graph, numbers: &[Number<'_>]) {
        for number in numbers {
            let Source::Sum(columns) = number.source else {
                continue;
            };
            let mut sum: Option<Value> = None;
            for column in columns {
                let Some(term) = self.doubles(graph, &[column]) else {
                    continue;
                };
                sum = Some(match sum {
                    Some(sum) => graph.op("Add", &[&sum, &term]),
                    None => term,
                });
            }
            if let Some(sum) = sum {
                self.add(graph, &sum, &[number]);
            }
        }
    }
}

/// Doubles in single precision, counted from the offsets of the columns. What it does not hold is missing.
fn counted(graph: &mut Graph, value: &Value, offsets: &[Option<f64>]) -> Value {
    let mut value = value.clone();
    if offsets.iter().any(Option::is_some) {
        let offsets: Vec<f64> = offsets.iter().map(|offset| offset.unwrap_or(0.0)).collect();
        let offsets = graph.doubles(&[1, offsets.len()], &offsets);
        value = graph.op("Sub", &[&value, &offsets]);
    }
    let single = graph.cast(&value, DataType::Float);
    finite(graph, &single)
}

/// Infinite numbers count as missing.
fn finite(graph: &mut Graph, value: &Value) -> Value {
    let infinite = graph.op("IsInf", &[value]);
    let nan = graph.floats(&[1, 1], &[f32::NAN]);
    graph.op("Where", &[&infinite, &nan, value])
}

/// Numbers that single precision does not hold count as missing in double precision, too.
fn finite_double(graph: &mut Graph, value: &Value) -> Value {
    let single = graph.cast(value, DataType::Float);
    let infinite = graph.op("IsInf", &[&single]);
    let nan = graph.double(f64::NAN);
    graph.op("Where", &[&infinite, &nan, value])
}
