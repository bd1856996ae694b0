//! JSON (RFC 8259): an array of objects, objects one after another (NDJSON), or Salesforce query results. Nested
//! objects become dotted columns.

mod keys;
mod scan;

use contract::Warning;

use crate::cell::Cell;
use crate::error::{Problem, ReadError};
use crate::format::Kind;
use crate::input::Window;
use crate::number;
use crate::table::Table;
use keys::Keys;
use scan::{Scanner, Stop};

/// Keys of a Salesforce query result that come before its records.
const ENVELOPE: [&[u8]; 6] = [
    b"totalSize",
    b"done",
    b"nextRecordsUrl",
    b"queryLocator",
    b"entityTypeName",
    b"size",
];

#[derive(Debug, Default)]
pub(crate) struct Json {
    keys: Keys,
    place: Place,
    kind: Option<Kind>,
    /// Sum of `totalSize` over the query results.
    total_size: u64,
    rows: u64,
    key: Vec<u8>,
    text: Vec<u8>,
}

/// Between which values of the document the next row is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Top,
    /// In an array of objects, that of a query result or one of its own.
    Array { envelope: bool, first: bool },
    /// Behind the records of a query result.
    EnvelopeEnd,
}

impl Json {
    pub fn restart(&mut self) {
        self.place = Place::Top;
        self.total_size = 0;
        self.rows = 0;
    }

    pub fn kind(&self) -> Kind {
        self.kind.unwrap_or(Kind::Ndjson)
    }

    pub fn warnings(&self) -> Vec<Warning> {
        if self.total_size > self.rows {
            let message = format!(
                "the query has {} records, the dataset {}: further pages are missing",
                self.total_size, self.rows
            );
            vec![Warning::new("pages_missing", message)]
        } else {
            Vec::new()
        }
    }

    /// Reads the complete rows of `window`, and gives how many bytes they take.
    pub fn rows(&mut self, window: Window<'_>, table: &mut Table<'_>) -> Result<usize, ReadError> {
        let mut scanner = Scanner::new(window);
        let mut done = 0;
        loop {
            match self.step(&mut scanner, table) {
                Ok(()) => done = scanner.at,
                Err(Stop::Incomplete) => return Ok(done),
                Err(Stop::Failed(error)) => return Err(table.here(error)),
            }
        }
    }

