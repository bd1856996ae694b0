use std::collections::{BTreeMap, BTreeSet};

use crate::number_format::NumberFormat;
use crate::rules::Rules;

/// How a dataset is read; the default infers every type and reads every column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Types by column name, where they are not to be inferred. A cell that does not fit is missing, and
    /// [`crate::Records::notes`] counts it; by the first rules it is an error. Names that the dataset does not have are
    /// no error here.
    pub types: BTreeMap<String, Type>,
    /// How the numbers of a column that is declared one of numbers are written, where its own cells don't tell.
    pub formats: BTreeMap<String, NumberFormat>,
    /// Columns whose numbers are held in double precision, whatever they are. Of the others those are, where
    /// [`Options::infer`] says that a column's own cells tell, that single precision would merge. Not by the first rules.
    pub double: BTreeSet<String>,
    /// Columns of text in which `NA` is a text like others, where nothing is inferred.
    pub na_is_text: BTreeSet<String>,
    /// Whether a column's own cells tell what its marks and `NA` mean, and what precision they need. A model knows that of its columns, and a block
    /// of a dataset would tell it of its own rows alone.
    pub infer: bool,
    /// Rows that are missing in every column.
    pub skip: Skip,
    pub rules: Rules,
    pub columns: Columns,
    /// How many bytes are read at a time, at least 64. What a column's type can't be after the first block costs no
    /// second pass.
    pub block_bytes: usize,
    /// The most bytes that a dataset may have once it is decompressed.
    pub max_bytes: u64,
    /// The most bytes that a row may have.
    pub max_row_bytes: usize,
    /// How many bytes a byte of gzip may give, from the point on where 256 MiB have been given.
    pub max_gzip_ratio: u64,
    /// The most columns, nested ones counted each.
    pub max_columns: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            types: BTreeMap::new(),
            formats: BTreeMap::new(),
            double: BTreeSet::new(),
            na_is_text: BTreeSet::new(),
            infer: true,
            skip: Skip::default(),
            rules: Rules::NEWEST,
            columns: Columns::All,
            block_bytes: 512 << 10,
            max_bytes: 16 << 30,
            max_row_bytes: 16 << 20,
            max_gzip_ratio: 200,
            max_columns: 20_000,
        }
    }
}

/// Rows to pass over, counted from 1 without the header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skip {
    /// How many rows at the start.
    pub first: u64,
    pub rows: BTreeSet<u64>,
}

impl Skip {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.first == 0 && self.rows.is_empty()
    }

    /// Whether a row is passed over; `row` counts from 0.
    #[must_use]
    pub fn holds(&self, row: u64) -> bool {
        row < self.first || self.rows.contains(&(row + 1))
    }

    /// The last row that is named.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.first.max(self.rows.last().copied().unwrap_or(0))
    }
}

/// Which columns are read. A name of a nested JSON object stands for all that is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Columns {
    #[default]
    All,
    Only(BTreeSet<String>),
    Except(BTreeSet<String>),
}

impl Columns {
    pub(crate) fn hold(&self, name: &str) -> bool {
        match self {
            Columns::All => true,
            Columns::Only(names) => names_hold(names, name),
            Columns::Except(names) => !names_hold(names, name),
        }
    }
}

fn names_hold(names: &BTreeSet<String>, name: &str) -> bool {
    names.contains(name)
        || name
            .match_indices('.')
            .any(|(dot, _)| names.contains(&name[..dot]))
}

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Number,
    /// Besides `true` and `false`: `1`/`0`, `yes`/`no`, `y`/`n`, `t`/`f`, in any case.
    Boolean,
    /// ISO 8601 dates and timestamps.
    Time,
    Text,
}

impl std::fmt::Display for Type {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Type::Number => "number",
            Type::Boolean => "boolean",
            Type::Time => "date or timestamp",
            Type::Text => "text",
        })
    }
}
