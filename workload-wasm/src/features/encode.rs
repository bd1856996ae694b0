use records::{Floats, Text};

use super::offset::single;
use super::{Encoder, Encoding, Finder, Part, Scale, Source};
use crate::learners::{Feature, Features, Kind};
use crate::table::{Cells, MILLIS_OF_A_DAY, Table, civil_from_days, millis};

/// The rows of a table to encode, in their order.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    rows: &'a [u32],
    /// A column that is read at other rows than the rest; as many.
    shuffled: Option<(&'a str, &'a [u32])>,
}

impl<'a> Rows<'a> {
    #[must_use]
    pub fn new(rows: &'a [u32]) -> Self {
        Self {
            rows,
            shuffled: None,
        }
    }

    /// The same rows, but `column` reads `rows`: how a permutation importance looks at it.
    #[must_use]
    pub fn with_shuffled(self, column: &'a str, rows: &'a [u32]) -> Self {
        Self {
            shuffled: Some((column, rows)),
            ..self
        }
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The rows that all columns but the shuffled one read.
    #[must_use]
    pub fn rows(&self) -> &'a [u32] {
        self.rows
    }

    fn of(&self, column: &str) -> &'a [u32] {
        match self.shuffled {
            Some((shuffled, rows)) if shuffled == column => rows,
            _ => self.rows,
        }
    }
}

/// Encodes `rows` of `table`. A column that the table does not have counts as missing in every row.
#[must_use]
pub fn encode(table: &Table, encoders: &[Encoder], rows: Rows<'_>) -> Features {
    let mut columns = Vec::with_capacity(
        encoders
            .iter()
            .map(|encoder| encoder.encoding.width())
            .sum(),
    );
    for encoder in encoders {
        encode_one(table, encoder, rows, &mut columns);
    }
    Features {
        columns,
        rows: rows.len(),
    }
}

fn encode_one(table: &Table, encoder: &Encoder, rows: Rows<'_>, columns: &mut Vec<Feature>) {
    let name = &encoder.name;
    let number = |name: String, values: Vec<f32>| Feature {
        name,
        kind: Kind::Number,
        values,
    };
    match &encoder.encoding {
        Encoding::Number {
            offset,
            fill,
            scale,
            indicator,
        } => {
            let mut values = single(&numbers(table, &encoder.source, rows), *offset);
            let missing = indicator.then(|| {
                values
                    .iter()
                    .map(|value| f32::from(u8::from(value.is_nan())))
                    .collect()
            });
            fill_and_scale(&mut values, *fill, *scale);
            columns.push(number(name.clone(), values));
            columns.extend(missing.map(|values| number(format!("{name} is missing"), values)));
        }
        Encoding::OneHot {
            categories,
            other,
            missing,
        } => {
            let codes = codes(table, encoder, rows);
            let mut push = |label: &str, wanted: u32| {
                let values = codes
                    .iter()
                    .map(|code| f32::from(u8::from(*code == wanted)))
                    .collect();
                columns.push(number(format!("{name} = {label}"), values));
            };
            for (code, category) in (0_u32..).zip(categories) {
                push(category, code);
            }
            if *other {
                push("(other)", categories.len() as u32);
            }
            if *missing {
                push("(missing)", Text::MISSING);
            }
        }
        Encoding::Codes { categories } => {
            let values = codes(table, encoder, rows)
                .into_iter()
                .map(|code| match code {
                    Text::MISSING => f32::NAN,
                    // A few hundred categories at most: every code is a whole f32.
                    code => code as f32,
                })
                .collect();
            columns.push(Feature {
                name: name.clone(),
                kind: Kind::Category {
                    categories: categories.len() as u32 + 1,
                },
                values,
            });
        }
    }
}