    /// Reads on to the end of the next row and gives its bytes, and how many of the window are done with; no row when
    /// the window does not hold all of it.
    pub fn next_row<'w>(
        &mut self,
        window: Window<'w>,
        from: usize,
    ) -> Result<(Option<&'w [u8]>, usize), ReadError> {
        let mut scanner = Scanner::new(window);
        scanner.at = from;
        let mut row = Extent(None);
        let mut done = from;
        while row.0.is_none() {
            match self.step(&mut scanner, &mut row) {
                Ok(()) => done = scanner.at,
                Err(Stop::Incomplete) => return Ok((None, done)),
                Err(Stop::Failed(error)) => return Err(error),
            }
        }
        Ok((row.0, done))
    }

    /// Whether the dataset may end here.
    pub fn is_at_top(&self) -> bool {
        self.place == Place::Top
    }

    /// Only white space may be left at the end of a dataset.
    pub fn end(&mut self, rest: Window<'_>, table: &Table<'_>) -> Result<(), ReadError> {
        let text = &rest.bytes[..rest.end];
        if self.place == Place::Top && text.trim_ascii().is_empty() {
            self.rows = table.rows as u64;
            return Ok(());
        }
        let white = text.len() - text.trim_ascii_start().len();
        let offset = rest.offset + white as u64;
        Err(table.here(Problem::JsonTruncated { offset }.into()))
    }

    /// Reads a row, or what opens or closes the list of them. Nothing is changed when it is incomplete.
    fn step<'w>(
        &mut self,
        scanner: &mut Scanner<'w>,
        rows: &mut impl Rows<'w>,
    ) -> Result<(), Stop> {
        match self.place {
            Place::Top => self.top(scanner, rows),
            Place::Array { envelope, first } => {
                match scanner.peek()? {
                    b']' => {
                        scanner.at += 1;
                        self.place = if envelope {
                            Place::EnvelopeEnd
                        } else {
                            Place::Top
                        };
                        return Ok(());
                    }
                    b',' if !first => scanner.at += 1,
                    _ if !first => return Err(scanner.expected("`,` or `]`")),
                    _ => {}
                }
                self.row(scanner, rows)?;
                self.place = Place::Array {
                    envelope,
                    first: false,
                };
                Ok(())
            }
            Place::EnvelopeEnd => {
                let mut total_size = 0;
                loop {
                    match scanner.peek()? {
                        b'}' => break,
                        b',' => scanner.at += 1,
                        _ => return Err(scanner.expected("`,` or `}`")),
                    }
                    total_size += envelope_entry(scanner, &mut self.key)?.unwrap_or(0);
                }
                scanner.at += 1;
                self.total_size += total_size;
                self.place = Place::Top;
                Ok(())
            }
        }
    }

    fn top<'w>(&mut self, scanner: &mut Scanner<'w>, rows: &mut impl Rows<'w>) -> Result<(), Stop> {
        match scanner.peek()? {
            b'[' => {
                scanner.at += 1;
                self.kind.get_or_insert(Kind::JsonArray);
                self.place = Place::Array {
                    envelope: false,
                    first: true,
                };
                Ok(())
            }
            b'{' => {
                let start = scanner.at;
                if let Some(total_size) = self.envelope(scanner)? {
                    self.kind.get_or_insert(Kind::Salesforce);
                    self.total_size += total_size;
                    self.place = Place::Array {
                        envelope: true,
                        first: true,
                    };
                    return Ok(());
                }
                scanner.at = start;
                self.kind.get_or_insert(Kind::Ndjson);
                self.row(scanner, rows)
            }
            _ => Err(scanner.expected("an object or an array of objects")),
        }
    }

    /// Reads on to the records of a query result and gives its `totalSize` as far as it came before them; `None`
    /// when the object is another one.
    fn envelope(&mut self, scanner: &mut Scanner<'_>) -> Result<Option<u64>, Stop> {
        scanner.at += 1;
        let mut total_size = 0;
        loop {
            if scanner.peek()? != b'"' {
                return Ok(None);
            }
            let start = scanner.at;
            let key = scanner.string(&mut self.key)?;
            let is_records = key == b"records";
            if !is_records && !ENVELOPE.contains(&key) {
                return Ok(None);
            }
            scanner.colon()?;
            if is_records {
                let is_array = scanner.peek()? == b'[';
                scanner.at += 1;
                return Ok(is_array.then_some(total_size));
            }
            scanner.at = start;
            total_size += envelope_entry(scanner, &mut self.key)?.unwrap_or(0);
            if scanner.peek()? != b',' {
                return Ok(None);
            }
            scanner.at += 1;
        }
    }

    fn row<'w>(&mut self, scanner: &mut Scanner<'w>, rows: &mut impl Rows<'w>) -> Result<(), Stop> {
        if scanner.peek()? != b'{' {
            return Err(scanner.expected("an object"));
        }
        rows.take(self, scanner)
    }

    /// Takes the values of the object at the scanner into the columns below `node`.
    fn object(
        &mut self,
        node: usize,
        depth: usize,
        scanner: &mut Scanner<'_>,
        table: &mut Table<'_>,
    ) -> Result<(), Stop> {
        scanner.check_depth(depth)?;
        scanner.at += 1;
        self.keys.enter(node);
        if scanner.peek()? == b'}' {
            scanner.at += 1;
            return Ok(());
        }
        loop {
            if scanner.peek()? != b'"' {
                return Err(scanner.expected("a key"));
            }
            let key = scanner.string(&mut self.key)?;
            let child = self.keys.child(node, key)?;
            scanner.colon()?;
            self.value(node, child, depth, scanner, table)?;
            match scanner.peek()? {
                b',' => scanner.at += 1,
                b'}' => break,
                _ => return Err(scanner.expected("`,` or `}`")),
            }
        }
        scanner.at += 1;
        Ok(())
    }

    fn value(
        &mut self,
        node: usize,
        child: usize,
        depth: usize,
        scanner: &mut Scanner<'_>,
        table: &mut Table<'_>,
    ) -> Result<(), Stop> {
        let first = scanner.peek()?;
        let start = scanner.at;
        let cell = match first {
            b'{' => {
                if self.is_salesforce_attributes(node, child, scanner, depth)? {
                    return Ok(());
                }
                scanner.at = start;
                let below = self.keys.node(node, child);
                return self.object(below, depth + 1, scanner, table);
            }
            b'[' => {
                scanner.skip(depth + 1)?;
                Cell::Array
            }
            b'"' => Cell::String(scanner.string(&mut self.text)?),
            _ => match scanner.scalar()? {
                scan::Scalar::Null => Cell::Missing,
                scan::Scalar::Boolean(value) => Cell::Boolean(value),
                scan::Scalar::Number(text) => Cell::Number(text),
                // Python writes these; a string of the same letters counts as unfit in a column of numbers.
                scan::Scalar::NotFinite(text) => Cell::Plain(text),
            },
        };
        let column = self.keys.column(node, child, table)?;
        table.push(column, cell).map_err(Stop::Failed)
    }

    /// Skips the object at the scanner, if it is what Salesforce says about a record: `{"type": …, "url": …}` under
    /// the key `attributes`.
    fn is_salesforce_attributes(
        &mut self,
        node: usize,
        child: usize,
        scanner: &mut Scanner<'_>,
        depth: usize,
    ) -> Result<bool, Stop> {
        if !self.keys.is_attributes(node, child) {
            return Ok(false);
        }
        let start = scanner.at;
        scanner.skip(depth + 1)?;
        let from_query = matches!(self.place, Place::Array { envelope: true, .. });
        let object = scanner.since(start);
        let is_resource = object
            .windows(b"/services/data/".len())
            .any(|part| part == b"/services/data/");
        Ok(from_query || is_resource)
    }
}

