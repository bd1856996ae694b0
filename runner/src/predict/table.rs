//! Rows as a model's ONNX form takes them: each column of the type that it had in training.

use std::collections::BTreeMap;

use records::{Block, Options, Type};

use crate::score::{Column, Kind, Signature, Values};

/// Names that are more alike than this may be meant.
const ALIKE: f64 = 0.8;

/// What is read of a dataset, and as what.
pub(super) struct Schema {
    inputs: Vec<Input>,
    /// The model takes all columns in their order.
    wide: Option<Kind>,
    options: Options,
    pub save_path: Option<String>,
    pub model_version: Option<String>,
    /// In the order of the probabilities; empty where the model does not tell.
    pub classes: Vec<String>,
    /// Cells that are no value of their column's type, by column.
    unread: BTreeMap<String, u64>,
}

struct Input {
    name: String,
    kind: Cells,
}

/// What a column's cells are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cells {
    Number,
    Boolean,
    Time,
    Text,
}

/// Some rows.
pub(super) struct Columns {
    pub rows: usize,
    /// Rows before these.
    pub first: u64,
    columns: Vec<Column>,
}

impl Columns {
    /// The rows from `start` to `end`.
    pub fn part(&self, start: usize, end: usize) -> Vec<Column> {
        self.columns
            .iter()
            .map(|column| Column {
                name: column.name.clone(),
                values: match &column.values {
                    Values::Numbers(values) => Values::Numbers(values[start..end].to_vec()),
                    Values::Text(values) => Values::Text(values[start..end].to_vec()),
                },
            })
            .collect()
    }
}

/// `schema` in a model's metadata, as the module's exporter writes it.
#[derive(serde::Deserialize)]
struct Written {
    inputs: Vec<WrittenInput>,
}

#[derive(serde::Deserialize)]
struct WrittenInput {
    name: String,
    #[serde(rename = "type")]
    kind: String,
}

impl Schema {
    pub fn of(signature: &Signature) -> Self {
        let metadata = |key: &str| signature.metadata.get(key);
        let written: Option<Written> =
            metadata("schema").and_then(|text| serde_json::from_str(text).ok());
        let wide = match signature.inputs.as_slice() {
            [port] if port.columns > 1 => Some(port.kind),
            _ => None,
        };
        let kind = |name: &str, kind: Kind| {
            let mut written = written.iter().flat_map(|written| &written.inputs);
            let written = written
                .rfind(|input| input.name == name)
                .map(|input| input.kind.as_str());
            match (kind, written) {
                (Kind::Text, _) => Cells::Text,
                (Kind::Number, Some("boolean")) => Cells::Boolean,
                (Kind::Number, Some("date" | "timestamp")) => Cells::Time,
                (Kind::Number, _) => Cells::Number,
            }
        };
        let inputs: Vec<Input> = signature
            .inputs
            .iter()
            .map(|port| Input {
                name: port.name.clone(),
                kind: kind(&port.name, port.kind),
            })
            .collect();
        let mut options = Options::default();
        if wide.is_none() {
            options.columns =
                records::Columns::Only(inputs.iter().map(|input| input.name.clone()).collect());
            options.types = inputs
                .iter()
                .filter(|input| input.kind == Cells::Text)
                .map(|input| (input.name.clone(), Type::Text))
                .collect();
        }
        Self {
            inputs,
            wide,
            options,
            save_path: metadata("save_path").cloned(),
            model_version: metadata("model_version").cloned(),
            classes: metadata("classes")
                .and_then(|text| serde_json::from_str(text).ok())
                .unwrap_or_default(),
            unread: BTreeMap::new(),
        }
    }

    /// # Errors
    /// The row or column that can't be used, and why.
    pub fn read(&mut self, block: &Block) -> Result<Columns, String> {
        let records = records::read(&block.bytes, &self.options)
            .map_err(|error| at(&error, block.first_row))?;
        let mut columns = Vec::new();
        match self.wide {
            Some(kind) => {
                for column in records.columns {
                    let kind = match kind {
                        Kind::Number => Cells::Number,
                        Kind::Text => Cells::Text,
                    };
                    columns.push(self.column(column.name, column.values, kind, block.first_row)?);
                }
            }
            None => {
                let names: Vec<String> = records
                    .columns
                    .iter()
                    .map(|column| column.name.clone())
                    .chain(records.left_out.iter().map(|column| column.name.clone()))
                    .collect();
                let mut found: BTreeMap<String, records::Values> = records
                    .columns
                    .into_iter()
                    .map(|column| (column.name, column.values))
                    .collect();
                for index in 0..self.inputs.len() {
                    let (name, kind) = (self.inputs[index].name.clone(), self.inputs[index].kind);
                    let values = match found.remove(&name) {
                        Some(values) => values,
                        None if block.first_row > 0 => missing(block.rows),
                        None => return Err(no_column(&name, &names)),
                    };
                    columns.push(self.column(name, values, kind, block.first_row)?);
                }
            }
        }
        Ok(Columns {
            rows: records.rows,
            first: block.first_row,
            columns,
        })
    }

