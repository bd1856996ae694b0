use records::Rules;
use serde::{Deserialize, Serialize};

use crate::features::{Encoder, Input, Rows, encode};
use crate::forms::{Form, FormError, Predictions};
use crate::table::{ModelTarget, Reading, Table};

/// `model.json`: all that prediction needs, and nothing that tells when or where it was trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// [`Model::FORMAT`].
    pub format: u32,
    /// By which rules the dataset was read; models of earlier modules do not say, and go by the first.
    #[serde(default = "first_rules")]
    pub reading_rules: u32,
    /// Not in models of earlier modules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fitted_by: Option<FittedBy>,
    pub target: ModelTarget,
    /// Columns of the dataset that the model reads, in its order.
    pub inputs: Vec<Input>,
    /// In the order of the columns that the form was fitted on.
    pub features: Vec<Encoder>,
    pub model: Form,
}

fn first_rules() -> u32 {
    Rules::One.number()
}

/// Which learner found the numbers, in the words of a specification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FittedBy {
    pub algorithm: String,
    pub engine: String,
}

/// Why a `model.json` is none.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    #[error("no model.json: {0}")]
    Json(#[from] serde_json::Error),
    #[error("model.json has format {0}; this module reads format {expected}", expected = Model::FORMAT)]
    Format(u32),
    #[error("model.json was made by reading rules {0}; this module knows rules up to {newest}", newest = Rules::NEWEST.number())]
    Rules(u32),
    #[error("model.json is damaged: an input's format of numbers is none: {0}")]
    NumberFormat(String),
    #[error("model.json is damaged: {0}")]
    Form(#[from] FormError),
    #[error("model.json is damaged: it names {classes} classes and predicts {outputs}")]
    Classes { classes: usize, outputs: usize },
}

impl Model {
    pub const FORMAT: u32 = 1;

    /// Reads a model and checks that its parts fit together.
    ///
    /// # Errors
    /// When it is no model, one of another format, or damaged.
    pub fn from_json(json: &[u8]) -> Result<Self, ModelError> {
        let model: Self = serde_json::from_slice(json)?;
        if model.format != Self::FORMAT {
            return Err(ModelError::Format(model.format));
        }
        model.rules()?;
        let columns = model
            .features
            .iter()
            .map(|encoder| encoder.encoding.width())
            .sum();
        model.model.check(columns)?;
        let outputs = match model.predict(&Table::default(), &[]) {
            Predictions::Probabilities { classes, .. } => classes,
            Predictions::Values(_) => 0,
        };
        if outputs != model.target.classes.len() {
            return Err(ModelError::Classes {
                classes: model.target.classes.len(),
                outputs,
            });
        }
        Ok(model)
    }

    /// By which rules its datasets are read.
    ///
    /// # Errors
    /// When they are of a later module.
    pub fn rules(&self) -> Result<Rules, ModelError> {
        Rules::of(self.reading_rules).ok_or(ModelError::Rules(self.reading_rules))
    }

    /// How the columns that the model reads are read.
    ///
    /// # Errors
    /// When the model is damaged, or of a later module.
    pub fn reading(&self) -> Result<Reading, ModelError> {
        let mut reading = Reading {
            rules: self.rules()?,
            infer: false,
            ..Reading::default()
        };
        for input in &self.inputs {
            reading.types.insert(input.name.clone(), input.kind);
            if let Some(example) = &input.format {
                let format = example.parse().map_err(ModelError::NumberFormat)?;
                reading.formats.insert(input.name.clone(), format);
            }
            if input.double {
                reading.double.insert(input.name.clone());
            }
            if input.na_is_text {
                reading.na_is_text.insert(input.name.clone());
            }
        }
        Ok(reading)
    }

    /// Predicts `rows` of a table whose columns have the types of [`Model::inputs`]: of a regression without the target's
    /// offset, which [`ModelTarget::number`] adds.
    #[must_use]
    pub fn predict(&self, table: &Table, rows: &[u32]) -> Predictions {
        self.model
            .predict(&encode(table, &self.features, Rows::new(rows)))
    }

    /// # Errors
    /// When a number cannot be written as JSON.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut json = serde_json::to_vec(self)?;
        json.push(b'\n');
        Ok(json)
    }
}
