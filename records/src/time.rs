//! ISO 8601 dates and timestamps to instants.

pub(crate) const MILLIS_OF_A_DAY: i64 = 86_400_000;

/// A point in time, or a day.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Moment {
    /// Whole milliseconds since 1970-01-01 UTC.
    pub millis: i64,
    /// Days, as the first rules have them.
    pub single: f32,
    pub has_time_of_day: bool,
}

impl Moment {
    /// Days since 1970-01-01 UTC, which tell every millisecond.
    pub fn days(self) -> f64 {
        self.millis as f64 / MILLIS_OF_A_DAY as f64
    }
}

/// Parses all of `text`: `2024-03-01`, or a date with a time after `T` or a space: `12:00`, `12:00:30`, `12:00:30.250`,
/// then nothing (taken as UTC), `Z`, `+01:00`, `+0100` or `+01`.
pub(crate) fn parse(text: &[u8]) -> Option<Moment> {
    let mut rest = text;
    let year = number(&mut rest, 4)?;
    literal(&mut rest, b'-')?;
    let month = number(&mut rest, 2)?;
    literal(&mut rest, b'-')?;
    let day = number(&mut rest, 2)?;
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return None;
    }
    let days = days_from_civil(year, month, day);
    if rest.is_empty() {
        return Some(Moment {
            millis: i64::from(days) * MILLIS_OF_A_DAY,
            single: days as f32,
            has_time_of_day: false,
        });
    }
    if !matches!(rest[0], b'T' | b't' | b' ') {
        return None;
    }
    rest = &rest[1..];
    let time = time_of_day(&mut rest)?;
    let offset = offset(&mut rest)?;
    let seconds = time.seconds() - f64::from(offset);
    rest.is_empty().then(|| Moment {
        millis: i64::from(days) * MILLIS_OF_A_DAY + time.millis() - i64::from(offset) * 1_000,
        single: (f64::from(days) + seconds / 86_400.0) as f32,
        has_time_of_day: true,
    })
}

/// Since midnight.
struct TimeOfDay {
    whole: i32,
    /// Of a second.
    fraction: f64,
    /// The same, cut off.
    millis: i64,
}

impl TimeOfDay {
    fn seconds(&self) -> f64 {
        f64::from(self.whole) + self.fraction
    }

    fn millis(&self) -> i64 {
        i64::from(self.whole) * 1_000 + self.millis
    }
}

fn time_of_day(rest: &mut &[u8]) -> Option<TimeOfDay> {
    let hour = number(rest, 2)?;
    literal(rest, b':')?;
    let minute = number(rest, 2)?;
    let mut seconds = 0;
    let (mut part, mut millis) = (0.0, 0);
    if literal(rest, b':').is_some() {
        let whole = number(rest, 2)?;
        // 60 is a leap second.
        if whole > 60 {
            return None;
        }
        seconds = whole;
        if literal(rest, b'.')
            .or_else(|| literal(rest, b','))
            .is_some()
        {
            (part, millis) = fraction(rest)?;
        }
    }
    // 24:00 is the midnight that ends a day.
    let midnight = hour == 24 && minute == 0 && seconds == 0 && part == 0.0;
    if (hour > 23 && !midnight) || minute > 59 {
        return None;
    }
    Some(TimeOfDay {
        whole: hour * 3600 + minute * 60 + seconds,
        fraction: part,
        millis,
    })
}

/// Digits after a decimal mark, at least one; and the first three of them.
pub(crate) fn fraction(rest: &mut &[u8]) -> Option<(f64, i64)> {
    let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, after) = rest.split_at(length);
    *rest = after;
    (length > 0).then(|| {
        let fraction = digits.iter().rev().fold(0.0, |value, &digit| {
            (value + f64::from(digit - b'0')) / 10.0
        });
        let digit = |at: usize| digits.get(at).map_or(0, |digit| i64::from(digit - b'0'));
        (fraction, digit(0) * 100 + digit(1) * 10 + digit(2))
    })
}

/// Seconds east of UTC.
fn offset(rest: &mut &[u8]) -> Option<i32> {
    let sign = match rest.first() {
        None => return Some(0),
        Some(b'Z' | b'z') => {
            *rest = &rest[1..];
            return Some(0);
        }
        Some(b'+') => 1,
        Some(b'-') => -1,
        Some(_) => return None,
    };
    *rest = &rest[1..];
    let hours = number(rest, 2)?;
    let mut minutes = 0;
    if !rest.is_empty() {
        let _colon = literal(rest, b':');
        minutes = number(rest, 2)?;
    }
    (hours < 24 && minutes < 60).then(|| sign * (hours * 3600 + minutes * 60))
}

