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
//! assert!(matches!(&records.columns[0].values, Values::Number { values, .. } if values.get(0) == 1200.5));
//! # Ok::<(), records::ReadError>(())
//! ```

mod blocks;
mod builder;
mod cell;
mod column;
mod csv;
mod duration;
mod error;
mod floats;
mod format;
mod input;
mod json;
mod marks;
mod notes;
mod number;
mod number_format;
mod options;
mod parquet;
mod read;
mod room;
mod rules;
mod source;
pub mod spelling;
mod table;
mod time;
mod tokens;

pub use blocks::{Block, Blocks};
pub use column::{Column, LeftOut, Reason, Records, Text, Values};
pub use error::{Problem, ReadError};
pub use floats::{Floats, is_narrow};
pub use format::{Format, Kind};
pub use notes::{Ambiguous, Note, Notes, Outcome, Passed, Spelling, Spellings};
pub use number_format::NumberFormat;
pub use options::{Columns, Options, Skip, Type};
pub use read::read;
pub use rules::Rules;
pub use source::{ReadSeek, Source};

/// Days since 1970-01-01 UTC of an ISO 8601 date or timestamp, as columns hold them by `rules`; `None` for any other text.
#[must_use]
pub fn parse_days(text: &str, rules: Rules) -> Option<f64> {
    time::parse(text.as_bytes()).map(|moment| match rules {
        Rules::One => f64::from(moment.single),
        Rules::Two => moment.days(),
    })
}

/// The seconds of an ISO 8601 duration (`PT1H30M`), of a time of day or a duration with colons (`00:02:05`), or of one as
/// pandas writes it (`1 days 02:00:00`); `None` for any other text.
#[must_use]
pub fn parse_seconds(text: &str) -> Option<f64> {
    duration::parse(text.as_bytes())
}
