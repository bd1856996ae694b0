//! Columns of a table and a model's ports.

use super::signature::{Kind, Port, Signature, Values};

/// A column of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    pub name: String,
    pub values: Values,
}

/// Arranges columns of `rows` rows as the model takes them: each input by its name, or all columns in their order
/// where the model has one input of numbers for all.
///
/// # Errors
/// The input for which there is no column, or none of its type.
pub fn arrange(
    signature: &Signature,
    columns: &[Column],
    rows: usize,
) -> Result<Vec<Values>, String> {
    signature
        .inputs
        .iter()
        .map(|port| match port.columns {
            1 => one(port, columns),
            _ => wide(port, columns, rows),
        })
        .collect()
}

fn one(port: &Port, columns: &[Column]) -> Result<Values, String> {
    let name = &port.name;
    let column = columns
        .iter()
        .find(|column| column.name == *name)
        .ok_or_else(|| format!("there is no column `{name}`"))?;
    match (port.kind, &column.values) {
        (Kind::Number, values) if !matches!(values, Values::Text(_)) => {
            Ok(Values::Numbers(values.singles()))
        }
        (Kind::Double, values) if !matches!(values, Values::Text(_)) => {
            Ok(Values::Doubles(values.doubles()))
        }
        (Kind::Text, Values::Text(_)) => Ok(column.values.clone()),
        (Kind::Text, _) => Err(format!(
            "the column `{name}` holds numbers, and the model takes text"
        )),
        (Kind::Number | Kind::Double, _) => Err(format!(
            "the column `{name}` holds text, and the model takes numbers"
        )),
    }
}

impl Values {
    /// Numbers in single precision; none of text.
    pub(super) fn singles(&self) -> Vec<f32> {
        match self {
            Self::Numbers(values) => values.clone(),
            Self::Doubles(values) => values.iter().map(|value| *value as f32).collect(),
            Self::Text(_) => Vec::new(),
        }
    }

    /// Numbers in double precision; none of text.
    pub(super) fn doubles(&self) -> Vec<f64> {
        match self {
            Self::Numbers(values) => values.iter().copied().map(f64::from).collect(),
            Self::Doubles(values) => values.clone(),
            Self::Text(_) => Vec::new(),
        }
    }
}

fn wide(port: &Port, columns: &[Column], rows: usize) -> Result<Values, String> {
    if columns.len() != port.columns {
        return Err(format!(
            "the model takes {} columns without names, as `{}`, and there are {}",
            port.columns,
            port.name,
            columns.len()
        ));
    }
    let of = |column: &Column| match (&column.values, port.kind) {
        (Values::Numbers(_) | Values::Doubles(_), Kind::Number | Kind::Double)
        | (Values::Text(_), Kind::Text) => Ok(()),
        _ => Err(format!(
            "the column `{}` is not of the type that the model takes",
            column.name
        )),
    };
    columns.iter().try_for_each(of)?;
    let mut numbers = Vec::new();
    let mut text = Vec::new();
    for row in 0..rows {
        for column in columns {
            match &column.values {
                Values::Numbers(values) => numbers.push(f64::from(values[row])),
                Values::Doubles(values) => numbers.push(values[row]),
                Values::Text(values) => text.push(values[row].clone()),
            }
        }
    }
    Ok(match port.kind {
        Kind::Number => Values::Numbers(numbers.into_iter().map(|value| value as f32).collect()),
        Kind::Double => Values::Doubles(numbers),
        Kind::Text => Values::Text(text),
    })
}

/// What a model says of the rows of a block.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scores {
    /// One a row, of a classification.
    pub labels: Vec<String>,
    /// rows x `classes`, where the model gives them.
    pub probabilities: Vec<f32>,
    pub classes: usize,
    /// rows x `targets`, of a regression.
    pub predictions: Vec<f64>,
    pub targets: usize,
    /// Whether the predictions are told in double precision.
    pub is_double: bool,
}

impl Scores {
    /// Tells the outputs apart by what they hold, for exporters name them as they like: text or whole numbers are
    /// labels, and numbers beside them probabilities; numbers alone are predictions.
    ///
    /// # Errors
    /// When they are something else.
    pub fn of(signature: &Signature, outputs: Vec<Values>, rows: usize) -> Result<Self, String> {
        let mut scores = Self::default();
        let is_classifier = signature.outputs.iter().any(|port| port.kind == Kind::Text);
        for (port, values) in signature.outputs.iter().zip(outputs) {
            match values {
                Values::Text(mut values) if scores.labels.is_empty() && port.columns == 1 => {
                    values.truncate(rows);
                    scores.labels = values;
                }
                values if is_classifier && scores.classes == 0 && port.kind != Kind::Text => {
                    let mut values = values.singles();
                    values.truncate(rows * port.columns);
                    (scores.probabilities, scores.classes) = (values, port.columns);
                }
                values if !is_classifier && scores.targets == 0 => {
                    scores.is_double = port.kind == Kind::Double;
                    let mut values = values.doubles();
                    values.truncate(rows * port.columns);
                    (scores.predictions, scores.targets) = (values, port.columns);
                }
                _ => return Err(format!("its output `{}` is one too many", port.name)),
            }
        }
        if scores.labels.is_empty() && scores.targets == 0 {
            return Err("it has no outputs".to_owned());
        }
        Ok(scores)
    }
}
