//! Changing what a column is taken for.

use std::collections::BTreeMap;

use records::{Floats, Rules, Text};

use super::{Cells, Column, DataError, Type};

impl Column {
    /// Makes this a column of `kind`. Returns how many cells cannot be read as such and are missing from now on.
    ///
    /// # Errors
    /// When none of its cells can be read so.
    pub fn set_type(&mut self, kind: Type) -> Result<usize, DataError> {
        if self.kind == kind {
            return Ok(0);
        }
        let (cells, unread) = match (&self.cells, kind) {
            (Cells::Numbers(values), Type::Category) => (categories(values, self.kind), 0),
            (Cells::Text(text), _) => self.numbers_of_text(text, kind)?,
            (Cells::Numbers(_), Type::Number) => {
                self.kind = kind;
                return Ok(0);
            }
            (Cells::Numbers(_), Type::Date | Type::Timestamp) if self.kind.is_time() => {
                self.kind = kind;
                return Ok(0);
            }
            (Cells::Numbers(values), Type::Boolean) => self.read_each(values, kind, |value| {
                matches!(value, 0.0 | 1.0).then_some(value)
            })?,
            (Cells::Numbers(values), Type::Date | Type::Timestamp) => {
                self.read_each(values, kind, |_| None)?
            }
        };
        self.cells = cells;
        self.kind = kind;
        Ok(unread)
    }

    fn read_each(
        &self,
        values: &Floats,
        kind: Type,
        read: impl Fn(f64) -> Option<f64>,
    ) -> Result<(Cells, usize), DataError> {
        let read: Vec<f32> = values
            .iter()
            .map(|value| read(value).map_or(f32::NAN, |value| value as f32))
            .collect();
        let unread = self.count_unread(&read, kind)?;
        Ok((Cells::Numbers(read.into()), unread))
    }

    /// Numbers in single precision: only the first rules read a column as text that is one of numbers.
    fn numbers_of_text(&self, text: &Text, kind: Type) -> Result<(Cells, usize), DataError> {
        let distinct: Vec<f32> = text
            .distinct
            .iter()
            .map(|cell| read_single(cell, kind).unwrap_or(f32::NAN))
            .collect();
        let read: Vec<f32> = text
            .codes
            .iter()
            .map(|code| distinct.get(*code as usize).copied().unwrap_or(f32::NAN))
            .collect();
        let unread = self.count_unread(&read, kind)?;
        Ok((Cells::Numbers(read.into()), unread))
    }

    /// How many cells were there and are missing in `read`.
    fn count_unread(&self, read: &[f32], kind: Type) -> Result<usize, DataError> {
        let mut unread = 0;
        let mut first = None;
        for (row, _) in (0_u32..).zip(read).filter(|(_, value)| value.is_nan()) {
            if !self.is_missing(row) {
                unread += 1;
                first = first.or(Some(row));
            }
        }
        match first {
            Some(row) if read.iter().all(|value| value.is_nan()) => Err(DataError::WrongType {
                column: self.name.clone(),
                row: Some(u64::from(row) + 1),
                cell: self.cell(row),
                expected: kind.name(),
            }),
            _ => Ok(unread),
        }
    }
}

/// What a text says as a value of a type other than category.
pub(super) fn read_text(text: &str, kind: Type) -> Option<f64> {
    let text = text.trim();
    match kind {
        Type::Number => {
            let number = text.parse().ok().filter(|value: &f64| value.is_finite());
            number.or_else(|| records::parse_seconds(text))
        }
        Type::Boolean => match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "y" | "t" | "1" => Some(1.0),
            "false" | "no" | "n" | "f" | "0" => Some(0.0),
            _ => None,
        },
        Type::Date | Type::Timestamp => records::parse_days(text, Rules::Two),
        Type::Category => None,
    }
}

/// The same by the first rules.
fn read_single(text: &str, kind: Type) -> Option<f32> {
    let text = text.trim();
    match kind {
        Type::Number => text.parse().ok().filter(|value: &f32| value.is_finite()),
        Type::Date | Type::Timestamp => {
            records::parse_days(text, Rules::One).map(|days| days as f32)
        }
        Type::Boolean | Type::Category => read_text(text, kind).map(|value| value as f32),
    }
}

/// One of `numbers` as a person would write a value of its type; empty for a missing one.
pub(super) fn written(numbers: &Floats, value: f64, kind: Type) -> String {
    if value.is_nan() {
        return String::new();
    }
    match kind {
        Type::Boolean => (value == 1.0).to_string(),
        Type::Date => {
            let (year, month, day) = civil_from_days(value.floor() as i64);
            format!("{year:04}-{month:02}-{day:02}")
        }
        Type::Timestamp => timestamp(value),
        Type::Number | Type::Category => numbers.written(value),
    }
}

