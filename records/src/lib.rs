//! Bytes to typed columns: the dataset formats that training modules and scoring read, told apart by content.
//!
//! [`read`] takes CSV (separated by comma, semicolon or tab), a JSON array of objects, NDJSON, a Salesforce
//! query result or Parquet, plain or gzip, and gives [`Records`]: numbers, booleans, dates and times, dictionary-coded
//! text. `docs/data.md` says what is told apart how, and what counts as missing.
//!
//! ```
//! use records::{Options, Values, read};
//!
//! let csv: &[u8] = b"Amount,StageName\n1200.5,Closed Won\n,Prospecting\n";
//! let records = read(&csv, &Options::default())?;
//! assert_eq!(records.rows, 2);
//! assert!(matches!(&records.columns[0].values, Values::Number { values, .. } if values[0] == 1200.5));
//! # Ok::<(), records::ReadError>(())
//! ```

mod blocks;
mod builder;
mod cell;
mod column;
mod csv;
mod error;
mod format;
mod input;
mod json;
mod number;
mod options;
mod parquet;
mod read;
mod room;
mod source;
pub mod spelling;
mod table;
mod time;

pub use blocks::{Block, Blocks};
pub use column::{Column, LeftOut, Reason, Records, Text, Values};
pub use error::{Problem, ReadError};
pub use format::{Format, Kind};
pub use options::{Columns, Options, Type};
pub use read::read;
pub use source::{ReadSeek, Source};

/// Days since 1970-01-01 UTC of an ISO 8601 date or timestamp, as columns hold them; `None` for any other text.
#[must_use]
pub fn parse_days(text: &str) -> Option<f32> {
    time::parse(text.as_bytes()).map(|moment| moment.days)
}
