//! What the end of a Parquet file says of it: its schema, and where the columns of each row group are.
//!
//! Source: <https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift>

use super::Fault;
use super::thrift::{Compact, Kind, expect};
use crate::error::Problem;

#[derive(Debug, Default)]
pub(super) struct Footer {
    pub schema: Vec<Element>,
    pub groups: Vec<Group>,
    /// The columns that pandas wrote an index into.
    pub index: Vec<String>,
    /// The columns that pandas wrote durations into: the format has no type for them.
    pub durations: Vec<(String, Unit)>,
}

/// A node of the schema; its children follow it.
#[derive(Debug, Default)]
pub(super) struct Element {
    pub name: String,
    pub physical: Option<i64>,
    pub type_length: i64,
    pub repetition: i64,
    pub children: i64,
    pub converted: Option<i64>,
    pub scale: i64,
    pub logical: Option<Logical>,
}

/// The logical type of a column, as far as it changes how its values are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Logical {
    Text,
    /// A list or map, whose child repeats.
    Collection,
    Decimal {
        scale: i64,
    },
    Date,
    Time(Unit),
    Timestamp(Unit),
    Integer {
        signed: bool,
    },
    Uuid,
    Half,
    /// Bytes of a form of their own.
    Bytes,
    /// Of a later version of the format, or of no consequence.
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Seconds,
    Millis,
    Micros,
    Nanos,
}

#[derive(Debug, Default)]
pub(super) struct Group {
    pub rows: i64,
    pub chunks: Vec<Chunk>,
}

/// A column of a row group.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Chunk {
    pub encrypted: bool,
    /// Whether it is in another file.
    pub elsewhere: bool,
    pub physical: i64,
    pub codec: i64,
    pub values: i64,
    pub bytes: i64,
    pub data_page: i64,
    pub dictionary_page: Option<i64>,
}

/// Reads a list, an element by `read`.
fn list<'b, T>(
    from: &mut Compact<'b>,
    kind: Kind,
    read: impl Fn(&mut Compact<'b>) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    let (length, kind) = from.list(kind)?;
    let mut values = Vec::new();
    for _ in 0..length {
        expect(kind, Kind::Struct)?;
        // What the length claims is not reserved before it is there.
        values.try_reserve(1).map_err(|_| Problem::OutOfMemory)?;
        values.push(read(from)?);
    }
    Ok(values)
}

impl Footer {
    pub fn parse(bytes: &[u8]) -> Result<Footer, Fault> {
        let from = &mut Compact::new(bytes);
        let mut footer = Footer::default();
        let mut last = 0;
        while let Some((id, kind)) = from.field(&mut last)? {
            match id {
                2 => footer.schema = list(from, kind, Element::parse)?,
                4 => footer.groups = list(from, kind, Group::parse)?,
                5 => {
                    let said = list(from, kind, pandas)?;
                    let text = || said.iter().map(String::as_str);
                    footer.index = text().flat_map(names_of_index).collect();
                    footer.durations = text().flat_map(durations).collect();
                }
                // Some columns may still be plain: each says whether it is.
                _ => from.skip(kind)?,
            }
        }
        Ok(footer)
    }
}

/// What pandas says of a file in a pair of key and value of its metadata: JSON under its name. Empty of other pairs.
fn pandas(from: &mut Compact<'_>) -> Result<String, Fault> {
    let (mut key, mut value): (&[u8], &[u8]) = (b"", b"");
    let mut last = 0;
    while let Some((id, kind)) = from.field(&mut last)? {
        match id {
            1 => key = from.binary(kind)?,
            2 => value = from.binary(kind)?,
            _ => from.skip(kind)?,
        }
    }
    let text = std::str::from_utf8(value).unwrap_or_default();
    Ok(match key {
        b"pandas" => text.to_owned(),
        _ => String::new(),
    })
}

