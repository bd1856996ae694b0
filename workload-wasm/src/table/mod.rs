//! The dataset as typed columns: what records were read, as the specification and the data themselves have it.

mod coerce;
mod error;
mod keep;
mod nothing_left;
mod read;
mod row_labels;
mod schema;
mod target;
mod totals;

use contract::Warning;
use records::{Floats, Records, Text, Values};
use serde::{Deserialize, Serialize};

pub use coerce::{MILLIS_OF_A_DAY, civil_from_days, millis};
pub use error::DataError;
pub use keep::kept_rows;
pub use read::{Dataset, Reading, read_dataset};
pub use row_labels::row_labels;
pub use schema::reason_to_leave_out;
pub use target::{ModelTarget, TargetColumn, TargetError, TargetValues};
pub use totals::totals;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Type {
    Number,
    Boolean,
    Date,
    Timestamp,
    Category,
}

impl Type {
    /// Every type under the name that a specification gives it.
    pub const NAMES: [(&'static str, Type); 5] = [
        ("number", Type::Number),
        ("boolean", Type::Boolean),
        ("date", Type::Date),
        ("timestamp", Type::Timestamp),
        ("category", Type::Category),
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Type::Number => "number",
            Type::Boolean => "boolean",
            Type::Date => "date",
            Type::Timestamp => "timestamp",
            Type::Category => "category",
        }
    }

    #[must_use]
    pub fn is_time(self) -> bool {
        matches!(self, Type::Date | Type::Timestamp)
    }
}

/// Columns of equal length, in the order of the dataset.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    pub columns: Vec<Column>,
    pub rows: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    pub name: String,
    pub kind: Type,
    pub cells: Cells,
}

/// The cells of a column, one a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Cells {
    /// Numbers; 0 and 1 for booleans; days since 1970-01-01 UTC for dates and timestamps. `NaN` is missing.
    Numbers(Floats),
    Text(Text),
}

impl Table {
    /// Takes the columns of `records` as they were read, and says which cells count as missing because no f32
    /// holds them.
    #[must_use]
    pub fn from_records(records: Records) -> (Self, Vec<Warning>) {
        let mut notes = Vec::new();
        let columns = records
            .columns
            .into_iter()
            .map(|column| {
                if let Values::Number { unfit, .. } = &column.values
                    && *unfit > 0
                {
                    let cells = match unfit {
                        1 => "1 cell is not a finite single-precision number and counts".to_owned(),
                        _ => format!(
                            "{unfit} cells are not finite single-precision numbers and count"
                        ),
                    };
                    let message = format!("{}: {cells} as missing", column.name);
                    notes.push(Warning::new("unfit_numbers", message).in_column(&column.name));
                }
                let (kind, cells) = match column.values {
                    Values::Number { values, .. } => (Type::Number, Cells::Numbers(values)),
                    Values::Boolean(values) => {
                        let numbers = values
                            .into_iter()
                            .map(|value| value.map_or(f32::NAN, |flag| f32::from(u8::from(flag))))
                            .collect::<Vec<_>>();
                        (Type::Boolean, Cells::Numbers(numbers.into()))
                    }
                    Values::Time {
                        days,
                        has_time_of_day: false,
                    } => (Type::Date, Cells::Numbers(days)),
                    Values::Time { days, .. } => (Type::Timestamp, Cells::Numbers(days)),
                    Values::Text(text) => (Type::Category, Cells::Text(text)),
                };
                Column {
                    name: column.name,
                    kind,
                    cells,
                }
            })
            .collect();
        (
            Self {
                columns,
                rows: records.rows,
            },
            notes,
        )
    }

    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }

    /// Makes the column `name` one of `kind`. Returns how many of its cells cannot be read as such and are missing
    /// from now on; 0 where there is no such column.
    ///
    /// # Errors
    /// When none of its cells can be read so.
    pub fn set_type(&mut self, name: &str, kind: Type) -> Result<usize, DataError> {
        match self.columns.iter_mut().find(|column| column.name == name) {
            Some(column) => column.set_type(kind),
            None => Ok(0),
        }
    }
}

impl Column {
    #[must_use]
    pub fn is_missing(&self, row: u32) -> bool {
        match &self.cells {
            Cells::Numbers(values) => values.get(row as usize).is_nan(),
            Cells::Text(text) => text.codes[row as usize] == Text::MISSING,
        }
    }

    /// The cell as a person would write it; empty where it is missing.
    #[must_use]
    pub fn cell(&self, row: u32) -> String {
        match &self.cells {
            Cells::Numbers(values) => coerce::written(values, values.get(row as usize), self.kind),
            Cells::Text(text) => text
                .distinct
                .get(text.codes[row as usize] as usize)
                .cloned()
                .unwrap_or_default(),
        }
    }
}
