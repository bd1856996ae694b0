//! The specification, `pipeline.toml`: what to predict, from what, how, and how good it must be.
//!
//! docs/pipeline.md describes every key.

mod condition;
mod error;
mod parse;
mod reader;
#[cfg(test)]
mod tests;

pub use condition::{Comparison, Condition, Test};
pub use error::{SpecificationError, nearest};

use crate::evaluation::Score;
use crate::table::Type;

/// A checked specification; `Specification::default()` is what holds when none is given.
#[derive(Clone, Debug, PartialEq)]
pub struct Specification {
    pub target: Option<ColumnName>,
    pub task: Option<TaskChoice>,
    /// Label of the class that counts as positive.
    pub positive: Option<Label>,
    /// Types that replace the inferred ones.
    pub types: Vec<(ColumnName, Type)>,
    pub drop: Vec<ColumnName>,
    /// Rows that meet all of these are kept.
    pub keep: Vec<Condition>,
    pub derive: Vec<Derived>,
    pub features: FeatureOptions,
    pub split: Split,
    pub algorithm: Option<String>,
    pub engine: Option<String>,
    /// `[params]`, as it stands: the learner checks it.
    pub params: toml::Table,
    pub seed: Option<u64>,
    pub gate: Gate,
    pub allow_leaky: Vec<ColumnName>,
    /// How often each column is shuffled for its permutation importance; 0 leaves importance out.
    pub importance: u64,
}

/// A column that the specification names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnName {
    pub name: String,
    /// The key that names it, and its line.
    pub key: String,
    pub line: usize,
}

/// A class that the specification names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    pub text: String,
    pub line: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskChoice {
    /// Binary or multi-class, as the target has it.
    Classification,
    Regression,
}

/// A column made of others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Derived {
    pub name: String,
    pub operation: Operation,
    /// Two of them, or two and more for a sum.
    pub columns: Vec<ColumnName>,
    pub line: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Sum,
    Difference,
    Ratio,
}

/// `[features]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeatureOptions {
    /// The most frequent categories that get a column of their own; the rest share one.
    pub max_categories: u64,
    /// Month and day of the week of a date, and the hour of a timestamp.
    pub date_parts: bool,
    /// Days between each two of the date columns.
    pub date_differences: bool,
}

/// `[split]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    pub method: Method,
    /// Share of the kept rows that the model is tested on.
    pub test: f64,
    /// Share of the remaining rows that versions are compared by; 0 is none.
    pub validation: f64,
    /// Folds of a cross-validation on the training rows; 0 is none.
    pub folds: u64,
    pub seed: u64,
}

/// How rows are told apart for training and testing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    /// At random, each class in equal shares.
    Stratified,
    Random,
    /// Trained on the past, tested on the future of a column; with a group, on groups that are new then.
    Time {
        by: ColumnName,
        group: Option<ColumnName>,
    },
    /// Rows that share a value of this column stay together.
    Group(ColumnName),
}

/// `[gate]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    /// The primary metric must beat the trivial baseline's.
    pub baseline: bool,
    pub thresholds: Vec<Threshold>,
}

/// A bound on a held-out score: the least value allowed, or the greatest where less is better.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    pub score: Score,
    pub value: f64,
    pub line: usize,
}

impl Default for Specification {
    fn default() -> Self {
        Self {
            target: None,
            task: None,
            positive: None,
            types: Vec::new(),
            drop: Vec::new(),
            keep: Vec::new(),
            derive: Vec::new(),
            features: FeatureOptions {
                max_categories: 20,
                date_parts: true,
                date_differences: true,
            },
            split: Split {
                method: Method::Stratified,
                test: 0.2,
                validation: 0.0,
                folds: 0,
                seed: 0,
            },
            algorithm: None,
            engine: None,
            params: toml::Table::new(),
            seed: None,
            gate: Gate {
                baseline: true,
                thresholds: Vec::new(),
            },
            allow_leaky: Vec::new(),
            importance: 3,
        }
    }
}

impl Method {
    /// The columns that it splits by.
    pub fn columns(&self) -> impl Iterator<Item = &ColumnName> {
        let (time, group) = match self {
            Method::Stratified | Method::Random => (None, None),
            Method::Time { by, group } => (Some(by), group.as_ref()),
            Method::Group(group) => (None, Some(group)),
        };
        time.into_iter().chain(group)
    }
}

impl ColumnName {
    /// Whether it is `column`, or a nested object that `column` is in.
    #[must_use]
    pub fn covers(&self, column: &str) -> bool {
        column
            .strip_prefix(self.name.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }

    /// The error for a column that the data, whose columns are `known`, does not have.
    #[must_use]
    pub fn unknown<'a>(&self, known: impl IntoIterator<Item = &'a str>) -> SpecificationError {
        SpecificationError::UnknownColumn {
            line: self.line,
            key: self.key.clone(),
            column: self.name.clone(),
            nearest: nearest(&self.name, known),
        }
    }
}