/// The columns of durations: each has its name before its type.
fn durations(json: &str) -> Vec<(String, Unit)> {
    let mut columns = Vec::new();
    let mut name = "";
    let mut rest = json;
    while let Some((_, behind)) = rest.split_once('"') {
        let Some((key, behind)) = behind.split_once('"') else {
            break;
        };
        rest = behind;
        let value = behind
            .trim_start()
            .strip_prefix(':')
            .and_then(|behind| behind.trim_start().strip_prefix('"'))
            .and_then(|behind| behind.split_once('"'));
        let Some((value, behind)) = value else {
            continue;
        };
        rest = behind;
        let unit = match value {
            "timedelta64[s]" => Unit::Seconds,
            "timedelta64[ms]" => Unit::Millis,
            "timedelta64[us]" => Unit::Micros,
            "timedelta64[ns]" => Unit::Nanos,
            _ => {
                if key == "field_name" {
                    name = value;
                }
                continue;
            }
        };
        if key == "numpy_type" {
            columns.push((name.to_owned(), unit));
        }
    }
    columns
}

/// The strings in the array `index_columns`. Where the index is no column, an object stands there.
fn names_of_index(json: &str) -> Vec<String> {
    let array = json
        .split_once("\"index_columns\"")
        .and_then(|(_, rest)| rest.trim_start().strip_prefix(':'))
        .and_then(|rest| rest.trim_start().strip_prefix('['));
    let mut rest = array.unwrap_or_default().trim_start();
    let mut names = Vec::new();
    while let Some((name, behind)) = rest.strip_prefix('"').and_then(|rest| rest.split_once('"')) {
        names.push(name.to_owned());
        rest = behind.trim_start().trim_start_matches(',').trim_start();
    }
    names
}

impl Element {
    fn parse(from: &mut Compact<'_>) -> Result<Element, Fault> {
        let mut element = Element::default();
        let mut last = 0;
        while let Some((id, kind)) = from.field(&mut last)? {
            match id {
                1 => element.physical = Some(from.integer(kind)?),
                2 => element.type_length = from.integer(kind)?,
                3 => element.repetition = from.integer(kind)?,
                4 => {
                    let name = std::str::from_utf8(from.binary(kind)?);
                    element.name = name.map_err(|_| Problem::NotUtf8)?.to_owned();
                }
                5 => element.children = from.integer(kind)?,
                6 => element.converted = Some(from.integer(kind)?),
                7 => element.scale = from.integer(kind)?,
                10 => element.logical = Logical::parse(from, kind)?,
                _ => from.skip(kind)?,
            }
        }
        Ok(element)
    }

    /// The logical type, also where an older writer says it in the older way.
    pub fn logical(&self) -> Option<Logical> {
        let older = self.converted.map(|code| match code {
            0 | 4 | 19 => Logical::Text,
            1..=3 => Logical::Collection,
            5 => Logical::Decimal { scale: self.scale },
            6 => Logical::Date,
            7 => Logical::Time(Unit::Millis),
            8 => Logical::Time(Unit::Micros),
            9 => Logical::Timestamp(Unit::Millis),
            10 => Logical::Timestamp(Unit::Micros),
            11..=14 => Logical::Integer { signed: false },
            15..=18 => Logical::Integer { signed: true },
            20 | 21 => Logical::Bytes,
            _ => Logical::Other,
        });
        self.logical.or(older)
    }
}

impl Logical {
    /// A union: a struct of one field.
    fn parse(from: &mut Compact<'_>, kind: Kind) -> Result<Option<Logical>, Fault> {
        expect(kind, Kind::Struct)?;
        let mut logical = None;
        let mut last = 0;
        while let Some((id, kind)) = from.field(&mut last)? {
            expect(kind, Kind::Struct)?;
            let details = Details::parse(from)?;
            logical = Some(match id {
                1 | 4 | 12 => Logical::Text,
                2 | 3 => Logical::Collection,
                5 => Logical::Decimal {
                    scale: details.first.unwrap_or(0),
                },
                6 => Logical::Date,
                7 => Logical::Time(details.unit()?),
                8 => Logical::Timestamp(details.unit()?),
                10 => Logical::Integer {
                    signed: details.flag,
                },
                14 => Logical::Uuid,
                15 => Logical::Half,
                13 | 16..=18 => Logical::Bytes,
                _ => Logical::Other,
            });
        }
        Ok(logical)
    }
}

/// The fields that one logical type or another has.
#[derive(Default)]
struct Details {
    first: Option<i64>,
    flag: bool,
    unit: Option<i64>,
}