fn fill_and_scale(values: &mut [f32], fill: Option<f32>, scale: Option<Scale>) {
    if let Some(fill) = fill {
        for value in values.iter_mut().filter(|value| value.is_nan()) {
            *value = fill;
        }
    }
    if let Some(Scale { mean, deviation }) = scale {
        for value in values.iter_mut() {
            // A difference beyond single precision stays at its end; NaN passes through.
            *value = ((*value - mean) / deviation).clamp(f32::MIN, f32::MAX);
        }
    }
}

/// The numbers of a source, `NaN` where missing. A column of text has none.
#[must_use]
pub fn numbers(table: &Table, source: &Source, rows: Rows<'_>) -> Floats {
    match source {
        Source::Column(column) => gather(table, column, rows),
        Source::DatePart { column, part } => match gather(table, column, rows) {
            Floats::Single(days) => each(days, |days| part.of(days)).into(),
            Floats::Double(days) => {
                let part = |days: f64| part.of_instant(millis(days));
                let parts = days.into_iter().map(|days| match days.is_nan() {
                    true => f32::NAN,
                    false => part(days),
                });
                parts.collect::<Vec<_>>().into()
            }
        },
        Source::Difference(left, right) => {
            let is_time = |column: &String| is_time(table, &Source::Column(column.clone()));
            let are_instants = is_time(left) && is_time(right);
            let (left, right) = (gather(table, left, rows), gather(table, right, rows));
            match (left, right) {
                // Whole days, or what the first rules made of instants.
                (Floats::Single(left), Floats::Single(right)) => {
                    combine(left, &right, |a, b| a - b).into()
                }
                (left, right) if are_instants => combine_double(&left, &right, between),
                (left, right) => combine_double(&left, &right, |a, b| a - b),
            }
        }
        Source::Ratio(left, right) => {
            let (left, right) = (gather(table, left, rows), gather(table, right, rows));
            match (left, right) {
                (Floats::Single(left), Floats::Single(right)) => {
                    combine(left, &right, |a, b| a / b).into()
                }
                (left, right) => combine_double(&left, &right, |a, b| a / b),
            }
        }
        Source::Sum(columns) => {
            let mut sums = Floats::Single(vec![0.0; rows.len()]);
            for column in columns {
                sums = match (sums, gather(table, column, rows)) {
                    (Floats::Single(sums), Floats::Single(column)) => {
                        combine(sums, &column, |a, b| a + b).into()
                    }
                    (sums, column) => combine_double(&sums, &column, |a, b| a + b),
                };
            }
            sums
        }
    }
}

/// Whether a source is a date or timestamp as it is.
#[must_use]
pub fn is_time(table: &Table, source: &Source) -> bool {
    match source {
        Source::Column(name) => table
            .column(name)
            .is_some_and(|column| column.kind.is_time()),
        _ => false,
    }
}

fn each(mut values: Vec<f32>, of: impl Fn(f32) -> f32) -> Vec<f32> {
    for value in values.iter_mut().filter(|value| !value.is_nan()) {
        *value = of(*value);
    }
    values
}

fn combine(mut left: Vec<f32>, right: &[f32], operation: impl Fn(f32, f32) -> f32) -> Vec<f32> {
    for (left, right) in left.iter_mut().zip(right) {
        let result = operation(*left, *right);
        *left = if result.is_finite() { result } else { f32::NAN };
    }
    left
}

/// The same in double precision; what single precision does not hold is missing all the same.
fn combine_double(left: &Floats, right: &Floats, operation: impl Fn(f64, f64) -> f64) -> Floats {
    let results = left.iter().zip(right.iter()).map(|(left, right)| {
        let result = operation(left, right);
        match (result as f32).is_finite() {
            true => result,
            false => f64::NAN,
        }
    });
    results.collect::<Vec<_>>().into()
}

/// The days between two instants, exact to the millisecond.
fn between(later: f64, earlier: f64) -> f64 {
    let day = MILLIS_OF_A_DAY as f64;
    ((later - earlier) * day + 0.5).floor() / day
}

