//! Parts of dates by arithmetic, from days since 1970.

use super::graph::{Graph, Value};
use super::proto::DataType;
use crate::features::Part;

/// The `wanted` parts of each column of `days`: the hour, the weekday, or month and day.
pub(super) fn date_parts(graph: &mut Graph, days: &Value, wanted: &[Part]) -> Vec<(Part, Value)> {
    let whole = graph.op("Floor", &[days]);
    if wanted == [Part::Hour] {
        return vec![(Part::Hour, hour(graph, days, &whole))];
    }
    let whole = graph.cast(&whole, DataType::Double);
    let mut whole_numbers = WholeNumbers { graph };
    let parts = if wanted == [Part::Weekday] {
        vec![(Part::Weekday, whole_numbers.weekday(&whole))]
    } else {
        let (month, day) = whole_numbers.month_and_day(&whole);
        vec![(Part::Month, month), (Part::Day, day)]
    };
    parts
        .into_iter()
        .map(|(part, value)| (part, graph.cast(&value, DataType::Float)))
        .collect()
}

/// In single precision, as the features are.
fn hour(graph: &mut Graph, days: &Value, whole: &Value) -> Value {
    let fraction = graph.op("Sub", &[days, whole]);
    let hours = graph.floats(&[1, 1], &[24.0]);
    let hours = graph.op("Mul", &[&fraction, &hours]);
    graph.op("Floor", &[&hours])
}

/// Arithmetic with whole numbers, which doubles hold exactly.
struct WholeNumbers<'a> {
    graph: &'a mut Graph,
}

impl WholeNumbers<'_> {
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
