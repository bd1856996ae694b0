//! Sizes and times as people write them on a command line.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A number of bytes: `1048576`, `512KiB`, `64MiB`, `2GiB`; `K`, `M`, `G` and `KB`, `MB`, `GB` mean the same powers of
/// 1024 (as Nomad's own memory figures do).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, name) in [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
            if self.0 >= unit {
                return if self.0.is_multiple_of(unit) {
                    write!(f, "{} {name}", self.0 / unit)
                } else {
                    write!(f, "{:.1} {name}", self.0 as f64 / unit as f64)
                };
            }
        }
        write!(f, "{} bytes", self.0)
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, unit) = split(text);
        let factor: u64 = match unit
            .to_ascii_lowercase()
            .trim_end_matches('b')
            .trim_end_matches('i')
        {
            "" => 1,
            "k" => 1 << 10,
            "m" => 1 << 20,
            "g" => 1 << 30,
            "t" => 1 << 40,
            _ => return Err(format!("{unit:?} is no unit: use KiB, MiB or GiB")),
        };
        let number: u64 = number
            .parse()
            .map_err(|_| "write it as a whole number and a unit, like 512MiB".to_owned())?;
        number
            .checked_mul(factor)
            .map(Size)
            .ok_or_else(|| "that is more than there can be".to_owned())
    }
}

/// `90`, `90s`, `10m`, `2h`, `500ms`.
///
/// # Errors
/// When it is none of these.
pub fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    let number: u64 = number
        .parse()
        .map_err(|_| "write it as a whole number and a unit, like 90s or 10m".to_owned())?;
    let seconds = |factor: u64| {
        let seconds = number
            .checked_mul(factor)
            .filter(|seconds| *seconds <= u64::from(u32::MAX));
        seconds
            .map(Duration::from_secs)
            .ok_or_else(|| "that is longer than a century".to_owned())
    };
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "" | "s" => seconds(1),
        "m" => seconds(60),
        "h" => seconds(3600),
        _ => Err(format!("{unit:?} is no unit of time: use ms, s, m or h")),
    }
}

fn split(text: &str) -> (&str, &str) {
    let end = text
        .find(|each: char| !each.is_ascii_digit())
        .unwrap_or(text.len());
    (&text[..end], text[end..].trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_1024() {
        for (text, bytes) in [
            ("7", 7),
            ("512MiB", 512 << 20),
            ("1k", 1024),
            ("2 GB", 2 << 30),
            ("10B", 10),
        ] {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
        for text in ["", "MiB", "-1", "1.5GiB", "1x", "99999999999T"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_shown_in_the_largest_unit_that_fits() {
        for (bytes, text) in [
            (1000, "1000 bytes"),
            (512 << 20, "512 MiB"),
            (1536 << 20, "1.5 GiB"),
        ] {
            assert_eq!(Size(bytes).to_string(), text);
        }
    }

    #[test]
    fn times_have_units() {
        for (text, milliseconds) in [
            ("90", 90_000),
            ("250ms", 250),
            ("10m", 600_000),
            ("2h", 7_200_000),
        ] {
            assert_eq!(
                duration(text),
                Ok(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
        for text in ["", "s", "1d", "-1s", "99999999999h"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
