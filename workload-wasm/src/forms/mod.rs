//! Fitted forms: the few plain shapes that every learner ends in. Prediction, `model.json` and exports know these
//! only, never the engine that fitted them.

use serde::{Deserialize, Serialize};

use crate::learners::Features;

mod linear;
mod trees;

pub use linear::{Linear, Link};
pub use trees::Trees;

/// A fitted model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "form", rename_all = "snake_case")]
pub enum Form {
    Linear(Linear),
    Trees(Trees),
}

/// What a form says of some rows.
#[derive(Clone, Debug, PartialEq)]
pub enum Predictions {
    /// Row-major, rows x classes; each row sums to 1.
    Probabilities {
        values: Vec<f32>,
        classes: usize,
    },
    Values(Vec<f32>),
}

impl Form {
    /// Predicts every row of `features`, whose columns are those the form was fitted on.
    #[must_use]
    pub fn predict(&self, features: &Features) -> Predictions {
        match self {
            Form::Linear(linear) => linear.predict(features),
            Form::Trees(trees) => trees.predict(features),
        }
    }
}