pub(crate) fn literal(rest: &mut &[u8], byte: u8) -> Option<()> {
    let (first, after) = rest.split_first()?;
    *rest = if *first == byte { after } else { return None };
    Some(())
}

/// A number of exactly so many digits.
fn number(rest: &mut &[u8], digits: usize) -> Option<i32> {
    let (number, after) = rest.split_at_checked(digits)?;
    *rest = after;
    number.iter().try_fold(0, |value, byte| {
        byte.is_ascii_digit()
            .then(|| value * 10 + i32::from(byte - b'0'))
    })
}

fn days_in_month(year: i32, month: i32) -> i32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar, for years from 0 on.
///
/// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": years start in March, so that the leap day is last.
fn days_from_civil(year: i32, month: i32, day: i32) -> i32 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month and day of a day since 1970-01-01, by the same source.
pub(crate) fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_whole_days_since_1970() {
        for (text, days) in [
            ("1970-01-01", 0.0),
            ("1969-12-31", -1.0),
            ("2000-02-29", 11_016.0),
            ("2024-03-01", 19_783.0),
            ("0001-01-01", -719_162.0),
            ("9999-12-31", 2_932_896.0),
        ] {
            assert_eq!(
                parse(text.as_bytes()),
                Some(Moment {
                    millis: days as i64 * MILLIS_OF_A_DAY,
                    single: days,
                    has_time_of_day: false
                }),
                "{text}"
            );
        }
    }

    #[test]
    fn timestamps_are_days_with_a_fraction_in_utc() {
        for (text, days) in [
            ("2024-03-01T12:00:00.000+0000", 19_783.5),
            ("2024-03-01T12:00:00Z", 19_783.5),
            ("2024-03-01 12:00", 19_783.5),
            ("2024-03-01T12:00:00.25", 19_783.5),
            ("2024-03-01T00:00:00+06:00", 19_782.75),
            ("2024-03-01T00:00:00-0600", 19_783.25),
            ("2024-03-01T23:00:00-01", 19_784.0),
            ("1970-01-01T00:00:43.2", 0.0005),
            ("2024-03-01T24:00:00Z", 19_784.0),
            ("2016-12-31T23:59:60Z", 17_167.0),
        ] {
            let moment = parse(text.as_bytes()).unwrap();
            assert_eq!(
                (moment.single, moment.has_time_of_day),
                (days, true),
                "{text}"
            );
        }
    }

    #[test]
    fn timestamps_are_exact_to_the_millisecond() {
        // pandas 3.1: pd.to_datetime(text, utc=True).as_unit("ms").asm8.view("i8")
        for (text, millis) in [
            ("2024-03-01T12:00:00.000+0000", 1_709_294_400_000),
            ("2024-03-01T23:59:59.999Z", 1_709_337_599_999),
            ("2024-03-01T23:59:59.9999999Z", 1_709_337_599_999),
            ("2024-03-01 01:00", 1_709_254_800_000),
            ("2024-03-01T00:00:00.001+05:45", 1_709_230_500_001),
            ("1969-12-31T23:59:59.999", -1),
            ("0001-01-01T00:00:00.250", -62_135_596_799_750),
            ("9999-12-31T23:59:59.999", 253_402_300_799_999),
        ] {
            let moment = parse(text.as_bytes()).unwrap();
            assert_eq!(moment.millis, millis, "{text}");
            // Days in double precision still tell it.
            let back = (moment.days() * MILLIS_OF_A_DAY as f64).round();
            assert_eq!(back as i64, millis, "{text}");
        }
    }

    #[test]
    fn other_text_is_no_date() {
        for text in [
            "",
            "2024",
            "2024-03",
            "2024-3-1",
            "2024-13-01",
            "2024-02-30",
            "2023-02-29",
            "1900-02-29",
            "01/03/2024",
            "2024-03-01T",
            "2024-03-01T25:00",
            "2024-03-01T12",
            "2024-03-01T12:60",
            "2024-03-01T12:00:61",
            "2024-03-01T12:00:00.",
            "2024-03-01T12:00:00+24:00",
            "2024-03-01T12:00:00ZZ",
            "2024-03-01x",
            "20240301",
            "-2024-03-01",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }
}
