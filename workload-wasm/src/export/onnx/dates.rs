//! Parts of dates, and differences, by arithmetic from days since 1970 in double precision.

use super::graph::{Graph, Value};
use super::proto::DataType;
use crate::features::Part;
use crate::table::MILLIS_OF_A_DAY;

/// The `wanted` parts of each column of `days`: the hour, the weekday, or month and day.
pub(super) fn date_parts(graph: &mut Graph, days: &Value, wanted: &[Part]) -> Vec<(Part, Value)> {
    let mut whole_numbers = WholeNumbers { graph };
    let millis = whole_numbers.millis(days);
    let day = whole_numbers.quotient(&millis, MILLIS_OF_A_DAY as f64);
    let parts = match wanted {
        [Part::Hour] => vec![(Part::Hour, whole_numbers.hour(&millis, &day))],
        [Part::Weekday] => vec![(Part::Weekday, whole_numbers.weekday(&day))],
        _ => {
            let (month, day) = whole_numbers.month_and_day(&day);
            vec![(Part::Month, month), (Part::Day, day)]
        }
    };
    parts
        .into_iter()
        .map(|(part, value)| (part, graph.cast(&value, DataType::Float)))
        .collect()
}

/// The days of each difference of two columns of days, exact to the millisecond.
pub(super) fn between(graph: &mut Graph, difference: &Value) -> Value {
    let mut whole_numbers = WholeNumbers { graph };
    let millis = whole_numbers.millis(difference);
    let day = graph.double(MILLIS_OF_A_DAY as f64);
    graph.op("Div", &[&millis, &day])
}

/// Arithmetic with whole numbers, which doubles hold exactly.
struct WholeNumbers<'a> {
    graph: &'a mut Graph,
}

impl WholeNumbers<'_> {
    /// The nearest milliseconds.
    fn millis(&mut self, days: &Value) -> Value {
        let millis = self.times(days, MILLIS_OF_A_DAY as f64);
        let millis = self.plus(&millis, 0.5);
        self.graph.op("Floor", &[&millis])
    }

    /// The hour of `day`, which `millis` are in.
    fn hour(&mut self, millis: &Value, day: &Value) -> Value {
        let start = self.times(day, MILLIS_OF_A_DAY as f64);
        let of_day = self.graph.op("Sub", &[millis, &start]);
        self.quotient(&of_day, 3_600_000.0)
    }

    fn weekday(&mut self, days: &Value) -> Value {
        // 1970-01-01 was a Thursday.
        let shifted = self.plus(days, 3.0);
        self.remainder(&shifted, 7.0)
    }

    /// Month and day in the proleptic Gregorian calendar: `civil_from_days`, step by step (Hinnant, "chrono-Compatible
    /// Low-Level Date Algorithms", 2021).
    fn month_and_day(&mut self, days: &Value) -> (Value, Value) {
        let shifted = self.plus(days, 719_468.0);
        let day_of_era = self.remainder(&shifted, 146_097.0);
        let mut leapless = day_of_era.clone();
        for (operator, divisor) in [("Sub", 1_460.0), ("Add", 36_524.0), ("Sub", 146_096.0)] {
            let leap_days = self.quotient(&day_of_era, divisor);
            leapless = self.graph.op(operator, &[&leapless, &leap_days]);
        }
        let year_of_era = self.quotient(&leapless, 365.0);
        let mut start_of_year = self.times(&year_of_era, 365.0);
        for (operator, divisor) in [("Add", 4.0), ("Sub", 100.0)] {
            let leap_days = self.quotient(&year_of_era, divisor);
            start_of_year = self.graph.op(operator, &[&start_of_year, &leap_days]);
        }
        let day_of_year = self.graph.op("Sub", &[&day_of_era, &start_of_year]);
        let fifths = self.times(&day_of_year, 5.0);
        let fifths = self.plus(&fifths, 2.0);
        // From March on: 0 to 11.
        let shifted_month = self.quotient(&fifths, 153.0);
        let fifths = self.times(&shifted_month, 153.0);
        let fifths = self.plus(&fifths, 2.0);
        let start_of_month = self.quotient(&fifths, 5.0);
        let day = self.graph.op("Sub", &[&day_of_year, &start_of_month]);
        let day = self.plus(&day, 1.0);
        // Ten of the twelve are of the year in which they began.
        let next_year = self.quotient(&shifted_month, 10.0);
        let months = self.times(&next_year, 12.0);
        let month = self.graph.op("Sub", &[&shifted_month, &months]);
        (self.plus(&month, 3.0), day)
    }

    fn plus(&mut self, value: &Value, number: f64) -> Value {
        let number = self.graph.double(number);
        self.graph.op("Add", &[value, &number])
    }

    fn times(&mut self, value: &Value, number: f64) -> Value {
        let number = self.graph.double(number);
        self.graph.op("Mul", &[value, &number])
    }

    /// The quotient, rounded down. The half keeps it from falling below a whole number in a runtime that multiplies by
    /// a rounded reciprocal.
    fn quotient(&mut self, value: &Value, divisor: f64) -> Value {
        let shifted = self.plus(value, 0.5);
        let divisor = self.graph.double(divisor);
        let quotient = self.graph.op("Div", &[&shifted, &divisor]);
        self.graph.op("Floor", &[&quotient])
    }

    /// At least 0 and below the divisor.
    fn remainder(&mut self, value: &Value, divisor: f64) -> Value {
        let quotient = self.quotient(value, divisor);
        let multiple = self.times(&quotient, divisor);
        self.graph.op("Sub", &[value, &multiple])
    }
}
