//! The part of Thrift's compact protocol that Parquet's headers are written in.
//!
//! Source: <https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>

use super::Fault;

/// The deepest nesting that headers have is a third of this.
const MOST_LEVELS: u32 = 32;

/// What a field or an element of a list is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    True,
    False,
    Byte,
    Integer,
    Double,
    Binary,
    List,
    Map,
    Struct,
}

impl Kind {
    fn of(code: u8) -> Result<Kind, Fault> {
        Ok(match code {
            1 => Kind::True,
            2 => Kind::False,
            3 => Kind::Byte,
            4..=6 => Kind::Integer,
            7 => Kind::Double,
            8 => Kind::Binary,
            9 | 10 => Kind::List,
            11 => Kind::Map,
            12 => Kind::Struct,
            _ => return Err(Fault::Damaged("a header has a field of an unknown type")),
        })
    }
}

/// Reads values one after another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Compact<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Compact<'b> {
    pub fn new(bytes: &'b [u8]) -> Self {
        Compact { bytes, at: 0 }
    }

    /// How many bytes were read.
    pub fn at(&self) -> usize {
        self.at
    }

    fn byte(&mut self) -> Result<u8, Fault> {
        let byte = *self.bytes.get(self.at).ok_or(Fault::EndsEarly)?;
        self.at += 1;
        Ok(byte)
    }

    fn varint(&mut self) -> Result<u64, Fault> {
        varint(self.bytes, &mut self.at)
    }

    /// A field of a struct after the one with the number `last`, or its end.
    pub fn field(&mut self, last: &mut i64) -> Result<Option<(i64, Kind)>, Fault> {
        let head = self.byte()?;
        if head == 0 {
            return Ok(None);
        }
        let id = match head >> 4 {
            0 => zigzag(self.varint()?),
            step => last.saturating_add(i64::from(step)),
        };
        *last = id;
        Ok(Some((id, Kind::of(head & 15)?)))
    }

    /// How many elements a list has, and of which kind.
    pub fn list(&mut self, kind: Kind) -> Result<(u64, Kind), Fault> {
        expect(kind, Kind::List)?;
        let head = self.byte()?;
        let length = match head >> 4 {
            15 => self.varint()?,
            short => u64::from(short),
        };
        // Some writers give an empty list no type.
        let kind = if length == 0 {
            Kind::Struct
        } else {
            Kind::of(head & 15)?
        };
        Ok((length, kind))
    }

    pub fn integer(&mut self, kind: Kind) -> Result<i64, Fault> {
        match kind {
            Kind::Integer => Ok(zigzag(self.varint()?)),
            Kind::Byte => Ok(i64::from(self.byte()? as i8)),
            _ => Err(WRONG_TYPE),
        }
    }

    pub fn binary(&mut self, kind: Kind) -> Result<&'b [u8], Fault> {
        expect(kind, Kind::Binary)?;
        let length = usize::try_from(self.varint()?).map_err(|_| Fault::EndsEarly)?;
        let end = self.at.checked_add(length).ok_or(Fault::EndsEarly)?;
        let bytes = self.bytes.get(self.at..end).ok_or(Fault::EndsEarly)?;
        self.at = end;
        Ok(bytes)
    }

    /// Passes over a value. A boolean field is its kind and has no bytes.
    pub fn skip(&mut self, kind: Kind) -> Result<(), Fault> {
        self.skip_at(kind, 0)
    }

    fn skip_at(&mut self, kind: Kind, level: u32) -> Result<(), Fault> {
        if level > MOST_LEVELS {
            return Err(Fault::Damaged("a header is nested too deeply"));
        }
        match kind {
            Kind::True | Kind::False => {}
            Kind::Byte => _ = self.byte()?,
            Kind::Integer => _ = self.varint()?,
            Kind::Double => {
                self.at += 8;
                if self.at > self.bytes.len() {
                    return Err(Fault::EndsEarly);
                }
            }
            Kind::Binary => _ = self.binary(kind)?,
            Kind::List => {
                let (length, kind) = self.list(kind)?;
                for _ in 0..length {
                    self.skip_element(kind, level)?;
                }
            }
            Kind::Map => {
                let length = self.varint()?;
                if length > 0 {
                    let kinds = self.byte()?;
                    let (key, value) = (Kind::of(kinds >> 4)?, Kind::of(kinds & 15)?);
                    for _ in 0..length {
                        self.skip_element(key, level)?;
                        self.skip_element(value, level)?;
                    }
                }
            }
            Kind::Struct => {
                let mut last = 0;
                while let Some((_, kind)) = self.field(&mut last)? {
                    self.skip_at(kind, level + 1)?;
                }
            }
        }
        Ok(())
    }

    /// Booleans in a list or map take a byte each, so that every element does.
    fn skip_element(&mut self, kind: Kind, level: u32) -> Result<(), Fault> {
        match kind {
            Kind::True | Kind::False => self.byte().map(|_| ()),
            _ => self.skip_at(kind, level + 1),
        }
    }
}

const WRONG_TYPE: Fault = Fault::Damaged("a header has a field of the wrong type");

/// That a value of kind `found` is read as what it is.
pub(super) fn expect(found: Kind, expected: Kind) -> Result<(), Fault> {
    if found == expected {
        Ok(())
    } else {
        Err(WRONG_TYPE)
    }
}

/// An integer of seven bits a byte, the lowest first.
pub(super) fn varint(bytes: &[u8], at: &mut usize) -> Result<u64, Fault> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at).ok_or(Fault::EndsEarly)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(Fault::Damaged("an integer is longer than 64 bits"))
}

/// Signed integers are written with their sign in the lowest bit.
pub(super) fn zigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}
