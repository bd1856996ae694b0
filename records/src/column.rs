use contract::Warning;

use crate::format::Format;

/// A table: columns of equal length, in the order of the source.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Records {
    pub columns: Vec<Column>,
    pub rows: usize,
    /// What the source turned out to be.
    pub format: Format,
    /// Columns of the source that are not among [`Records::columns`], and why.
    pub left_out: Vec<LeftOut>,
    /// What the user should know about the source, a sentence each.
    pub warnings: Vec<Warning>,
}

/// A named column.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    pub name: String,
    pub values: Values,
}

/// The cells of a column, one a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// `NaN` is missing. `unfit` counts cells that were there but are no finite f32 (overflow, NaN, infinities):
    /// they are missing too.
    Number { values: Vec<f32>, unfit: u64 },
    /// `None` is missing. CSV's `true`/`false` in any case, JSON's booleans; 0 and 1 are numbers.
    Boolean(Vec<Option<bool>>),
    /// Days since 1970-01-01 UTC, `NaN` missing; whole numbers where the source has dates without a time.
    Time {
        days: Vec<f32>,
        has_time_of_day: bool,
    },
    /// Anything else.
    Text(Text),
}

/// Dictionary-coded text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Text {
    /// Index into `distinct`, or [`Text::MISSING`].
    pub codes: Vec<u32>,
    /// In order of first appearance.
    pub distinct: Vec<String>,
}

impl Text {
    pub const MISSING: u32 = u32::MAX;
}

/// A column that was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    pub name: String,
    pub reason: Reason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// [`crate::Options::columns`] says so.
    Requested,
    /// A row holds an array there (or a map), which is no value of a table's cell.
    Array,
    /// Its values are bytes that are neither text nor numbers.
    Bytes,
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Reason::Requested => "not asked for",
            Reason::Array => "holds arrays",
            Reason::Bytes => "holds bytes that are no text",
        })
    }
}