fn gather(table: &Table, column: &str, rows: Rows<'_>) -> Floats {
    let places = || rows.of(column).iter().map(|row| *row as usize);
    match table.column(column).map(|column| &column.cells) {
        Some(Cells::Numbers(Floats::Single(values))) => {
            let values = places().map(|row| values[row]);
            values.collect::<Vec<_>>().into()
        }
        Some(Cells::Numbers(Floats::Double(values))) => {
            let values = places().map(|row| values[row]);
            values.collect::<Vec<_>>().into()
        }
        Some(Cells::Text(_)) | None => Floats::missing(rows.len()),
    }
}

/// The index of each cell's category, their count for further values, [`Text::MISSING`] for missing ones.
fn codes(table: &Table, encoder: &Encoder, rows: Rows<'_>) -> Vec<u32> {
    let Some((column, text)) = encoder.text(table) else {
        return vec![Text::MISSING; rows.len()];
    };
    let finder = Finder::new(encoder);
    let other = encoder.encoding.categories().len() as u32;
    // Found when they are met: few rows may hold few of many values.
    let mut found: Vec<Option<u32>> = vec![None; text.distinct.len()];
    rows.of(column)
        .iter()
        .map(|row| {
            let code = text.codes[*row as usize] as usize;
            match found.get_mut(code) {
                Some(found) => *found.get_or_insert_with(|| {
                    let value = &text.distinct[code];
                    finder.find(value).unwrap_or(other)
                }),
                None => Text::MISSING,
            }
        })
        .collect()
}

impl Part {
    /// The part of an instant, in milliseconds since 1970.
    fn of_instant(self, millis: i64) -> f32 {
        let day = millis.div_euclid(MILLIS_OF_A_DAY);
        match self {
            Part::Month => civil_from_days(day).1 as f32,
            Part::Day => civil_from_days(day).2 as f32,
            // 1970-01-01 was a Thursday.
            Part::Weekday => (day + 3).rem_euclid(7) as f32,
            Part::Hour => (millis.rem_euclid(MILLIS_OF_A_DAY) / 3_600_000) as f32,
        }
    }

    /// The part of a whole day since 1970, or of what the first rules make of an instant.
    fn of(self, days: f32) -> f32 {
        let whole = days.floor();
        match self {
            Part::Month => civil_from_days(whole as i64).1 as f32,
            Part::Day => civil_from_days(whole as i64).2 as f32,
            // 1970-01-01 was a Thursday.
            Part::Weekday => (whole as i64 + 3).rem_euclid(7) as f32,
            Part::Hour => ((days - whole) * 24.0).floor(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn date_parts_are_those_of_the_calendar() {
        // 2024-02-29T18:00Z, a Thursday.
        let day = 19_782.75;
        assert_eq!(Part::Month.of(day), 2.0);
        assert_eq!(Part::Day.of(day), 29.0);
        assert_eq!(Part::Weekday.of(day), 3.0);
        assert_eq!(Part::Hour.of(day), 18.0);
        // 1969-12-31, a Wednesday.
        assert_eq!(Part::Weekday.of(-0.5), 2.0);
        assert_eq!(Part::Hour.of(-0.5), 12.0);
    }

    #[test]
    fn what_no_number_holds_is_missing() {
        let ratio = combine(
            vec![1.0, 0.0, 4.0, f32::MAX],
            &[0.0, 0.0, 2.0, 0.1],
            |a, b| a / b,
        );
        assert!(ratio[0].is_nan() && ratio[1].is_nan() && ratio[3].is_nan());
        assert_eq!(ratio[2], 2.0);
    }

    #[test]
    fn values_near_the_ends_of_single_precision_stay_finite() {
        let mut values = vec![f32::MAX, f32::MIN, f32::NAN];
        let scale = Scale {
            mean: f32::MIN,
            deviation: f32::MIN_POSITIVE,
        };
        fill_and_scale(&mut values, None, Some(scale));
        assert_eq!(values[..2], [f32::MAX, 0.0]);
        assert!(values[2].is_nan());
    }
}
