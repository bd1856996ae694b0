//! Fitted forms: the few plain shapes that every learner ends in. Prediction, `model.json` and exports know these
//! only, never the engine that fitted them.

use serde::{Deserialize, Serialize};

use crate::learners::Features;

mod cost;
mod kernel;
mod linear;
mod link;
mod naive_bayes;
mod neighbors;
mod network;
mod rows;
mod trees;
mod walk;

pub use kernel::{Kernel, KernelFunction, Machine, Machines, PAIR_MARGIN, Pair};
pub use linear::Linear;
pub use link::{Link, sigmoid, softmax};
pub use naive_bayes::NaiveBayes;
pub use neighbors::{Distance, Neighbors, Targets, Weighting};
pub use network::{Layer, Network};
pub use rows::Rows;
pub use trees::{Aggregate, CategorySet, Node, Split, Trees};

/// A fitted model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "form", rename_all = "snake_case")]
pub enum Form {
    Linear(Linear),
    Trees(Trees),
    NaiveBayes(NaiveBayes),
    Neighbors(Neighbors),
    Kernel(Kernel),
    Network(Network),
}

/// What a form says of some rows.
#[derive(Clone, Debug, PartialEq)]
pub enum Predictions {
    /// Row-major, rows x classes; each row sums to 1.
    Probabilities { values: Vec<f32>, classes: usize },
    /// One a row.
    Values(Vec<f32>),
}

/// Why a form can't predict: a learner made it of numbers that overflowed, or somebody edited `model.json`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    #[error("the model was fitted on {form} columns and is given {given}")]
    Features { form: usize, given: usize },
    #[error("a model with link {link:?} can't have {outputs} outputs")]
    Outputs { link: Link, outputs: usize },
    #[error("the model holds a number that is not finite")]
    NotFinite,
    #[error("the model's {what} are of different lengths")]
    Lengths { what: &'static str },
    #[error("node {node} of the model's trees points to what is not there")]
    Node { node: usize },
}

impl Form {
    /// Predicts every row of `features`, whose columns are those the form was fitted on.
    ///
    /// A form that [`Form::check`] accepts for the number of columns never panics here.
    #[must_use]
    pub fn predict(&self, features: &Features) -> Predictions {
        match self {
            Form::Linear(linear) => linear.predict(features),
            Form::Trees(trees) => trees.predict(features),
            Form::NaiveBayes(bayes) => bayes.predict(features),
            Form::Neighbors(neighbors) => neighbors.predict(features),
            Form::Kernel(kernel) => kernel.predict(features),
            Form::Network(network) => network.predict(features),
        }
    }

    /// Checks a form that was read from `model.json`, or just fitted, against the number of columns it will be given.
    ///
    /// # Errors
    /// When its parts don't fit together, or it holds a number that is not finite.
    pub fn check(&self, features: usize) -> Result<(), FormError> {
        match self {
            Form::Linear(linear) => linear.check(features),
            Form::Trees(trees) => trees.check(features),
            Form::NaiveBayes(bayes) => bayes.check(features),
            Form::Neighbors(neighbors) => neighbors.check(features),
            Form::Kernel(kernel) => kernel.check(features),
            Form::Network(network) => network.check(features),
        }
    }
}

fn all_finite(values: &[f64]) -> Result<(), FormError> {
    if values.iter().all(|value| value.is_finite()) {
        Ok(())
    } else {
        Err(FormError::NotFinite)
    }
}
