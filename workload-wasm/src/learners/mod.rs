//! Learners: one kind a file, all behind one trait, each ending in a [`Form`].

use std::collections::BTreeMap;

use crate::forms::Form;

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
    /// Class codes, `0..classes`.
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
}

/// What was fitted, and how.
#[derive(Clone, Debug)]
pub struct Fitted {
    pub form: Form,
    /// What the user should know: it did not converge, a parameter was cut to what the data allows, …
    pub warnings: Vec<String>,
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
    /// Fits on `training`, all of whose columns are as [`Learner::wants`] says.
    ///
    /// # Errors
    /// When nothing can be fitted to these rows.
    fn fit(&self, training: Training<'_>) -> Result<Fitted, FitError>;
}

/// Why nothing was fitted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FitError {
    #[error("{algorithm} could not be fitted: {reason}")]
    Failed {
        algorithm: &'static str,
        reason: String,
    },
}
