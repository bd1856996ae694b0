//! The values of a page, whatever their encoding.
//!
//! Source: <https://github.com/apache/parquet-format/blob/master/Encodings.md>

use super::Fault;
use super::delta::Delta;
use super::hybrid::{Hybrid, bits};
use crate::error::Problem;

/// The encoding of levels, and of booleans.
pub(super) const RLE: i64 = 3;

/// How a value lies in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Physical {
    Boolean,
    Int32,
    Int64,
    Int96,
    Float,
    Double,
    Bytes,
    /// So many bytes each.
    Fixed(usize),
}

impl Physical {
    pub fn of(code: i64, length: i64) -> Result<Physical, Fault> {
        Ok(match code {
            0 => Physical::Boolean,
            1 => Physical::Int32,
            2 => Physical::Int64,
            3 => Physical::Int96,
            4 => Physical::Float,
            5 => Physical::Double,
            6 => Physical::Bytes,
            7 => match usize::try_from(length) {
                Ok(length @ 1..) => Physical::Fixed(length),
                _ => return Err(Fault::Damaged("a column of fixed length has none")),
            },
            _ => return Err(Fault::Damaged("a column has an unknown type")),
        })
    }

    /// How the format numbers it.
    pub fn code(self) -> i64 {
        match self {
            Physical::Boolean => 0,
            Physical::Int32 => 1,
            Physical::Int64 => 2,
            Physical::Int96 => 3,
            Physical::Float => 4,
            Physical::Double => 5,
            Physical::Bytes => 6,
            Physical::Fixed(_) => 7,
        }
    }

    /// Bytes of a value, where all have as many.
    fn width(self) -> Option<usize> {
        match self {
            Physical::Boolean | Physical::Bytes => None,
            Physical::Int32 | Physical::Float => Some(4),
            Physical::Int64 | Physical::Double => Some(8),
            Physical::Int96 => Some(12),
            Physical::Fixed(length) => Some(length),
        }
    }

    /// A value of as many bytes as it takes.
    #[inline]
    fn value(self, bytes: &[u8]) -> Value<'_> {
        match (self, bytes.first_chunk(), bytes.first_chunk()) {
            (Physical::Int32, Some(four), _) => {
                Value::Integer(i64::from(i32::from_le_bytes(*four)))
            }
            (Physical::Float, Some(four), _) => Value::Single(f32::from_le_bytes(*four)),
            (Physical::Int64, _, Some(eight)) => Value::Integer(i64::from_le_bytes(*eight)),
            (Physical::Double, _, Some(eight)) => Value::Double(f64::from_le_bytes(*eight)),
            _ => Value::Bytes(bytes),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'v> {
    Boolean(bool),
    Integer(i64),
    Single(f32),
    Double(f64),
    Bytes(&'v [u8]),
}

/// The distinct values of a column in a row group.
#[derive(Debug)]
pub(super) struct Dictionary {
    physical: Physical,
    bytes: Vec<u8>,
    /// Where the values are that have no common width.
    spans: Vec<(u32, u32)>,
    length: usize,
}

impl Dictionary {
    /// From the bytes of a page of `length` values.
    pub fn new(physical: Physical, bytes: Vec<u8>, length: usize) -> Result<Dictionary, Fault> {
        let mut spans = Vec::new();
        if let Some(width) = physical.width() {
            if length
                .checked_mul(width)
                .is_none_or(|all| all > bytes.len())
            {
                return Err(Fault::EndsEarly);
            }
        } else if physical == Physical::Bytes {
            if length > bytes.len() / 4 {
                return Err(Fault::EndsEarly);
            }
            spans
                .try_reserve_exact(length)
                .map_err(|_| Problem::OutOfMemory)?;
            let mut rest = bytes.as_slice();
            for _ in 0..length {
                let value = take_bytes(&mut rest)?;
                let end = bytes.len() - rest.len();
                // A page has fewer bytes than an i32 holds.
                spans.push(((end - value.len()) as u32, end as u32));
            }
        } else {
            return Err(Fault::Damaged("booleans have a dictionary"));
        }
        Ok(Dictionary {
            physical,
            bytes,
            spans,
            length,
        })
    }

    #[inline]
    fn value(&self, index: u32) -> Result<Value<'_>, Fault> {
        let index = index as usize;
        if index >= self.length {
            return Err(Fault::Damaged("an index is beyond its dictionary"));
        }
        let (from, to) = match self.physical.width() {
            Some(width) => (index * width, index * width + width),
            None => {
                let (from, to) = self.spans[index];
                (from as usize, to as usize)
            }
        };
        Ok(self.physical.value(&self.bytes[from..to]))
    }
}

/// Reads values one after another.
#[derive(Debug)]
pub(super) enum Values<'p> {
    Plain {
        physical: Physical,
        rest: &'p [u8],
    },
    PlainBooleans {
        bytes: &'p [u8],
        bit: usize,
    },
    Booleans(Hybrid<'p>),
    Indices {
        indices: Hybrid<'p>,
        dictionary: &'p Dictionary,
    },
    Delta {
        values: Delta<'p>,
        physical: Physical,
    },
    /// Byte arrays behind their lengths.
    Lengths {
        lengths: std::vec::IntoIter<usize>,
        rest: &'p [u8],
    },
    /// Byte arrays that share their start with the one before.
    Prefixes {
        prefixes: std::vec::IntoIter<usize>,
        lengths: std::vec::IntoIter<usize>,
        rest: &'p [u8],
        last: Vec<u8>,
    },
    /// The first bytes of all values, then the second ones, and so on.
    Split {
        physical: Physical,
        bytes: &'p [u8],
        at: usize,
        values: usize,
        value: Vec<u8>,
    },
}

impl<'p> Values<'p> {
    /// The values in `bytes`, at most `most`, by the code of their encoding.
    pub fn new(
        encoding: i64,
        physical: Physical,
        bytes: &'p [u8],
        most: usize,
        dictionary: Option<&'p Dictionary>,
    ) -> Result<Values<'p>, Fault> {
        let values = match (encoding, physical) {
            (0, Physical::Boolean) => Values::PlainBooleans { bytes, bit: 0 },
            (0, _) => Values::Plain {
                physical,
                rest: bytes,
            },
            (2 | 8, _) => {
                let missing = Fault::Damaged("a page has indices and no dictionary");
                let dictionary = dictionary.ok_or(missing)?;
                // A page without values may have no bytes.
                let (width, indices) = bytes.split_first().unwrap_or((&0, &[]));
                Values::Indices {
                    indices: Hybrid::new(indices, u32::from(*width))?,
                    dictionary,
                }
            }
            (RLE, Physical::Boolean) => Values::Booleans(Hybrid::with_length(bytes, 1)?.0),
            (5, Physical::Int32 | Physical::Int64) => Values::Delta {
                values: Delta::new(bytes)?,
                physical,
            },
            (6, Physical::Bytes) => {
                let (lengths, rest) = Delta::new(bytes)?.lengths(most)?;
                let lengths = lengths.into_iter();
                Values::Lengths { lengths, rest }
            }
            (7, Physical::Bytes | Physical::Fixed(_)) => {
                let (prefixes, rest) = Delta::new(bytes)?.lengths(most)?;
                let (lengths, rest) = Delta::new(rest)?.lengths(most)?;
                Values::Prefixes {
                    prefixes: prefixes.into_iter(),
                    lengths: lengths.into_iter(),
                    rest,
                    last: Vec::new(),
                }
            }
            (9, _) if let Some(width) = physical.width() => Values::Split {
                physical,
                bytes,
                at: 0,
                values: bytes.len() / width,
                value: Vec::new(),
            },
            _ => return Err(Fault::Encoding(name(encoding))),
        };
        Ok(values)
    }

