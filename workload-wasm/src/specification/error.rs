use crate::learners::ParameterError;

/// Why a specification cannot be followed. Lines are counted from 1.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SpecificationError {
    #[error("the specification {path} could not be read: {reason}")]
    Unreadable { path: String, reason: String },
    #[error("line {line}: {message}")]
    Syntax { line: usize, message: String },
    #[error("line {line}: `{key}` is no key of {place}")]
    UnknownKey {
        line: usize,
        key: String,
        place: String,
        nearest: Option<String>,
        known: String,
    },
    #[error("line {line}: `{key}` must be {expected}, found {found}")]
    WrongType {
        line: usize,
        key: String,
        expected: &'static str,
        found: String,
    },
    #[error("line {line}: `{key}` is {found}; allowed: {allowed}")]
    NotAllowed {
        line: usize,
        key: String,
        found: String,
        allowed: String,
        nearest: Option<String>,
    },
    #[error("line {line}: the condition `{condition}` {reason}")]
    Condition {
        line: usize,
        condition: String,
        reason: String,
    },
    #[error("line {line}: `{key}` and `{other}` cannot both be given: {reason}")]
    Conflict {
        line: usize,
        key: &'static str,
        other: &'static str,
        reason: &'static str,
    },
    #[error("line {line}: `{key}` names the column `{column}`, which the data does not have")]
    UnknownColumn {
        line: usize,
        key: String,
        column: String,
        nearest: Option<String>,
    },
    #[error("line {line}: `{key}`: {reason}")]
    Unusable {
        line: usize,
        key: String,
        reason: String,
        remedy: String,
    },
    #[error("{0}")]
    Parameter(#[from] ParameterError),
}

impl SpecificationError {
    /// What the user can do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Unreadable { .. } => "give a readable file of UTF-8 text".to_owned(),
            Self::Syntax { .. } => "correct the line; the format is TOML (toml.io)".to_owned(),
            Self::UnknownKey { nearest, known, .. } => match nearest {
                Some(nearest) => format!("did you mean `{nearest}`? Known keys: {known}"),
                None => format!("known keys: {known}"),
            },
            Self::WrongType { expected, .. } => format!("write {expected}"),
            Self::NotAllowed {
                nearest, allowed, ..
            } => match nearest {
                Some(nearest) => format!("did you mean {nearest}?"),
                None => format!("use {allowed}"),
            },
            Self::Condition { .. } => {
                "write it as `Column = value` with =, !=, <, <=, > or >=, or as `Column is missing` or `Column is present`"
                    .to_owned()
            }
            Self::Conflict { key, other, .. } => format!("remove `{key}` or `{other}`"),
            Self::UnknownColumn { nearest, .. } => match nearest {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => "name a column of the data; names are case-sensitive".to_owned(),
            },
            Self::Unusable { remedy, .. } => remedy.clone(),
            Self::Parameter(_) => "docs/learners.md lists every algorithm and its parameters".to_owned(),
        }
    }

    /// The column that it is about.
    #[must_use]
    pub fn column(&self) -> Option<&str> {
        match self {
            Self::UnknownColumn { column, .. } => Some(column),
            _ => None,
        }
    }
}

/// The item of `known` that `given` was most likely meant to be, if any is near.
#[must_use]
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let lower = given.to_lowercase();
    known
        .into_iter()
        .map(|candidate| {
            let similarity = strsim::jaro_winkler(&lower, &candidate.to_lowercase());
            (candidate, similarity)
        })
        .filter(|(_, similarity)| *similarity >= 0.8)
        .max_by(|left, right| left.1.total_cmp(&right.1))
        .map(|(candidate, _)| candidate.to_owned())
}
