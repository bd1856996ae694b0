use contract::{ErrorReport, LeftOut};

use super::nothing_left;

/// Why the data cannot be trained on, or predicted. Rows are counted from 1, without the header.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    #[error("{0}")]
    Read(#[from] records::ReadError),
    #[error("the dataset has no rows")]
    NoRows,
    #[error("none of the {read} rows meets `keep`")]
    NoneKept { read: usize },
    #[error("no target: no column has a usual target's name")]
    NoTarget { columns: String },
    #[error("the target `{column}` is missing in every row")]
    TargetMissing { column: String },
    #[error("the target `{column}` is {value} in every row")]
    TargetConstant { column: String, value: String },
    #[error("the target `{column}` has {classes} classes, more than {most}")]
    TooManyClasses {
        column: String,
        classes: usize,
        most: usize,
    },
    #[error("the target `{column}` holds no numbers: `{cell}`")]
    TargetNotNumeric {
        column: String,
        row: u64,
        cell: String,
    },
    #[error("{rows} rows are too few {purpose}: it takes {least}")]
    TooFewRows {
        rows: usize,
        least: usize,
        purpose: String,
    },
    #[error("{found} {of} are too few for {folds} folds: it takes {least}")]
    TooFewForFolds {
        found: usize,
        /// What is dealt to the folds.
        of: String,
        folds: usize,
        least: usize,
    },
    #[error("{}: no row to {part} has the class {class} of `{column}`", fold_numbers(lacking, *folds))]
    FoldWithoutClass {
        column: String,
        class: String,
        /// What is done on such a fold's rows.
        part: &'static str,
        /// Counted from 1.
        lacking: Vec<usize>,
        folds: usize,
    },
    #[error(
        "`{column}`, which split.time names, is missing in {}",
        missing_rows(rows)
    )]
    TimeMissing {
        column: String,
        /// Counted from 1.
        rows: Vec<u64>,
    },
    #[error("the {part} rows hold one class of `{column}` only: {class}")]
    OneClass {
        part: &'static str,
        column: String,
        class: String,
    },
    #[error("no training row has the class {class} of `{column}`")]
    ClassNotTrained { column: String, class: String },
    #[error("`{score}` is undefined on the held-out rows: all of them have the same target")]
    UndefinedScore { score: String },
    #[error("the memory does not hold {columns} columns of features for {rows} training rows")]
    TooLarge { rows: usize, columns: usize },
    #[error("{}", nothing_left::sentence(left_out))]
    NoFeatures {
        /// All columns but the target, and why each is not learned from.
        left_out: Vec<LeftOut>,
    },
    #[error("the column `{column}` cannot be read as {expected}: `{cell}`")]
    WrongType {
        column: String,
        row: Option<u64>,
        cell: String,
        expected: &'static str,
    },
    #[error("the target {sentence}")]
    AmbiguousTarget {
        column: String,
        row: u64,
        /// Both readings of its first cell, and the keys that settle which it is.
        sentence: String,
    },
    #[error("the column `{column}`, which the model reads, is not in the data")]
    MissingColumn {
        column: String,
        nearest: Option<String>,
    },
}

impl DataError {
    /// What `error.json` says of it.
    #[must_use]
    pub fn report(&self) -> ErrorReport {
        let message = self.to_string();
        match self {
            Self::Read(error) => ErrorReport {
                message: error.message(),
                row: error.row(),
                column: error.column().map(str::to_owned),
                remedy: Some(error.remedy()),
                ..ErrorReport::default()
            },
            _ => ErrorReport {
                message,
                row: self.row(),
                column: self.column().map(str::to_owned),
                remedy: Some(self.remedy()),
                ..ErrorReport::default()
            },
        }
    }

    fn row(&self) -> Option<u64> {
        match self {
            Self::TargetNotNumeric { row, .. } => Some(*row),
            Self::WrongType { row, .. } => *row,
            Self::AmbiguousTarget { row, .. } => Some(*row),
            Self::TimeMissing { rows, .. } => rows.first().copied(),
            _ => None,
        }
    }

