use crate::format::Format;
use crate::notes::key;
use crate::options::Type;

/// Why a dataset can't be read: what is wrong, where, and what to do about it.
#[derive(Debug)]
pub struct ReadError {
    problem: Problem,
    row: Option<u64>,
    column: Option<String>,
}

impl ReadError {
    /// What is wrong, without the place.
    #[must_use]
    pub fn message(&self) -> String {
        self.problem.to_string()
    }

    /// The row, counted from 1 without the header.
    #[must_use]
    pub fn row(&self) -> Option<u64> {
        self.row
    }

    /// The column's name.
    #[must_use]
    pub fn column(&self) -> Option<&str> {
        self.column.as_deref()
    }

    /// What the user can do.
    #[must_use]
    pub fn remedy(&self) -> String {
        self.problem.remedy()
    }

    #[must_use]
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    pub(crate) fn at_row(mut self, row: usize) -> Self {
        self.row.get_or_insert(row as u64);
        self
    }

    pub(crate) fn in_column(mut self, column: &str) -> Self {
        self.column.get_or_insert_with(|| column.to_owned());
        self
    }
}

impl From<Problem> for ReadError {
    fn from(problem: Problem) -> Self {
        ReadError {
            problem,
            row: None,
            column: None,
        }
    }
}

impl std::fmt::Display for ReadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.row, &self.column) {
            (Some(row), Some(column)) => write!(f, "row {row}, column `{column}`: ")?,
            (Some(row), None) => write!(f, "row {row}: ")?,
            (None, Some(column)) => write!(f, "column `{column}`: ")?,
            (None, None) => {}
        }
        write!(f, "{} ({})", self.problem, self.problem.remedy())
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.problem {
            Problem::Open { source, .. } | Problem::Read { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// What can be wrong with a dataset.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    #[error("{name} can't be opened: {source}")]
    Open {
        name: String,
        source: std::io::Error,
    },
    #[error("{name} can't be read: {source}")]
    Read {
        name: String,
        source: std::io::Error,
    },
    #[error("the dataset is empty")]
    Empty,
    #[error("the dataset holds no rows ({0})")]
    NoRows(Format),
    #[error("the dataset holds no column of values")]
    NoColumns,
    #[error("the dataset is {0}, which is not read here")]
    Unsupported(&'static str),
    #[error("the text is not UTF-8")]
    NotUtf8,
    #[error("lines end with a carriage return alone")]
    CarriageReturns,
    #[error("the first row holds numbers only, so there are no column names")]
    NoHeader,
    #[error("two columns have this name")]
    DuplicateColumn,
    #[error("the row has {cells} cells, the header {expected}")]
    Ragged { cells: usize, expected: usize },
    #[error("a quoted cell is never closed")]
    UnclosedQuote,
    #[error("text follows the closing quote of a cell")]
    TextAfterQuote,
    #[error("the row is longer than {limit} bytes")]
    RowTooLong { limit: usize },
    #[error("there are more than {limit} columns")]
    TooManyColumns { limit: usize },
    #[error("the dataset is larger than {limit} bytes")]
    TooManyBytes { limit: u64 },
    #[error("the gzip file gives more than {limit} bytes for each of its own")]
    GzipRatio { limit: u64 },
    #[error("the gzip file ends early")]
    GzipTruncated,
    #[error("the gzip file is damaged: {0}")]
    GzipDamaged(String),
    #[error("{expected} expected, {found} found at byte {offset}")]
    Json {
        expected: &'static str,
        found: String,
        offset: u64,
    },
    #[error("the JSON ends early, inside a value that starts at byte {offset}")]
    JsonTruncated { offset: u64 },
    #[error("the JSON is more than {limit} levels deep")]
    JsonTooDeep { limit: usize },
    #[error("`{cell}` is not a {expected}")]
    Unfit { cell: String, expected: Type },
    #[error("`{cell}` is a number in another form")]
    OtherForm {
        cell: String,
        column: String,
        /// A number of that form.
        example: String,
        /// Whether the column's format is known: a model's.
        is_known: bool,
    },
    #[error("the Parquet file is damaged: {what}{place}")]
    ParquetDamaged { what: String, place: String },
    #[error("the Parquet file ends early")]
    ParquetTruncated,
    #[error("a column is compressed with {codec}{place}, which is not read here")]
    ParquetCodec { codec: String, place: String },
    #[error("a column has the encoding {encoding}{place}, which is not read here")]
    ParquetEncoding { encoding: String, place: String },
    #[error("the Parquet file is encrypted")]
    Encrypted,
    #[error("the memory does not hold the dataset")]
    OutOfMemory,
    #[error("the dataset changed while it was read")]
    Changed,
}

impl Problem {
    fn remedy(&self) -> String {
        match self {
            Problem::Open { .. } => "check that it exists and may be read".into(),
            Problem::Read { .. } => "check the disk or the connection it comes from".into(),
            Problem::Empty => "check that the export or download that made it has succeeded".into(),
            Problem::NoRows(_) => "check the query or filter that made it".into(),
            Problem::NoColumns => {
                "give a JSON array of objects, one object a line, or CSV with a header".into()
            }
            Problem::Unsupported(_) => {
                "give CSV, a JSON array of objects, NDJSON or Parquet, plain or gzip".into()
            }
            Problem::NotUtf8 => {
                "save it as UTF-8, for example with `iconv -f WINDOWS-1252 -t UTF-8`".into()
            }
            Problem::CarriageReturns => "end lines with LF or CRLF".into(),
            Problem::NoHeader => "put a line with the names of the columns first".into(),
            Problem::DuplicateColumn => "rename one of them, or leave it out of the export".into(),
            Problem::Ragged { .. } => {
                "check for a separator in a cell without quotes, or for a line that was cut".into()
            }
            Problem::UnclosedQuote => {
                "close it, and double the quotes inside of quoted cells".into()
            }
            Problem::TextAfterQuote => "double the quotes inside of quoted cells".into(),
            Problem::RowTooLong { .. } => {
                "check for a quote that is never closed, or leave the long column out of the export"
                    .into()
            }
            Problem::TooManyColumns { .. } => {
                "check for JSON keys that are values, such as ids or dates".into()
            }
            Problem::TooManyBytes { .. } => "train on a sample of the rows, or on fewer columns".into(),
            Problem::GzipRatio { .. } => "if it is no gzip bomb, give it decompressed".into(),
            Problem::GzipTruncated => "download or compress it again".into(),
            Problem::GzipDamaged(_) => "check it with `gzip -t`, then download it again".into(),
            Problem::Json { .. } => "check it with `jq empty`".into(),
            Problem::JsonTruncated { .. } => "download or export it again".into(),
            Problem::JsonTooDeep { .. } => "give rows whose values are numbers, text or a few nested objects".into(),
            Problem::Unfit { expected, .. } => match expected {
                Type::Number => "correct the cell, or let the column be text".into(),
                Type::Boolean => "write true or false, or let the column be text".into(),
                Type::Time => {
                    "write dates like 2024-03-01 or 2024-03-01T12:00:00Z, or let the column be text"
                        .into()
                }
                Type::Text => "correct the cell".into(),
            },
            Problem::OtherForm { is_known: true, .. } => {
                "write the column's numbers as they were written where the model was trained, or plainly, like 1234.5".into()
            }
            Problem::OtherForm { column, example, .. } => {
                format!("say how the column's numbers are written: `[types] {} = {{ number = \"{example}\" }}`", key(column))
            }
            Problem::ParquetDamaged { .. } => {
                "check it with another reader of Parquet, then write or download it again".into()
            }
            Problem::ParquetTruncated => "write or download it again".into(),
            Problem::ParquetCodec { .. } => {
                "write it with zstd, Snappy, gzip or uncompressed: `compression=\"zstd\"` in pandas, Polars and PyArrow".into()
            }
            Problem::ParquetEncoding { .. } => {
                "write it with PLAIN or dictionary encoding, the default of pandas and PyArrow".into()
            }
            Problem::Encrypted => "decrypt it first: no key reaches a training module".into(),
            Problem::OutOfMemory => {
                "give the module more memory (32-bit modules hold at most 4 GiB), fewer columns or a sample of the rows"
                    .into()
            }
            Problem::Changed => "run again once nothing writes to it".into(),
        }
    }
}
