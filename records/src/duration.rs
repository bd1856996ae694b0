//! Durations and times of day to seconds.

use crate::time::{fraction, literal};

const MINUTE: f64 = 60.0;
const HOUR: f64 = 3_600.0;
const DAY: f64 = 86_400.0;
const WEEK: f64 = 7.0 * DAY;

/// Parses all of `text`: `PT1H30M`, `P1DT2H` and their like (ISO 8601, without years and months, whose lengths differ);
/// `00:02:05`, `26:00:00.5`; `1 days 02:00:00` and `-1 days +23:59:55`, as pandas writes durations.
pub(crate) fn parse(text: &[u8]) -> Option<f64> {
    let mut rest = text;
    let sign = sign(&mut rest);
    if literal(&mut rest, b'P').is_some() {
        return iso(rest).map(|seconds| sign * seconds);
    }
    let first = number(&mut rest)?;
    if literal(&mut rest, b':').is_some() {
        return clock(first, &mut rest)
            .filter(|_| rest.is_empty())
            .map(|seconds| sign * seconds);
    }
    literal(&mut rest, b' ')?;
    rest = rest.strip_prefix(b"day")?;
    rest = rest.strip_prefix(b"s").unwrap_or(rest);
    let days = sign * first * DAY;
    if rest.is_empty() {
        return Some(days);
    }
    literal(&mut rest, b' ')?;
    let sign = self::sign(&mut rest);
    let hours = number(&mut rest)?;
    literal(&mut rest, b':')?;
    let seconds = clock(hours, &mut rest)?;
    rest.is_empty().then_some(days + sign * seconds)
}

fn sign(rest: &mut &[u8]) -> f64 {
    if literal(rest, b'-').is_some() {
        return -1.0;
    }
    let _plus = literal(rest, b'+');
    1.0
}

/// What is behind `P`: parts in falling order, the last of which may have decimals.
fn iso(mut rest: &[u8]) -> Option<f64> {
    let mut seconds = 0.0;
    let mut is_time = false;
    let mut parts = 0;
    // The unit of the last part, so that each comes once.
    let mut last = f64::INFINITY;
    while !rest.is_empty() {
        if !is_time && literal(&mut rest, b'T').is_some() {
            is_time = true;
            last = DAY;
        }
        let mut value = number(&mut rest)?;
        let has_decimals = literal(&mut rest, b'.')
            .or_else(|| literal(&mut rest, b','))
            .is_some();
        if has_decimals {
            value += fraction(&mut rest)?.0;
        }
        let (name, after) = rest.split_first()?;
        rest = after;
        let unit = match (name, is_time) {
            (b'W', false) => WEEK,
            (b'D', false) => DAY,
            (b'H', true) => HOUR,
            (b'M', true) => MINUTE,
            (b'S', true) => 1.0,
            _ => return None,
        };
        if unit >= last || (has_decimals && !rest.is_empty()) {
            return None;
        }
        last = unit;
        seconds += value * unit;
        parts += 1;
    }
    (parts > 0).then_some(seconds)
}

/// Minutes and seconds behind hours.
fn clock(hours: f64, rest: &mut &[u8]) -> Option<f64> {
    let minutes = sixty(rest)?;
    literal(rest, b':')?;
    let mut seconds = sixty(rest)?;
    if literal(rest, b'.').is_some() {
        seconds += fraction(rest)?.0;
    }
    Some(hours * HOUR + minutes * MINUTE + seconds)
}

/// Two digits below 60.
fn sixty(rest: &mut &[u8]) -> Option<f64> {
    let (digits, after) = rest.split_at_checked(2)?;
    *rest = after;
    match digits {
        [tens @ b'0'..=b'5', ones @ b'0'..=b'9'] => {
            Some(f64::from(tens - b'0') * 10.0 + f64::from(ones - b'0'))
        }
        _ => None,
    }
}

/// One digit to nine.
fn number(rest: &mut &[u8]) -> Option<f64> {
    let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=9).contains(&length) {
        return None;
    }
    let (digits, after) = rest.split_at(length);
    *rest = after;
    let add = |value: f64, digit: &u8| value * 10.0 + f64::from(digit - b'0');
    Some(digits.iter().fold(0.0, add))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_seconds_as_pandas_has_them() {
        // pandas 3.1: pd.Timedelta(text).total_seconds()
        for (text, seconds) in [
            ("PT1H30M", 5_400.0),
            ("P1DT2H", 93_600.0),
            ("PT125S", 125.0),
            ("PT0.5S", 0.5),
            ("P2W", 1_209_600.0),
            ("P0DT0H2M5S", 125.0),
            ("-PT30M", -1_800.0),
            ("00:02:05", 125.0),
            ("26:00:00", 93_600.0),
            ("0:00:00.25", 0.25),
            ("-00:00:01", -1.0),
            ("1 days 02:00:00", 93_600.0),
            ("1 day", 86_400.0),
            ("-1 days +23:59:55", -5.0),
            ("0 days 00:00:00.500000", 0.5),
        ] {
            assert_eq!(parse(text.as_bytes()), Some(seconds), "{text}");
        }
    }

    #[test]
    fn other_text_is_no_duration() {
        for text in [
            "",
            "P",
            "PT",
            "P1",
            "P1Y",
            "P1M",
            "P1H",
            "PT1D",
            "PT1M1H",
            "PT1.5H30M",
            "PT1H ",
            "P1DT",
            "12:30",
            "1:2:3",
            "12:60:00",
            "12:00:60",
            "12:00:00.",
            "12",
            "1 d",
            "1 days 2",
            "days",
            "00:00:00:00",
            "1234567890:00:00",
            "p1d",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }
}
