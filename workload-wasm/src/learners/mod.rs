//! Learners: one kind a file, all behind one trait, each ending in a [`Form`].
//!
//! [`configure`] is the door: it finds the learner by its name and checks the parameters. `docs/learners.md` lists them.

use std::collections::BTreeMap;

use contract::Warning;

use crate::forms::{Form, FormError};

mod builtin;
mod class_weight;
mod configure;
#[cfg(test)]
mod contract_tests;
mod names;
mod parameters;
mod platt;
mod progress;
mod random;
mod smartcore;
mod svm;

pub use configure::{Defaults, configure, default_algorithm, list};
pub use parameters::ParameterError;
pub use progress::Progress;

/// The columns that a learner is fitted on, or that a form predicts from; all of one length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Features {
    pub columns: Vec<Feature>,
    pub rows: usize,
}

/// One column of f32. `NaN` is missing; a learner that asked for imputed columns sees none.
#[derive(Clone, Debug, PartialEq)]
pub struct Feature {
    pub name: String,
    pub kind: Kind,
    pub values: Vec<f32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Number,
    /// Values are category codes, `0..categories`. A learner that asked for one-hot sees none.
    Category {
        categories: u32,
    },
}

/// What is predicted, one value a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// Class codes, `0..classes`; every class has a row.
    Classes {
        codes: Vec<u32>,
        classes: usize,
    },
    Number(Vec<f32>),
}

/// How a learner wants its features made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wants {
    /// Missing numbers are filled in (median), else they stay `NaN`.
    pub imputed: bool,
    /// Mean 0 and standard deviation 1 on the training rows.
    pub scaled: bool,
    /// Categories become columns of 0 and 1, else they stay [`Kind::Category`].
    pub one_hot: bool,
}

/// All that a fit may look at.
#[derive(Clone, Copy, Debug)]
pub struct Training<'a> {
    pub features: &'a Features,
    pub target: &'a Target,
    /// One a row, all 1 where absent.
    pub weights: Option<&'a [f32]>,
    pub seed: u64,
    /// Where the fit says how far it has come.
    pub progress: Progress<'a>,
}

impl Training<'_> {
    /// Cells of the features.
    fn cells(&self) -> u64 {
        (self.features.rows as u64).saturating_mul(self.features.columns.len() as u64)
    }
}

/// What was fitted, and how.
#[derive(Clone, Debug)]
pub struct Fitted {
    pub form: Form,
    /// What the user should know: it did not converge, a parameter was cut to what the data allows, …
    pub warnings: Vec<Warning>,
    /// How much the splits by each column decreased the impurity of the training rows, in shares that sum to 1; for
    /// trees of the built-in engine.
    pub importance: Option<Vec<f64>>,
}

impl Fitted {
    /// A form that there is nothing more to say of.
    #[must_use]
    pub fn new(form: Form) -> Self {
        Fitted {
            form,
            warnings: Vec::new(),
            importance: None,
        }
    }
}

/// A configured learner: its parameters were checked when it was made.
pub trait Learner {
    /// The value of `algorithm =`.
    fn algorithm(&self) -> &'static str;
    /// Whose implementation: `smartcore`, or `builtin`.
    fn engine(&self) -> &'static str;
    /// Every parameter as it is used, defaults included.
    fn parameters(&self) -> BTreeMap<String, serde_json::Value>;
    fn wants(&self) -> Wants;
    /// Fits on `training`, all of whose columns are as [`Learner::wants`] says. Equal training gives an equal form.
    ///
    /// # Errors
    /// When nothing can be fitted to these rows.
    fn fit(&self, training: Training<'_>) -> Result<Fitted, FitError>;
}

/// Why nothing was fitted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{algorithm} (engine {engine}) could not be fitted: {cause}")]
pub struct FitError {
    pub algorithm: &'static str,
    pub engine: &'static str,
    pub cause: Cause,
}

/// What stands in the way of a fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    #[error("there are no training rows; keep more rows, or hold fewer out")]
    NoRows,
    #[error("there is no feature to learn from; every column was dropped or left out")]
    NoFeatures,
    #[error("column {column} has {values} values for {rows} rows")]
    Lengths {
        column: String,
        values: usize,
        rows: usize,
    },
    #[error(
        "column {column} holds missing or infinite values, and this learner takes none; impute them"
    )]
    Missing { column: String },
    #[error(
        "column {column} holds categories, and this learner takes numbers only; encode them one-hot"
    )]
    Categories { column: String },
    #[error("the target holds a value that is missing or infinite; keep the rows that have one")]
    Target,
    #[error("the training rows show one class only; a classifier needs rows of two or more")]
    OneClass,
    #[error("no training row is of class {class}; leave the class out, or hold fewer rows out")]
    EmptyClass { class: usize },
    #[error("it takes no row weights; drop the weights, or choose another engine or algorithm")]
    Weights,
    #[error("row weights must be finite, not negative and not all 0")]
    BadWeights,
    #[error("the target is of another kind than the task that it was configured for")]
    Task,
    #[error("{0}; scale the columns, or change the parameters")]
    Overflow(#[from] FormError),
    #[error("the engine says: {0}")]
    Engine(String),
    #[error("{what}: {remedy}")]
    Unsuited { what: String, remedy: &'static str },
}