    fn column(
        &mut self,
        name: String,
        values: records::Values,
        kind: Cells,
        first_row: u64,
    ) -> Result<Column, String> {
        let values = if kind == Cells::Text {
            Values::Text(text(values, &name)?)
        } else {
            let (numbers, unread) = numbers(values, kind);
            if let Some((row, cell)) = unread.first {
                if numbers.iter().all(|value| value.is_nan()) {
                    return Err(format!(
                        "row {}, column `{name}`: `{cell}` is no {}, and no other cell there is one",
                        first_row + row as u64 + 1,
                        kind.name()
                    ));
                }
                *self.unread.entry(name.clone()).or_default() += unread.count;
            }
            Values::Numbers(numbers)
        };
        Ok(Column { name, values })
    }

    /// Says what was taken for missing.
    pub fn warn(&self) {
        for (name, count) in &self.unread {
            tracing::warn!(
                "{name}: {count} cells cannot be read as what they were in training, and count as missing"
            );
        }
    }
}

fn missing(rows: usize) -> records::Values {
    records::Values::Number {
        values: vec![f32::NAN; rows],
        unfit: 0,
    }
}

fn no_column(name: &str, names: &[String]) -> String {
    let nearest = names
        .iter()
        .map(|other| (strsim::jaro_winkler(name, other), other))
        .filter(|(alike, _)| *alike > ALIKE)
        .max_by(|(left, _), (right, _)| left.total_cmp(right));
    match nearest {
        Some((_, nearest)) => {
            format!("there is no column `{name}`, which the model reads; is it `{nearest}`?")
        }
        None => format!("there is no column `{name}`, which the model reads"),
    }
}

/// The error with its row counted from the dataset's start.
fn at(error: &records::ReadError, first_row: u64) -> String {
    let place = match (error.row(), error.column()) {
        (Some(row), Some(column)) => format!("row {}, column `{column}`: ", first_row + row),
        (Some(row), None) => format!("row {}: ", first_row + row),
        (None, Some(column)) => format!("column `{column}`: "),
        (None, None) => String::new(),
    };
    format!("{place}{} ({})", error.message(), error.remedy())
}

fn text(values: records::Values, name: &str) -> Result<Vec<String>, String> {
    match values {
        records::Values::Text(text) => Ok(text
            .codes
            .iter()
            .map(|code| {
                text.distinct
                    .get(*code as usize)
                    .cloned()
                    .unwrap_or_default()
            })
            .collect()),
        // In a column that is declared as text, and so only where none is.
        values if is_missing(&values) => Ok(vec![String::new(); length(&values)]),
        _ => Err(format!(
            "the column `{name}` holds no text, which the model takes"
        )),
    }
}

fn length(values: &records::Values) -> usize {
    match values {
        records::Values::Number { values, .. } | records::Values::Time { days: values, .. } => {
            values.len()
        }
        records::Values::Boolean(values) => values.len(),
        records::Values::Text(text) => text.codes.len(),
    }
}

fn is_missing(values: &records::Values) -> bool {
    matches!(values, records::Values::Number { values, .. } if values.iter().all(|value| value.is_nan()))
}

/// Cells that are there and are no value of the type.
#[derive(Default)]
struct Unread {
    count: u64,
    first: Option<(usize, String)>,
}

/// A column as numbers, by the module's own rules (docs/data.md): dates are days, booleans 0 and 1.
fn numbers(values: records::Values, kind: Cells) -> (Vec<f32>, Unread) {
    let mut unread = Unread::default();
    let mut refuse = |row: usize, cell: &dyn std::fmt::Display| {
        unread.count += 1;
        unread.first.get_or_insert_with(|| (row, cell.to_string()));
        f32::NAN
    };
    let numbers = match values {
        records::Values::Number { values, .. } if kind == Cells::Number => values,
        records::Values::Number { mut values, .. } => {
            for (row, value) in values.iter_mut().enumerate() {
                let fits = kind == Cells::Boolean && matches!(*value, 0.0 | 1.0);
                if !fits && !value.is_nan() {
                    *value = refuse(row, &*value);
                }
            }
            values
        }
        records::Values::Boolean(values) => values
            .iter()
            .enumerate()
            .map(|(row, value)| match value {
                None => f32::NAN,
                Some(value) if kind == Cells::Time => refuse(row, value),
                Some(value) => f32::from(u8::from(*value)),
            })
            .collect(),
        records::Values::Time { mut days, .. } => {
            if kind == Cells::Boolean {
                for (row, value) in days.iter_mut().enumerate() {
                    if !matches!(*value, 0.0 | 1.0) && !value.is_nan() {
                        *value = refuse(row, &*value);
                    }
                }
            }
            days
        }
        records::Values::Text(text) => {
            let distinct: Vec<Option<f32>> =
                text.distinct.iter().map(|cell| read(cell, kind)).collect();
            text.codes
                .iter()
                .enumerate()
                .map(|(row, code)| match distinct.get(*code as usize) {
                    Some(Some(value)) => *value,
                    Some(None) => refuse(row, &text.distinct[*code as usize]),
                    None => f32::NAN,
                })
                .collect()
        }
    };
    (numbers, unread)
}

fn read(cell: &str, kind: Cells) -> Option<f32> {
    let cell = cell.trim();
    match kind {
        Cells::Number => cell.parse().ok().filter(|value: &f32| value.is_finite()),
        Cells::Boolean => match cell.to_ascii_lowercase().as_str() {
            "true" | "yes" | "y" | "t" | "1" => Some(1.0),
            "false" | "no" | "n" | "f" | "0" => Some(0.0),
            _ => None,
        },
        Cells::Time => records::parse_days(cell),
        Cells::Text => None,
    }
}

impl Cells {
    fn name(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Time => "date or timestamp",
            Self::Text => "text",
        }
    }
}