    fn column(&self) -> Option<&str> {
        match self {
            Self::TargetMissing { column }
            | Self::TargetConstant { column, .. }
            | Self::TooManyClasses { column, .. }
            | Self::TargetNotNumeric { column, .. }
            | Self::OneClass { column, .. }
            | Self::FoldWithoutClass { column, .. }
            | Self::TimeMissing { column, .. }
            | Self::ClassNotTrained { column, .. }
            | Self::WrongType { column, .. }
            | Self::AmbiguousTarget { column, .. }
            | Self::MissingColumn { column, .. } => Some(column),
            _ => None,
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Read(error) => error.remedy(),
            Self::NoRows => "give a dataset with at least one row below its header".to_owned(),
            Self::NoneKept { .. } => "loosen the conditions of `keep`".to_owned(),
            Self::NoTarget { columns } => {
                format!("name one in pipeline.toml: target = \"…\"; the columns are {columns}")
            }
            Self::TargetMissing { .. } => {
                "choose another target, or give rows where it is known".to_owned()
            }
            Self::TargetConstant { .. } => {
                "give rows in which it differs, loosen `keep`, or choose another target"
                    .to_owned()
            }
            Self::TooManyClasses { .. } => {
                "choose another target, or set task = \"regression\" if it is a number".to_owned()
            }
            Self::TargetNotNumeric { .. } => {
                "set task = \"classification\", or give numbers".to_owned()
            }
            Self::TooFewRows { .. } => {
                "give more rows, loosen `keep`, or change [split]".to_owned()
            }
            Self::TooFewForFolds { .. } => "set fewer split.folds, or give more rows".to_owned(),
            Self::FoldWithoutClass { .. } => {
                "set fewer split.folds, give more rows of the class, or leave its rows out by `keep`"
                    .to_owned()
            }
            Self::TimeMissing { column, .. } => format!(
                "leave these rows out: keep = \"{} is present\"",
                quoted(column)
            ),
            Self::OneClass { .. } | Self::UndefinedScore { .. } => {
                "give more rows of the other classes, a larger split.test, or another way to split"
                    .to_owned()
            }
            Self::ClassNotTrained { .. } => {
                "give more rows of it, leave its rows out by `keep`, or split in another way"
                    .to_owned()
            }
            Self::TooLarge { .. } => {
                "give the module more memory (at most 4 GiB), drop columns, lower features.max_categories, or train on a sample of the rows"
                    .to_owned()
            }
            Self::NoFeatures { left_out } if left_out.is_empty() => {
                "give a dataset with more columns".to_owned()
            }
            Self::NoFeatures { .. } => {
                "drop fewer columns, give ids and texts a type in [types] and leaks a place in allow_leaky to keep them, or give more columns"
                    .to_owned()
            }
            Self::AmbiguousTarget { .. } => {
                "say in [types] how its numbers are written: a target is not guessed".to_owned()
            }
            Self::WrongType { .. } => {
                "correct the cells, or give the column its own type in [types]".to_owned()
            }
            Self::MissingColumn { nearest, .. } => match nearest {
                Some(nearest) => format!("did you mean it by the column `{nearest}`? Rename it"),
                None => "add it; empty cells are allowed".to_owned(),
            },
        }
    }
}

/// More rows are not named.
const MOST_NAMED: usize = 10;

/// `fold 2 of 5`, or `folds 2, 3 of 5`.
fn fold_numbers(folds: &[usize], all: usize) -> String {
    let noun = if folds.len() == 1 { "fold" } else { "folds" };
    let numbers: Vec<String> = folds.iter().map(usize::to_string).collect();
    format!("{noun} {} of {all}", numbers.join(", "))
}

/// `8 rows: 3, 17, …`.
fn missing_rows(rows: &[u64]) -> String {
    let mut numbers: Vec<String> = rows.iter().take(MOST_NAMED).map(u64::to_string).collect();
    if rows.len() > MOST_NAMED {
        numbers.push("…".to_owned());
    }
    let noun = if rows.len() == 1 { "row" } else { "rows" };
    format!("{} {noun}: {}", rows.len(), numbers.join(", "))
}

/// A column's name as a condition takes it, within the quotes of a specification.
fn quoted(column: &str) -> String {
    if column.contains(['=', '<', '>', '!', '\'']) || column.starts_with('"') {
        format!("'{column}'")
    } else {
        column.to_owned()
    }
}
