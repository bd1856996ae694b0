/// A table: columns of equal length, in the order of the source.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Records {
    pub columns: Vec<Column>,
    pub rows: usize,
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
