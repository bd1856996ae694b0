use std::collections::{BTreeMap, BTreeSet};

/// How a dataset is read; the default infers every type and reads every column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Types by column name, where they are not to be inferred. A cell that does not fit is an error; names that
    /// the dataset does not have are no error here.
    pub types: BTreeMap<String, Type>,
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
            columns: Columns::All,
            block_bytes: 512 << 10,
            max_bytes: 16 << 30,
            max_row_bytes: 16 << 20,
            max_gzip_ratio: 200,
            max_columns: 20_000,
        }
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
