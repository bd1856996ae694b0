//! Values as the cells of a column: what the same table would hold as CSV or JSON.

use std::io::Write;

use super::Fault;
use super::footer::Unit;
use super::schema::{Leaf, Reading};
use super::values::{Physical, Value};
use crate::cell::{Cell, Exact};
use crate::floats::WHOLE_IN_DOUBLE;
use crate::number;
use crate::options::Type;
use crate::time::{self, MILLIS_OF_A_DAY, Moment};

const SECONDS_OF_A_DAY: i64 = 86_400;
/// The Julian day of 1970-01-01.
const JULIAN_1970: i64 = 2_440_588;

impl Unit {
    fn of_a_second(self) -> i64 {
        match self {
            Unit::Seconds => 1,
            Unit::Millis => 1_000,
            Unit::Micros => 1_000_000,
            Unit::Nanos => 1_000_000_000,
        }
    }
}

impl Reading {
    /// The type of its columns; text may turn out to be another, as in JSON.
    pub fn natural_type(self) -> Option<Type> {
        match self {
            Reading::Boolean => Some(Type::Boolean),
            Reading::Integer { .. } | Reading::Float | Reading::Half | Reading::Decimal { .. } => {
                Some(Type::Number)
            }
            Reading::Date | Reading::Timestamp(_) | Reading::Timestamp96 => Some(Type::Time),
            Reading::TimeOfDay(_) | Reading::Duration(_) => Some(Type::Number),
            Reading::Text | Reading::Uuid => None,
            Reading::Array | Reading::Bytes => None,
        }
    }
}

/// What a cell is wanted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Single,
    Double,
    /// As text: for columns that are of another type than `leaf` says.
    Written,
}

/// The cell of `value`.
pub(super) fn cell<'v>(
    leaf: &Leaf,
    value: Value<'v>,
    form: Form,
    text: &'v mut Vec<u8>,
) -> Result<Cell<'v>, Fault> {
    text.clear();
    let written = form == Form::Written;
    match (leaf.reading, value) {
        (Reading::Boolean, Value::Boolean(value)) => Ok(Cell::Boolean(value)),
        (Reading::Text, Value::Bytes(bytes)) => Ok(Cell::String(bytes)),
        (Reading::Integer { signed }, Value::Integer(value)) => {
            Ok(integer(value, signed, leaf.physical, form, text))
        }
        (Reading::Float, Value::Single(value)) => {
            Ok(float(f64::from(value), value, form, text, value))
        }
        (Reading::Float, Value::Double(value)) => Ok(float(value, value as f32, form, text, value)),
        (Reading::Half, Value::Bytes(&[low, high])) => {
            let value = half(u16::from_le_bytes([low, high]));
            Ok(float(f64::from(value), value, form, text, value))
        }
        (Reading::Decimal { scale }, value) => decimal(value, scale, form, text),
        (Reading::Date, Value::Integer(days)) => Ok(moment(days, None, written, text)),
        (Reading::Timestamp(unit), Value::Integer(value)) => {
            let day = SECONDS_OF_A_DAY * unit.of_a_second();
            let of_day = (value.rem_euclid(day), unit);
            Ok(moment(value.div_euclid(day), Some(of_day), written, text))
        }
        (Reading::Timestamp96, Value::Bytes(bytes)) => timestamp_96(bytes, written, text),
        (Reading::TimeOfDay(unit), Value::Integer(value)) if written => {
            time_of_day(value, unit, text);
            Ok(Cell::String(text))
        }
        (Reading::TimeOfDay(unit) | Reading::Duration(unit), Value::Integer(value)) => {
            let seconds = value as f64 / unit.of_a_second() as f64;
            Ok(float(seconds, seconds as f32, form, text, seconds))
        }
        (Reading::Uuid, Value::Bytes(bytes)) => {
            for (index, byte) in bytes.iter().enumerate() {
                let dash = if matches!(index, 4 | 6 | 8 | 10) {
                    "-"
                } else {
                    ""
                };
                write(text, format_args!("{dash}{byte:02x}"));
            }
            Ok(Cell::String(text))
        }
        _ => Err(Fault::Damaged("a column is of two types")),
    }
}

/// Writing to memory does not fail.
fn write(text: &mut Vec<u8>, what: std::fmt::Arguments<'_>) {
    let _ = text.write_fmt(what);
}

fn integer(
    value: i64,
    signed: bool,
    physical: Physical,
    form: Form,
    text: &mut Vec<u8>,
) -> Cell<'_> {
    let unsigned = match physical {
        Physical::Int32 => u64::from(value as u32),
        _ => value as u64,
    };
    match (signed, form) {
        (true, Form::Single) => Cell::Exact(Exact::Number(value as f32)),
        (false, Form::Single) => Cell::Exact(Exact::Number(unsigned as f32)),
        (true, Form::Double) => Cell::Exact(Exact::Double {
            value: value as f64,
            is_beyond: value.unsigned_abs() > WHOLE_IN_DOUBLE as u64,
        }),
        (false, Form::Double) => Cell::Exact(Exact::Double {
            value: unsigned as f64,
            is_beyond: unsigned > WHOLE_IN_DOUBLE as u64,
        }),
        (true, Form::Written) => {
            write(text, format_args!("{value}"));
            Cell::Number(text)
        }
        (false, Form::Written) => {
            write(text, format_args!("{unsigned}"));
            Cell::Number(text)
        }
    }
}

