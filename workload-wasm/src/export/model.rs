use serde::{Deserialize, Serialize};

use crate::features::{Encoder, Input, Rows, encode};
use crate::forms::{Form, FormError, Predictions};
use crate::table::{ModelTarget, Table};

/// `model.json`: all that prediction needs, and nothing that tells when or where it was trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// [`Model::FORMAT`].
    pub format: u32,
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

    /// Predicts `rows` of a table whose columns have the types of [`Model::inputs`].
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
