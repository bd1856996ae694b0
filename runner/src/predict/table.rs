//! Rows as a model's ONNX form takes them: each column of the type that it had in training.

use std::collections::{BTreeMap, BTreeSet};

use contract::{PredictionWarnings, Warning};
use records::{Block, Floats, Notes, Options, Passed, ReadError, Records, Rules, Text, Type};

use super::categories::Known;
use super::reading::Written;
use crate::score::{Column, Kind, Signature, Values};

/// Names that are more alike than this may be meant.
const ALIKE: f64 = 0.8;

/// What is read of a dataset, and as what.
pub(super) struct Schema {
    inputs: Vec<Input>,
    /// The model takes all columns in their order.
    wide: Option<Kind>,
    options: Options,
    /// What was met in columns besides their values, in all blocks so far.
    notes: Notes,
    pub save_path: Option<String>,
    pub model_version: Option<String>,
    /// In the order of the probabilities; empty where the model does not tell.
    pub classes: Vec<String>,
    /// Columns that a later row has, though the first ones do not.
    later: BTreeSet<String>,
    /// Cells that are no value of their column's type, by column.
    unread: BTreeMap<String, Unread>,
    categories: Known,
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
    columns: Vec<(String, Held)>,
}

/// A column as it is held: a text for each row would take many times the memory.
enum Held {
    Numbers(Floats),
    Text(Text),
}

impl Columns {
    /// The rows from `start` to `end`.
    pub fn part(&self, start: usize, end: usize) -> Vec<Column> {
        self.columns
            .iter()
            .map(|(name, held)| Column {
                name: name.clone(),
                values: match held {
                    Held::Numbers(Floats::Single(values)) => {
                        Values::Numbers(values[start..end].to_vec())
                    }
                    Held::Numbers(Floats::Double(values)) => {
                        Values::Doubles(values[start..end].to_vec())
                    }
                    Held::Text(text) => {
                        let codes = text.codes[start..end].iter();
                        let texts = codes.map(|code| text.distinct.get(*code as usize).cloned());
                        Values::Text(texts.map(Option::unwrap_or_default).collect())
                    }
                },
            })
            .collect()
    }
}

impl Schema {
    /// Of a model, and for data of which a block takes no more than `memory` bytes.
    ///
    /// # Errors
    /// When the model was made by reading rules that this runner does not know.
    pub fn of(signature: &Signature, memory: u64) -> Result<Self, String> {
        let metadata = |key: &str| signature.metadata.get(key);
        let written = Written::of(signature);
        let wide = match signature.inputs.as_slice() {
            [port] if port.columns > 1 => Some(port.kind),
            _ => None,
        };
        let kind = |name: &str, kind: Kind| match (kind, written.kind(name)) {
            (Kind::Text, _) => Cells::Text,
            (_, Some("boolean")) => Cells::Boolean,
            (_, Some("date" | "timestamp")) => Cells::Time,
            (Kind::Number | Kind::Double, _) => Cells::Number,
        };
        let inputs: Vec<Input> = signature
            .inputs
            .iter()
            .map(|port| Input {
                name: port.name.clone(),
                kind: kind(&port.name, port.kind),
            })
            .collect();
        let mut options = Options {
            max_bytes: memory,
            ..written.options()?
        };
        if wide.is_none() {
            let doubles = signature.inputs.iter();
            let doubles = doubles.filter(|port| port.kind == Kind::Double);
            options.double = doubles.map(|port| port.name.clone()).collect();
            options.columns =
                records::Columns::Only(inputs.iter().map(|input| input.name.clone()).collect());
            options.types = inputs
                .iter()
                // By the first rules, all but text is inferred, and changed behind.
                .filter(|input| input.kind == Cells::Text || options.rules > Rules::One)
                .map(|input| (input.name.clone(), input.kind.declared()))
                .collect();
        }
        Ok(Self {
            inputs,
            wide,
            options,
            notes: Notes::default(),
            save_path: metadata("save_path").cloned(),
            model_version: metadata("model_version").cloned(),
            classes: metadata("classes")
                .and_then(|text| serde_json::from_str(text).ok())
                .unwrap_or_default(),
            later: BTreeSet::new(),
            unread: BTreeMap::new(),
            categories: Known::from_metadata(metadata("categories")),
        })
    }

    /// By which rules the data is read.
    pub fn rules(&self) -> Rules {
        self.options.rules
    }

    /// # Errors
    /// When the block can't be read.
    pub fn parse(&self, block: &Block) -> Result<Records, ReadError> {
        records::read(&block.bytes, &self.options)
    }

