use serde::{Deserialize, Serialize};

use crate::specification::{Derived, FeatureOptions, Operation};
use crate::table::{Column, Type};

/// What a feature is computed from; columns are named as in the dataset. A number that comes out infinite is missing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The column as it is: a number, 0 or 1 for a boolean, days since 1970 for a date, or a category.
    Column(String),
    /// A part of a date.
    DatePart { column: String, part: Part },
    /// First minus second; days for dates.
    Difference(String, String),
    /// The first over the second; missing where the second is 0.
    Ratio(String, String),
    /// Of all of them, in this order.
    Sum(Vec<String>),
}

/// A part of a date or timestamp in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// 1 to 12.
    Month,
    /// 1 to 31.
    Day,
    /// 0 (Monday) to 6.
    Weekday,
    /// 0 to 23.
    Hour,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Part::Month => "month",
            Part::Day => "day",
            Part::Weekday => "weekday",
            Part::Hour => "hour",
        }
    }
}

impl Source {
    /// The columns that it reads.
    #[must_use]
    pub fn columns(&self) -> Vec<&str> {
        match self {
            Source::Column(column) | Source::DatePart { column, .. } => vec![column],
            Source::Difference(left, right) | Source::Ratio(left, right) => vec![left, right],
            Source::Sum(columns) => columns.iter().map(String::as_str).collect(),
        }
    }

    fn name(&self) -> String {
        match self {
            Source::Column(column) => column.clone(),
            Source::DatePart { column, part } => format!("{column} {}", part.name()),
            Source::Difference(left, right) => format!("{left} - {right}"),
            Source::Ratio(left, right) => format!("{left} / {right}"),
            Source::Sum(columns) => columns.join(" + "),
        }
    }
}

/// A source under the name that people see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedSource {
    pub name: String,
    pub source: Source,
}

/// Every source that the columns in use and the derived ones give, in the order of the dataset.
#[must_use]
pub fn sources(
    columns: &[&Column],
    derived: &[Derived],
    options: FeatureOptions,
) -> Vec<NamedSource> {
    let mut sources = Vec::new();
    for column in columns {
        sources.push(Source::Column(column.name.clone()));
        if options.date_parts && column.kind.is_time() {
            let parts: &[Part] = match column.kind {
                Type::Timestamp => &[Part::Month, Part::Day, Part::Weekday, Part::Hour],
                _ => &[Part::Month, Part::Day, Part::Weekday],
            };
            sources.extend(parts.iter().map(|part| Source::DatePart {
                column: column.name.clone(),
                part: *part,
            }));
        }
    }
    if options.date_differences {
        let dates: Vec<&&Column> = columns
            .iter()
            .filter(|column| column.kind.is_time())
            .collect();
        for (index, later) in dates.iter().enumerate() {
            for earlier in &dates[..index] {
                sources.push(Source::Difference(later.name.clone(), earlier.name.clone()));
            }
        }
    }
    sources.retain(|source| !derived.iter().any(|derived| derived.source() == *source));
    let usual = sources.into_iter().map(|source| NamedSource {
        name: source.name(),
        source,
    });
    let own = derived.iter().map(|derived| NamedSource {
        name: derived.name.clone(),
        source: derived.source(),
    });
    usual.chain(own).collect()
}

impl Derived {
    /// What it is computed from.
    #[must_use]
    pub fn source(&self) -> Source {
        let names: Vec<String> = self
            .columns
            .iter()
            .map(|column| column.name.clone())
            .collect();
        match (self.operation, names.as_slice()) {
            (Operation::Difference, [left, right]) => {
                Source::Difference(left.clone(), right.clone())
            }
            (Operation::Ratio, [left, right]) => Source::Ratio(left.clone(), right.clone()),
            _ => Source::Sum(names),
        }
    }
}
