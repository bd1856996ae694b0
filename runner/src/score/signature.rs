//! What goes into a model and comes out of it, block by block, as both processes know it; and its form on the pipe
//! between them.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

/// More columns of an input or output are none of a model of tables.
pub(super) const MAX_COLUMNS: usize = 10_000;
/// A longer text in a cell is none. Bytes.
const MAX_TEXT: usize = 16 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// In single precision.
    Number,
    /// A number in double precision.
    Double,
    Text,
}

/// An input or output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    pub name: String,
    pub kind: Kind,
    pub columns: usize,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    pub inputs: Vec<Port>,
    pub outputs: Vec<Port>,
    /// What the model says of itself: `save_path`, `classes` and their like.
    pub metadata: BTreeMap<String, String>,
}

/// Values of an input or output for the rows of a block, row by row. Missing numbers are NaN, missing text is empty.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    Numbers(Vec<f32>),
    Doubles(Vec<f64>),
    Text(Vec<String>),
}

impl Values {
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Numbers(values) => values.len(),
            Self::Doubles(values) => values.len(),
            Self::Text(values) => values.len(),
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes them as many as asked for, by missing ones.
    pub fn pad(&mut self, count: usize) {
        match self {
            Self::Numbers(values) => values.resize(count, f32::NAN),
            Self::Doubles(values) => values.resize(count, f64::NAN),
            Self::Text(values) => values.resize(count, String::new()),
        }
    }

    /// # Errors
    /// When the pipe is closed.
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Numbers(values) => {
                let bytes: Vec<u8> = values
                    .iter()
                    .flat_map(|value| value.to_le_bytes())
                    .collect();
                out.write_all(&bytes)
            }
            Self::Doubles(values) => {
                let bytes: Vec<u8> = values
                    .iter()
                    .flat_map(|value| value.to_le_bytes())
                    .collect();
                out.write_all(&bytes)
            }
            Self::Text(values) => values.iter().try_for_each(|text| write_text(out, text)),
        }
    }

    /// Reads `count` values.
    ///
    /// # Errors
    /// When the pipe is closed before, or holds none.
    pub(super) fn read(kind: Kind, count: usize, from: &mut impl Read) -> io::Result<Self> {
        match kind {
            Kind::Number => {
                let mut bytes = vec![0; count * size_of::<f32>()];
                from.read_exact(&mut bytes)?;
                let (values, _) = bytes.as_chunks();
                Ok(Self::Numbers(
                    values
                        .iter()
                        .map(|bytes| f32::from_le_bytes(*bytes))
                        .collect(),
                ))
            }
            Kind::Double => {
                let mut bytes = vec![0; count * size_of::<f64>()];
                from.read_exact(&mut bytes)?;
                let (values, _) = bytes.as_chunks();
                Ok(Self::Doubles(
                    values
                        .iter()
                        .map(|bytes| f64::from_le_bytes(*bytes))
                        .collect(),
                ))
            }
            Kind::Text => {
                let texts = (0..count).map(|_| read_text(from));
                Ok(Self::Text(texts.collect::<io::Result<_>>()?))
            }
        }
    }
}

pub(super) fn write_text(out: &mut impl Write, text: &str) -> io::Result<()> {
    let length = u32::try_from(text.len()).map_err(io::Error::other)?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(text.as_bytes())
}

pub(super) fn read_text(from: &mut impl Read) -> io::Result<String> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_TEXT {
        return Err(io::Error::other("a text is too long"));
    }
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes)?;
    String::from_utf8(bytes).map_err(io::Error::other)
}
