//! Columns of the dataset to columns that a learner takes. Everything here is fitted on the training rows alone and
//! kept in `model.json`, so that `predict` repeats it.

mod categories;
mod encode;
mod fit;
mod offset;
mod source;

use serde::{Deserialize, Serialize};

pub use categories::Finder;
pub use encode::{Rows, encode, is_time, numbers};
pub use fit::fit_encoder;
pub use offset::{offset, offset_of, single};
pub use source::{NamedSource, Part, Source, sources};

use crate::table::Type;

/// A column of the dataset that the model reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: Type,
    /// Whether its numbers are read in double precision. Dates and timestamps are, by the second rules.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub double: bool,
    /// An example of how its numbers are written, where that is not plain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// `NA` is one of its texts, not a missing one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub na_is_text: bool,
}

/// How one source becomes columns of features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Encoder {
    pub name: String,
    pub source: Source,
    #[serde(flatten)]
    pub encoding: Encoding,
    /// How values are found among the categories; models of earlier modules know exact ones alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matching: Option<Matching>,
}

/// How values that are spelled in another way are found among categories (`records::spelling`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Matching {
    /// Values of the training rows that are no categories, though they are spelled like one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub apart: Vec<String>,
    /// Share of values that are none of the categories, among rows that were not fitted on.
    pub unknown: f64,
}

/// What was fitted on the training rows of a source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "encoding", rename_all = "snake_case")]
pub enum Encoding {
    /// One column: `(x - mean) / deviation`, `x` being `fill` where it is missing and there is a `fill`, all in
    /// single precision. With `indicator` a second column that is 1 where it is missing, else 0. `x` is counted from the
    /// `offset`, which is taken off in double precision, where there is one.
    Number {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        offset: Option<f64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fill: Option<f32>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        scale: Option<Scale>,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        indicator: bool,
    },
    /// A column of 0 and 1 for each category; with `other` one for all further values, with `missing` one for
    /// missing ones.
    OneHot {
        categories: Vec<String>,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        other: bool,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        missing: bool,
    },
    /// One column of codes: the category's index, their count for all further values, `NaN` for missing ones.
    Codes { categories: Vec<String> },
}

/// Mean and standard deviation of the training rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    pub mean: f32,
    /// Never 0.
    pub deviation: f32,
}

impl Encoding {
    /// How many columns it makes.
    #[must_use]
    pub fn width(&self) -> usize {
        match self {
            Encoding::Number { indicator, .. } => 1 + usize::from(*indicator),
            Encoding::OneHot {
                categories,
                other,
                missing,
            } => categories.len() + usize::from(*other) + usize::from(*missing),
            Encoding::Codes { .. } => 1,
        }
    }
}

impl Encoder {
    /// Whether the columns that it reads are read in double precision where they hold numbers: it computes with them before
    /// single precision begins.
    #[must_use]
    pub fn reads_double(&self) -> bool {
        let has_offset = matches!(
            self.encoding,
            Encoding::Number {
                offset: Some(_),
                ..
            }
        );
        has_offset || !matches!(self.source, Source::Column(_) | Source::DatePart { .. })
    }
}