    /// What the model reads and `records` lacks.
    pub fn lacking(&self, records: &Records) -> BTreeSet<String> {
        let names: BTreeSet<&str> = names(records).collect();
        let inputs = self.inputs.iter().map(|input| &input.name);
        match self.wide {
            Some(_) => BTreeSet::new(),
            None => inputs
                .filter(|name| !names.contains(name.as_str()))
                .cloned()
                .collect(),
        }
    }

    /// Takes these columns for missing where they are not.
    pub fn expect(&mut self, later: BTreeSet<String>) {
        self.later = later;
    }

    /// Takes a block that was parsed, behind `first_row` others.
    ///
    /// # Errors
    /// The row or column that can't be used, and why.
    pub fn read(&mut self, mut records: Records, first_row: u64) -> Result<Columns, String> {
        let notes = std::mem::take(&mut records.notes);
        for note in notes.columns().iter().filter(|note| note.is_declared) {
            let unread = self.unread.entry(note.column.clone());
            let unread = unread.or_insert(Unread::of(Cells::of(note.kind)));
            if let (None, Some((row, cell))) = (&unread.first, note.odd.first()) {
                unread.first = Some((first_row + row, cell.to_owned()));
            }
        }
        self.notes.absorb(notes, first_row);
        let mut columns = Vec::new();
        match self.wide {
            Some(kind) => {
                for column in records.columns {
                    let kind = match kind {
                        Kind::Number | Kind::Double => Cells::Number,
                        Kind::Text => Cells::Text,
                    };
                    columns.push(self.column(column.name, column.values, kind, first_row)?);
                }
            }
            None => {
                let names: Vec<String> = names(&records).map(str::to_owned).collect();
                let mut found: BTreeMap<String, records::Values> = records
                    .columns
                    .into_iter()
                    .map(|column| (column.name, column.values))
                    .collect();
                for index in 0..self.inputs.len() {
                    let (name, kind) = (self.inputs[index].name.clone(), self.inputs[index].kind);
                    let values = match found.remove(&name) {
                        Some(values) => values,
                        None if first_row > 0 || self.later.contains(&name) => {
                            missing(records.rows)
                        }
                        None => return Err(no_column(&name, &names)),
                    };
                    columns.push(self.column(name, values, kind, first_row)?);
                }
            }
        }
        Ok(Columns {
            rows: records.rows,
            first: first_row,
            columns,
        })
    }

    fn column(
        &mut self,
        name: String,
        values: records::Values,
        kind: Cells,
        first_row: u64,
    ) -> Result<(String, Held), String> {
        let held = if kind == Cells::Text {
            let mut text = text(values, &name)?;
            self.categories.spell(&name, &mut text);
            Held::Text(text)
        } else {
            let unread = self.unread.entry(name.clone()).or_insert(Unread::of(kind));
            unread.first_row = first_row;
            let numbers = numbers(values, kind, unread);
            unread.is_read |= numbers.iter().any(|value| !value.is_nan());
            Held::Numbers(numbers)
        };
        Ok((name, held))
    }

    /// What was noticed of all rows: cells that were taken for missing, as in a training, and values of categories.
    ///
    /// # Errors
    /// The first column of which no cell is what it was in training, though some are there.
    pub fn finish(&mut self, passed: Passed) -> Result<PredictionWarnings, String> {
        // What a block has was counted with the dataset's own lines.
        self.notes.passed.headers += passed.headers;
        self.notes.passed.blank += passed.blank;
        let mut warnings = self.notes.warnings();
        for (name, unread) in &self.unread {
            match &unread.first {
                Some((row, cell)) if !unread.is_read => {
                    return Err(format!(
                        "row {row}, column `{name}`: `{cell}` is no {}, and no cell of the column is one; correct them, or leave them empty",
                        unread.kind.name()
                    ));
                }
                _ if unread.count > 0 => {
                    let message = format!(
                        "{name}: {} cells cannot be read as {} and count as missing",
                        unread.count,
                        unread.kind.name()
                    );
                    warnings.push(Warning::new("unread_cells", message).in_column(name));
                }
                _ => {}
            }
        }
        Ok(PredictionWarnings {
            warnings,
            categories: self.categories.counts(),
        })
    }
}

fn names(records: &Records) -> impl Iterator<Item = &str> {
    let left_out = records.left_out.iter().map(|column| column.name.as_str());
    let columns = records.columns.iter().map(|column| column.name.as_str());
    columns.chain(left_out)
}

fn missing(rows: usize) -> records::Values {
    records::Values::Number {
        values: Floats::missing(rows),
        unfit: 0,
    }
}

