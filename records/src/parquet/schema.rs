//! The columns of values that a schema has: nested ones dotted, lists and maps left out.

use super::Fault;
use super::footer::{Element, Logical, Unit};
use super::values::Physical;

/// More than any program nests; what is deeper would overflow the stack.
const MOST_LEVELS: usize = 100;
/// The most bytes of all dotted names: a long one counts again with each column below it.
const MOST_OF_NAMES: usize = 16 << 20;

/// A column of values.
#[derive(Debug)]
pub(super) struct Leaf {
    /// Dotted. Of what is in a list or map the name of the list or map.
    pub name: String,
    pub reading: Reading,
    pub physical: Physical,
    /// The level of definition of a value that is there.
    pub most_defined: u32,
}

/// What a value is read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    Boolean,
    Integer {
        signed: bool,
    },
    Float,
    Half,
    Decimal {
        scale: u32,
    },
    Date,
    Timestamp(Unit),
    /// Nanoseconds of a day, and the Julian day: what Impala and older Sparks write.
    Timestamp96,
    /// Seconds since midnight.
    TimeOfDay(Unit),
    /// Seconds.
    Duration(Unit),
    Text,
    Uuid,
    /// Repeats within a row.
    Array,
    /// Bytes that are neither text nor numbers.
    Bytes,
}

/// The columns of values in the order of the file, which is that of their chunks.
pub(super) fn leaves(schema: &[Element]) -> Result<Vec<Leaf>, Fault> {
    let mut walk = Walk {
        elements: schema.iter(),
        leaves: Vec::new(),
        left: MOST_OF_NAMES,
    };
    let root = walk.next()?;
    for _ in 0..root.children {
        walk.node(&Parent::default())?;
    }
    if walk.elements.next().is_some() {
        return Err(Fault::Damaged("the schema has more than one root"));
    }
    Ok(walk.leaves)
}

struct Walk<'e> {
    elements: std::slice::Iter<'e, Element>,
    leaves: Vec<Leaf>,
    /// Bytes that names may still take.
    left: usize,
}

/// What is above a node.
#[derive(Clone, Default)]
struct Parent {
    /// The dotted name, with a dot at its end.
    prefix: String,
    levels: usize,
    defined: u32,
    /// The name of the list or map that the node is in.
    collection: Option<String>,
    /// Whether it is one, so that the node repeats in its stead.
    is_collection: bool,
}

impl<'e> Walk<'e> {
    fn next(&mut self) -> Result<&'e Element, Fault> {
        let missing = Fault::Damaged("the schema has fewer columns than it says");
        self.elements.next().ok_or(missing)
    }

    fn node(&mut self, parent: &Parent) -> Result<(), Fault> {
        let element = self.next()?;
        if parent.levels > MOST_LEVELS {
            return Err(Fault::Damaged("the schema is more than 100 levels deep"));
        }
        let length = parent.prefix.len() + element.name.len();
        let too_long = Fault::Damaged("the names of its columns are longer than 16 MiB together");
        self.left = self.left.checked_sub(length).ok_or(too_long)?;
        let name = format!("{}{}", parent.prefix, element.name);
        let repeated = match element.repetition {
            0 | 1 => false,
            2 => true,
            _ => return Err(Fault::Damaged("the schema has an unknown repetition")),
        };
        let defined = parent.defined + u32::from(element.repetition != 0);
        let mut collection = parent.collection.clone();
        if repeated && collection.is_none() {
            collection = Some(match parent.is_collection {
                true => parent.prefix.trim_end_matches('.').to_owned(),
                false => name.clone(),
            });
        }
        if let Some(code) = element.physical.filter(|_| element.children == 0) {
            let physical = Physical::of(code, element.type_length)?;
            let reading = match collection {
                Some(_) => Reading::Array,
                None => Reading::of(physical, element.logical())?,
            };
            self.leaves.push(Leaf {
                name: collection.unwrap_or(name),
                reading,
                physical,
                most_defined: defined,
            });
            return Ok(());
        }
        let here = Parent {
            prefix: name + ".",
            levels: parent.levels + 1,
            defined,
            collection,
            is_collection: element.logical() == Some(Logical::Collection),
        };
        for _ in 0..element.children {
            self.node(&here)?;
        }
        Ok(())
    }
}

impl Reading {
    fn of(physical: Physical, logical: Option<Logical>) -> Result<Reading, Fault> {
        let reading = match (physical, logical) {
            (Physical::Boolean, _) => Reading::Boolean,
            (Physical::Int96, _) => Reading::Timestamp96,
            (
                Physical::Int32 | Physical::Int64 | Physical::Bytes | Physical::Fixed(_),
                Some(Logical::Decimal { scale }),
            ) => {
                let out_of_range = |_| Fault::Damaged("a column of decimals has no valid scale");
                let scale = u32::try_from(scale).map_err(out_of_range)?;
                if scale > 76 {
                    return Err(Fault::Damaged("a column of decimals has no valid scale"));
                }
                Reading::Decimal { scale }
            }
            (Physical::Int32, Some(Logical::Date)) => Reading::Date,
            (Physical::Int32 | Physical::Int64, Some(Logical::Time(unit))) => {
                Reading::TimeOfDay(unit)
            }
            (Physical::Int64, Some(Logical::Timestamp(unit))) => Reading::Timestamp(unit),
            (Physical::Int32 | Physical::Int64, Some(Logical::Integer { signed })) => {
                Reading::Integer { signed }
            }
            (Physical::Int32 | Physical::Int64, _) => Reading::Integer { signed: true },
            (Physical::Float | Physical::Double, _) => Reading::Float,
            (Physical::Bytes, Some(Logical::Bytes)) => Reading::Bytes,
            // Without a type of its own it is what older writers gave for text.
            (Physical::Bytes, _) => Reading::Text,
            (Physical::Fixed(16), Some(Logical::Uuid)) => Reading::Uuid,
            (Physical::Fixed(2), Some(Logical::Half)) => Reading::Half,
            (Physical::Fixed(_), _) => Reading::Bytes,
        };
        Ok(reading)
    }
}