/// `nearest` is what a column of numbers holds of `value`; `shown` writes it with no more digits than it has.
fn float<'v>(
    value: f64,
    nearest: f32,
    form: Form,
    text: &'v mut Vec<u8>,
    shown: impl std::fmt::Debug,
) -> Cell<'v> {
    if form == Form::Single {
        Cell::Exact(Exact::Number(nearest))
    } else if form == Form::Double {
        Cell::Exact(Exact::Double {
            value,
            is_beyond: false,
        })
    } else if value.is_finite() {
        write(text, format_args!("{shown:?}"));
        Cell::Number(text)
    } else if value.is_nan() {
        Cell::Missing
    } else {
        text.extend_from_slice(if value > 0.0 { b"inf" } else { b"-inf" });
        Cell::String(text)
    }
}

/// An IEEE 754 number of 16 bits.
fn half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let exponent = i32::from(bits >> 10 & 0x1f);
    let fraction = f32::from(bits & 0x3ff);
    sign * match exponent {
        0 => fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1024.0 + fraction) * 2f32.powi(exponent - 25),
    }
}

/// An integer over a power of ten. Byte arrays hold it with the highest byte first.
fn decimal<'v>(
    value: Value<'_>,
    scale: u32,
    form: Form,
    text: &'v mut Vec<u8>,
) -> Result<Cell<'v>, Fault> {
    let unscaled = match value {
        Value::Integer(value) => i128::from(value),
        Value::Bytes(bytes) => big_endian(bytes)?,
        _ => return Err(Fault::Damaged("a column is of two types")),
    };
    if let Ok(digits) = u64::try_from(unscaled.unsigned_abs()) {
        let exact = match form {
            Form::Single => number::nearest(digits, scale as usize)
                .map(|value| Exact::Number(if unscaled < 0 { -value } else { value })),
            Form::Double => number::nearest_double(digits, scale as usize).map(|value| {
                let value = if unscaled < 0 { -value } else { value };
                Exact::Double {
                    value,
                    is_beyond: false,
                }
            }),
            Form::Written => None,
        };
        if let Some(exact) = exact {
            return Ok(Cell::Exact(exact));
        }
    }
    let sign = if unscaled < 0 { "-" } else { "" };
    let digits = format!("{:0>1$}", unscaled.unsigned_abs(), scale as usize + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale as usize);
    let point = if scale > 0 { "." } else { "" };
    write(text, format_args!("{sign}{whole}{point}{fraction}"));
    Ok(Cell::Number(text))
}

fn big_endian(bytes: &[u8]) -> Result<i128, Fault> {
    let (Some(first), true) = (bytes.first(), bytes.len() <= 16) else {
        return Err(Fault::Damaged("a decimal has more than 38 digits, or none"));
    };
    let fill = if *first >= 0x80 { 0xff } else { 0 };
    let mut all = [fill; 16];
    all[16 - bytes.len()..].copy_from_slice(bytes);
    Ok(i128::from_be_bytes(all))
}

/// A day, and a part of it in some unit.
fn moment(days: i64, of_day: Option<(i64, Unit)>, written: bool, text: &mut Vec<u8>) -> Cell<'_> {
    if !written {
        let seconds = of_day.map_or(0.0, |(part, unit)| part as f64 / unit.of_a_second() as f64);
        let millis = of_day.map_or(0, |(part, unit)| part * 1_000 / unit.of_a_second());
        return Cell::Exact(Exact::Moment(Moment {
            millis: days.saturating_mul(MILLIS_OF_A_DAY).saturating_add(millis),
            single: (days as f64 + seconds / SECONDS_OF_A_DAY as f64) as f32,
            has_time_of_day: of_day.is_some(),
        }));
    }
    let (year, month, day) = time::civil_from_days(days);
    write(text, format_args!("{year:04}-{month:02}-{day:02}"));
    if let Some((part, unit)) = of_day {
        text.push(b'T');
        time_of_day(part, unit, text);
        text.push(b'Z');
    }
    Cell::String(text)
}

/// Appends hours, minutes, seconds and, where it is not 0, their fraction.
fn time_of_day(part: i64, unit: Unit, text: &mut Vec<u8>) {
    let (seconds, fraction) = (
        part.div_euclid(unit.of_a_second()),
        part.rem_euclid(unit.of_a_second()),
    );
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    write(
        text,
        format_args!("{hours:02}:{minutes:02}:{:02}", seconds % 60),
    );
    if fraction != 0 {
        let digits = unit.of_a_second().ilog10() as usize;
        write(text, format_args!(".{fraction:0digits$}"));
    }
}

fn timestamp_96<'v>(bytes: &[u8], written: bool, text: &'v mut Vec<u8>) -> Result<Cell<'v>, Fault> {
    let wrong = Fault::Damaged("a column is of two types");
    let Some((nanos, day)) = bytes.split_first_chunk() else {
        return Err(wrong);
    };
    let Some(day) = day.first_chunk() else {
        return Err(wrong);
    };
    let nanos = i64::from_le_bytes(*nanos);
    let of_a_day = SECONDS_OF_A_DAY * Unit::Nanos.of_a_second();
    let days = i64::from(i32::from_le_bytes(*day)) - JULIAN_1970 + nanos.div_euclid(of_a_day);
    let of_day = (nanos.rem_euclid(of_a_day), Unit::Nanos);
    Ok(moment(days, Some(of_day), written, text))
}