/// What becomes of the object at the scanner, a row.
trait Rows<'w> {
    fn take(&mut self, json: &mut Json, scanner: &mut Scanner<'w>) -> Result<(), Stop>;
}

impl<'w> Rows<'w> for Table<'_> {
    fn take(&mut self, json: &mut Json, scanner: &mut Scanner<'w>) -> Result<(), Stop> {
        if self.skips_row() {
            scanner.skip(1)?;
        } else {
            json.object(Keys::ROOT, 1, scanner, self)?;
        }
        self.rows += 1;
        Ok(())
    }
}

/// The bytes of a row.
struct Extent<'w>(Option<&'w [u8]>);

impl<'w> Rows<'w> for Extent<'w> {
    fn take(&mut self, _: &mut Json, scanner: &mut Scanner<'w>) -> Result<(), Stop> {
        let start = scanner.at;
        scanner.skip(1)?;
        self.0 = Some(scanner.since(start));
        Ok(())
    }
}

/// Reads a key and its value in a query result, and gives the value if it is `totalSize`.
fn envelope_entry(scanner: &mut Scanner<'_>, key: &mut Vec<u8>) -> Result<Option<u64>, Stop> {
    if scanner.peek()? != b'"' {
        return Err(scanner.expected("a key"));
    }
    let is_total = scanner.string(key)? == b"totalSize";
    scanner.colon()?;
    scanner.peek()?;
    let start = scanner.at;
    scanner.skip(1)?;
    let value = number::parse::<f32>(scanner.since(start));
    match value {
        number::Parsed::Finite(value) if is_total && value >= 0.0 => Ok(Some(value as u64)),
        _ => Ok(None),
    }
}