impl Details {
    fn parse(from: &mut Compact<'_>) -> Result<Details, Fault> {
        let mut details = Details::default();
        let mut last = 0;
        while let Some((id, kind)) = from.field(&mut last)? {
            match (id, kind) {
                (1, Kind::Integer | Kind::Byte) => details.first = Some(from.integer(kind)?),
                (2, Kind::True) => details.flag = true,
                (2, Kind::Struct) => {
                    let mut inner = 0;
                    while let Some((unit, kind)) = from.field(&mut inner)? {
                        details.unit = Some(unit);
                        from.skip(kind)?;
                    }
                }
                _ => from.skip(kind)?,
            }
        }
        Ok(details)
    }

    fn unit(&self) -> Result<Unit, Fault> {
        match self.unit {
            Some(1) => Ok(Unit::Millis),
            Some(2) => Ok(Unit::Micros),
            Some(3) => Ok(Unit::Nanos),
            _ => Err(Fault::Damaged("a column of times has no known unit")),
        }
    }
}

impl Group {
    fn parse(from: &mut Compact<'_>) -> Result<Group, Fault> {
        let mut group = Group::default();
        let mut last = 0;
        while let Some((id, kind)) = from.field(&mut last)? {
            match id {
                1 => group.chunks = list(from, kind, Chunk::parse)?,
                3 => group.rows = from.integer(kind)?,
                _ => from.skip(kind)?,
            }
        }
        Ok(group)
    }
}

impl Chunk {
    fn parse(from: &mut Compact<'_>) -> Result<Chunk, Fault> {
        let mut chunk = Chunk::default();
        let mut last = 0;
        while let Some((id, kind)) = from.field(&mut last)? {
            match id {
                1 => chunk.elsewhere = !from.binary(kind)?.is_empty(),
                3 => {
                    expect(kind, Kind::Struct)?;
                    chunk.parse_metadata(from)?;
                }
                8 => {
                    chunk.encrypted = true;
                    from.skip(kind)?;
                }
                _ => from.skip(kind)?,
            }
        }
        Ok(chunk)
    }

    fn parse_metadata(&mut self, from: &mut Compact<'_>) -> Result<(), Fault> {
        let mut last = 0;
        while let Some((id, kind)) = from.field(&mut last)? {
            match id {
                1 => self.physical = from.integer(kind)?,
                4 => self.codec = from.integer(kind)?,
                5 => self.values = from.integer(kind)?,
                7 => self.bytes = from.integer(kind)?,
                9 => self.data_page = from.integer(kind)?,
                11 => self.dictionary_page = Some(from.integer(kind)?),
                _ => from.skip(kind)?,
            }
        }
        Ok(())
    }

    /// Where its pages begin. Some writers name a dictionary page that is not there.
    pub fn start(&self) -> i64 {
        match self.dictionary_page {
            Some(dictionary) if dictionary > 0 && dictionary < self.data_page => dictionary,
            _ => self.data_page,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_durations_of_pandas_are_found_in_its_metadata() {
        // pandas 3.1: DataFrame.to_parquet
        let json = r#"{"index_columns": [], "column_indexes": [{"name": null, "field_name": null}], "columns": [{"name": "a", "field_name": "a", "pandas_type": "object", "numpy_type": "timedelta64[us]", "metadata": null}, {"name": "b", "field_name": "b", "pandas_type": "int64", "numpy_type": "int64"}]}"#;
        assert_eq!(durations(json), [("a".to_owned(), Unit::Micros)]);
        assert_eq!(durations("{\"field_name\": \"a"), []);
        assert_eq!(durations(""), []);
    }

    #[test]
    fn the_index_of_pandas_is_found_in_its_metadata() {
        for (json, expected) in [
            (
                r#"{"index_columns": ["__index_level_0__", "day"], "columns": ["x"]}"#,
                &["__index_level_0__", "day"][..],
            ),
            (
                r#"{"index_columns": [{"kind": "range", "name": null}], "columns": []}"#,
                &[],
            ),
            (r#"{"index_columns": []}"#, &[]),
            (r#"{"index_columns": ["a"#, &[]),
            ("", &[]),
        ] {
            assert_eq!(names_of_index(json), expected, "{json}");
        }
    }
}