/// Seconds and milliseconds are written where there are some.
fn timestamp(days: f64) -> String {
    let millis = millis(days);
    let (year, month, day) = civil_from_days(millis.div_euclid(MILLIS_OF_A_DAY));
    let of_day = millis.rem_euclid(MILLIS_OF_A_DAY);
    let (minutes, seconds, part) = (of_day / 60_000, of_day / 1_000 % 60, of_day % 1_000);
    let mut text = format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}",
        minutes / 60,
        minutes % 60
    );
    if seconds > 0 || part > 0 {
        text.push_str(&format!(":{seconds:02}"));
    }
    if part > 0 {
        text.push_str(&format!(".{part:03}"));
    }
    text.push('Z');
    text
}

/// Milliseconds of a day.
pub const MILLIS_OF_A_DAY: i64 = 86_400_000;

/// The instant that days since 1970-01-01 UTC are nearest to, in milliseconds.
#[must_use]
pub fn millis(days: f64) -> i64 {
    (days * MILLIS_OF_A_DAY as f64 + 0.5).floor() as i64
}

/// Numbers as categories, each under the text that a person would write.
fn categories(values: &Floats, kind: Type) -> Cells {
    let mut text = Text::default();
    // Ordered by bits, so that it needs no hash and no total order of floats.
    let mut known: BTreeMap<u64, u32> = BTreeMap::new();
    for value in values.iter() {
        if value.is_nan() {
            text.codes.push(Text::MISSING);
            continue;
        }
        // -0.0 and 0.0 are one category.
        let bits = (value + 0.0).to_bits();
        let code = *known.entry(bits).or_insert_with(|| {
            text.distinct.push(written(values, value + 0.0, kind));
            (text.distinct.len() - 1) as u32
        });
        text.codes.push(code);
    }
    Cells::Text(text)
}

/// Year, month and day of a day since 1970-01-01 in the proleptic Gregorian calendar (Hinnant, "chrono-Compatible
/// Low-Level Date Algorithms", 2021).
#[must_use]
pub fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u32;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    } as u32;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn text(cells: &[&str]) -> Column {
        let mut text = Text::default();
        for cell in cells {
            text.codes.push(text.distinct.len() as u32);
            text.distinct.push((*cell).to_owned());
        }
        Column {
            name: "x".to_owned(),
            kind: Type::Category,
            cells: Cells::Text(text),
        }
    }

    #[test]
    fn cells_that_are_no_number_are_missing_and_counted() {
        let mut column = text(&["1.5", "n/a", "-3"]);
        assert_eq!(column.set_type(Type::Number).unwrap(), 1);
        let Cells::Numbers(values) = &column.cells else {
            unreachable!("a number column holds numbers")
        };
        assert_eq!(values.get(0), 1.5);
        assert!(values.get(1).is_nan());
        assert_eq!(values.get(2), -3.0);
    }

    #[test]
    fn a_column_without_one_readable_cell_is_refused_with_its_first_row() {
        let error = text(&["low", "high"]).set_type(Type::Number).unwrap_err();
        let report = error.report();
        assert_eq!(report.row, Some(1));
        assert_eq!(report.column.as_deref(), Some("x"));
        assert!(report.message.contains("`low`"), "{}", report.message);
    }

    #[test]
    fn numbers_become_categories_under_the_text_a_person_would_write() {
        let mut column = Column {
            name: "x".to_owned(),
            kind: Type::Number,
            cells: Cells::Numbers(vec![1.0, f32::NAN, 2.5, -0.0, 0.0].into()),
        };
        column.set_type(Type::Category).unwrap();
        let written: Vec<String> = (0..5).map(|row| column.cell(row)).collect();
        assert_eq!(written, ["1", "", "2.5", "0", "0"]);
    }

    #[test]
    fn days_become_dates_before_and_after_1970() {
        assert_eq!(civil_from_days(0), (1970, 1, 1));
        assert_eq!(civil_from_days(-1), (1969, 12, 31));
        assert_eq!(civil_from_days(19_782), (2024, 2, 29));
        assert_eq!(civil_from_days(-719_468), (0, 3, 1));
        for (days, text) in [
            (19_782.5, "2024-02-29T12:00Z"),
            (19_782.0 + 86_399.0 / 86_400.0, "2024-02-29T23:59:59Z"),
            (19_782.0 + 0.25 / 86_400.0, "2024-02-29T00:00:00.250Z"),
            (-0.001 / 86_400.0, "1969-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(written(&Floats::default(), days, Type::Timestamp), text);
        }
    }
}
