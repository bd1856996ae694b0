use contract::Warning;

use crate::floats::Floats;
use crate::format::Format;
use crate::notes::Notes;

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
    /// Columns that may only count the rows, by where they stand: a first one without a name, and pandas' index.
    pub index: Vec<String>,
    /// What was met in columns besides their values. [`Records::warnings`] has it as sentences.
    pub notes: Notes,
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
    Number { values: Floats, unfit: u64 },
    /// `None` is missing. CSV's `true`/`false` in any case, JSON's booleans; 0 and 1 are numbers.
    Boolean(Vec<Option<bool>>),
    /// Days since 1970-01-01 UTC, `NaN` missing; whole numbers where the source has dates without a time. With a time they
    /// are in double precision, and exact to the millisecond: the first rules alone had them in single precision.
    Time { days: Floats, has_time_of_day: bool },
    /// Anything else.
    Text(Text),
}

impl Values {
    /// How many cells are not missing.
    #[must_use]
    pub fn present(&self) -> u64 {
        let present = match self {
            Values::Number { values, .. } | Values::Time { days: values, .. } => {
                values.iter().filter(|value| !value.is_nan()).count()
            }
            Values::Boolean(values) => values.iter().filter(|value| value.is_some()).count(),
            Values::Text(text) => {
                let codes = text.codes.iter();
                codes.filter(|code| **code != Text::MISSING).count()
            }
        };
        present as u64
    }
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