    #[inline]
    pub fn next(&mut self) -> Result<Value<'_>, Fault> {
        match self {
            Values::Plain { physical, rest } => match physical.width() {
                Some(width) => Ok(physical.value(take(rest, width)?)),
                None => Ok(Value::Bytes(take_bytes(rest)?)),
            },
            Values::PlainBooleans { bytes, bit } => {
                if *bit / 8 >= bytes.len() {
                    return Err(Fault::EndsEarly);
                }
                *bit += 1;
                Ok(Value::Boolean(bits(bytes, *bit - 1, 1) == 1))
            }
            Values::Booleans(values) => Ok(Value::Boolean(values.next()? == 1)),
            Values::Indices {
                indices,
                dictionary,
            } => dictionary.value(indices.next()?),
            Values::Delta { values, physical } => Ok(Value::Integer(match physical {
                // Differences wrap around.
                Physical::Int32 => i64::from(values.next()? as i32),
                _ => values.next()?,
            })),
            Values::Lengths { lengths, rest } => {
                let length = lengths.next().ok_or(Fault::EndsEarly)?;
                Ok(Value::Bytes(take(rest, length)?))
            }
            Values::Prefixes {
                prefixes,
                lengths,
                rest,
                last,
            } => {
                let prefix = prefixes.next().ok_or(Fault::EndsEarly)?;
                let suffix = take(rest, lengths.next().ok_or(Fault::EndsEarly)?)?;
                if prefix > last.len() {
                    return Err(Fault::Damaged("a text shares more than there is"));
                }
                last.truncate(prefix);
                last.try_reserve(suffix.len())
                    .map_err(|_| Problem::OutOfMemory)?;
                last.extend_from_slice(suffix);
                Ok(Value::Bytes(last))
            }
            Values::Split {
                physical,
                bytes,
                at,
                values,
                value,
            } => {
                if at == values {
                    return Err(Fault::EndsEarly);
                }
                value.clear();
                value.extend(bytes[*at..].iter().step_by(*values));
                // What is left over of an uneven length is no byte of a value.
                value.truncate(physical.width().unwrap_or(0));
                *at += 1;
                Ok(physical.value(value))
            }
        }
    }
}

#[inline]
fn take<'b>(rest: &mut &'b [u8], length: usize) -> Result<&'b [u8], Fault> {
    let (taken, after) = rest.split_at_checked(length).ok_or(Fault::EndsEarly)?;
    *rest = after;
    Ok(taken)
}

/// Bytes behind their length in four bytes.
#[inline]
fn take_bytes<'b>(rest: &mut &'b [u8]) -> Result<&'b [u8], Fault> {
    let (length, after) = rest.split_first_chunk().ok_or(Fault::EndsEarly)?;
    *rest = after;
    take(rest, u32::from_le_bytes(*length) as usize)
}

/// An encoding as messages name it.
pub(super) fn name(encoding: i64) -> String {
    match encoding {
        0 => "PLAIN".into(),
        3 => "RLE".into(),
        4 => "BIT_PACKED".into(),
        5 => "DELTA_BINARY_PACKED".into(),
        6 => "DELTA_LENGTH_BYTE_ARRAY".into(),
        7 => "DELTA_BYTE_ARRAY".into(),
        9 => "BYTE_STREAM_SPLIT".into(),
        other => format!("number {other}"),
    }
}