fn no_column(name: &str, names: &[String]) -> String {
    if names.iter().any(|other| other == name) {
        return format!(
            "the column `{name}` holds lists or bytes, and the model reads numbers or text"
        );
    }
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
pub(super) fn at(error: &ReadError, first_row: u64) -> String {
    let place = match (error.row(), error.column()) {
        (Some(row), Some(column)) => format!("row {}, column `{column}`: ", first_row + row),
        (Some(row), None) => format!("row {}: ", first_row + row),
        (None, Some(column)) => format!("column `{column}`: "),
        (None, None) => String::new(),
    };
    format!("{place}{} ({})", error.message(), error.remedy())
}

fn text(values: records::Values, name: &str) -> Result<Text, String> {
    match values {
        records::Values::Text(text) => Ok(text),
        // In a column that is declared as text, and so only where none is.
        values if is_missing(&values) => Ok(Text {
            codes: vec![Text::MISSING; length(&values)],
            ..Text::default()
        }),
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

/// Cells of a column that are there and are no value of its type, in all blocks so far.
struct Unread {
    kind: Cells,
    count: u64,
    /// The first: its row, from 1, and what it holds.
    first: Option<(u64, String)>,
    /// Whether any cell is a value of the type.
    is_read: bool,
    /// Rows before the block that is read now.
    first_row: u64,
}

impl Unread {
    fn of(kind: Cells) -> Self {
        Self {
            kind,
            count: 0,
            first: None,
            is_read: false,
            first_row: 0,
        }
    }

    fn add(&mut self, row: usize, cell: &dyn std::fmt::Display) {
        self.count += 1;
        let row = self.first_row + row as u64 + 1;
        self.first.get_or_insert_with(|| (row, cell.to_string()));
    }
}

/// A column as numbers, by the module's own rules (docs/data.md): dates are days, booleans 0 and 1.
fn numbers(values: records::Values, kind: Cells, unread: &mut Unread) -> Floats {
    let mut refuse = |row: usize, cell: &dyn std::fmt::Display| {
        unread.add(row, cell);
        f32::NAN
    };
    let is_flag = |value: f64| matches!(value, 0.0 | 1.0);
    match values {
        records::Values::Number { values, unfit } if kind == Cells::Number => {
            unread.count += unfit;
            values
        }
        records::Values::Number { values, .. } => {
            let value = |(row, value): (usize, f64)| match kind == Cells::Boolean && is_flag(value)
            {
                true => value as f32,
                false if value.is_nan() => f32::NAN,
                false => refuse(row, &values.written(value)),
            };
            let read: Vec<f32> = values.iter().enumerate().map(value).collect();
            read.into()
        }
        records::Values::Boolean(values) => values
            .iter()
            .enumerate()
            .map(|(row, value)| match value {
                None => f32::NAN,
                Some(value) if kind == Cells::Time => refuse(row, value),
                Some(value) => f32::from(u8::from(*value)),
            })
            .collect::<Vec<f32>>()
            .into(),
        records::Values::Time { days, .. } if kind == Cells::Boolean => {
            let value = |(row, value): (usize, f64)| match value.is_nan() || is_flag(value) {
                true => value as f32,
                false => refuse(row, &days.written(value)),
            };
            let read: Vec<f32> = days.iter().enumerate().map(value).collect();
            read.into()
        }
        records::Values::Time { days, .. } => days,
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
                .collect::<Vec<f32>>()
                .into()
        }
    }
}

/// A text that the first rules read in a column of numbers.
fn read(cell: &str, kind: Cells) -> Option<f32> {
    let cell = cell.trim();
    match kind {
        Cells::Number => cell.parse().ok().filter(|value: &f32| value.is_finite()),
        Cells::Boolean => match cell.to_ascii_lowercase().as_str() {
            "true" | "yes" | "y" | "t" | "1" => Some(1.0),
            "false" | "no" | "n" | "f" | "0" => Some(0.0),
            _ => None,
        },
        Cells::Time => records::parse_days(cell, Rules::One).map(|days| days as f32),
        Cells::Text => None,
    }
}

impl Cells {
    fn of(kind: Type) -> Self {
        match kind {
            Type::Number => Self::Number,
            Type::Boolean => Self::Boolean,
            Type::Time => Self::Time,
            Type::Text => Self::Text,
        }
    }

    fn declared(self) -> Type {
        match self {
            Self::Number => Type::Number,
            Self::Boolean => Type::Boolean,
            Self::Time => Type::Time,
            Self::Text => Type::Text,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Time => "date or timestamp",
            Self::Text => "text",
        }
    }
}

#[cfg(test)]
mod tests;
