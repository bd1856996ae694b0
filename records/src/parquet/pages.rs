//! The pages of a column in a row group, one after another.

use super::budget::Budget;
use super::codec::Codec;
use super::footer::Chunk;
use super::thrift::{Compact, Kind, expect};
use super::{Fault, File};
use crate::error::Problem;

/// How many bytes are read at a time, where a page does not ask for more.
const BLOCK: usize = 64 << 10;
/// The most bytes of a page's header: it may hold the least and the largest text of the page.
const MOST_OF_A_HEADER: usize = 16 << 20;

pub(super) struct Pages<'f, 's> {
    file: &'f mut File<'s>,
    codec: Codec,
    /// Bytes of the chunk that are not in the buffer yet.
    left: u64,
    buffer: Vec<u8>,
    at: usize,
}

/// A page, decompressed.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub is_dictionary: bool,
    pub bytes: Vec<u8>,
    /// Missing ones too.
    pub values: usize,
    pub encoding: i64,
    /// Where the levels are, in bytes, when the header says it.
    pub levels: Option<Levels>,
    /// How the levels are encoded, when their bytes say where they are.
    pub level_encoding: i64,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Levels {
    pub repetition: usize,
    pub definition: usize,
}

impl<'f, 's> Pages<'f, 's> {
    pub fn new(file: &'f mut File<'s>, chunk: &Chunk) -> Result<Self, Fault> {
        let codec = Codec::of(chunk.codec)?;
        let start = u64::try_from(chunk.start());
        let bytes = u64::try_from(chunk.bytes);
        let (Ok(start), Ok(left)) = (start, bytes) else {
            return Err(Fault::Damaged("a column is at a place below zero"));
        };
        if start.checked_add(left).is_none_or(|end| end > file.length) {
            return Err(Fault::Damaged("a column is behind the end of the file"));
        }
        file.seek(start)?;
        Ok(Pages {
            file,
            codec,
            left,
            buffer: Vec::new(),
            at: 0,
        })
    }

    /// The next page that holds values, taken from `budget`; `None` at the end of the chunk.
    pub fn next(&mut self, budget: &mut Budget) -> Result<Option<Page>, Fault> {
        loop {
            if self.at == self.buffer.len() && self.left == 0 {
                return Ok(None);
            }
            let header = self.header()?;
            let compressed = length(header.compressed)?;
            self.fill(compressed)?;
            let from = self.at;
            self.at += compressed;
            if header.is_known() {
                return self.page(&header, from, budget).map(Some);
            }
        }
    }

    fn header(&mut self) -> Result<Header, Fault> {
        loop {
            let mut from = Compact::new(&self.buffer[self.at..]);
            match Header::parse(&mut from) {
                Ok(header) => {
                    self.at += from.at();
                    return Ok(header);
                }
                Err(Fault::EndsEarly) if self.left > 0 => {
                    let there = self.buffer.len() - self.at;
                    if there > MOST_OF_A_HEADER {
                        return Err(Fault::Damaged("the header of a page has no end"));
                    }
                    let more = (there as u64).max(BLOCK as u64).min(self.left);
                    self.fill(there + more as usize)?;
                }
                Err(fault) => return Err(fault),
            }
        }
    }

    /// Makes at least `bytes` of the chunk available.
    fn fill(&mut self, bytes: usize) -> Result<(), Fault> {
        let there = self.buffer.len() - self.at;
        let Some(missing) = bytes.checked_sub(there).filter(|missing| *missing > 0) else {
            return Ok(());
        };
        if missing as u64 > self.left {
            return Err(Fault::EndsEarly);
        }
        self.buffer.drain(..self.at);
        self.at = 0;
        let read = (missing.max(BLOCK) as u64).min(self.left);
        self.file.read(read as usize, &mut self.buffer)?;
        self.left -= read;
        Ok(())
    }

    /// The page whose bytes begin at `from` in the buffer.
    fn page(&self, header: &Header, from: usize, budget: &mut Budget) -> Result<Page, Fault> {
        let bytes = &self.buffer[from..self.at];
        let size = length(header.uncompressed)?;
        budget.take(size as u64)?;
        let mut page = Page {
            is_dictionary: header.kind == DICTIONARY,
            values: length(header.values)?,
            encoding: header.encoding,
            level_encoding: header.level_encoding,
            ..Page::default()
        };
        // In pages of the second version the levels are not compressed.
        let mut codec = self.codec;
        let mut plain = 0;
        if header.kind == DATA_2 {
            let levels = Levels {
                repetition: length(header.repetition_bytes)?,
                definition: length(header.definition_bytes)?,
            };
            plain = levels.repetition.saturating_add(levels.definition);
            page.levels = Some(levels);
            if !header.is_compressed {
                codec = Codec::Uncompressed;
            }
        }
        let (levels, rest) = bytes.split_at_checked(plain).ok_or(Fault::EndsEarly)?;
        let size_of_rest = size.checked_sub(plain).ok_or(Fault::EndsEarly)?;
        page.bytes
            .try_reserve_exact(plain)
            .map_err(|_| Problem::OutOfMemory)?;
        page.bytes.extend_from_slice(levels);
        codec.decompress(rest, size_of_rest, &mut page.bytes)?;
        Ok(page)
    }
}

const DATA: i64 = 0;
const DICTIONARY: i64 = 2;
const DATA_2: i64 = 3;

/// What is said before a page.
#[derive(Debug, Default)]
struct Header {
    kind: i64,
    uncompressed: i64,
    compressed: i64,
    values: i64,
    encoding: i64,
    level_encoding: i64,
    definition_bytes: i64,
    repetition_bytes: i64,
    is_compressed: bool,
}

impl Header {
    /// Whether it is a page of values; of indices, and of kinds to come, readers pass over.
    fn is_known(&self) -> bool {
        matches!(self.kind, DATA | DICTIONARY | DATA_2)
    }

    fn parse(from: &mut Compact<'_>) -> Result<Header, Fault> {
        let mut header = Header {
            is_compressed: true,
            ..Header::default()
        };
        let mut last = 0;
        while let Some((id, kind)) = from.field(&mut last)? {
            match id {
                1 => header.kind = from.integer(kind)?,
                2 => header.uncompressed = from.integer(kind)?,
                3 => header.compressed = from.integer(kind)?,
                5 | 7 | 8 => {
                    expect(kind, Kind::Struct)?;
                    header.parse_kind(from, id)?;
                }
                _ => from.skip(kind)?,
            }
        }
        Ok(header)
    }

    /// The fields of a data page (5), of a dictionary (7), or of a data page of the second version (8).
    fn parse_kind(&mut self, from: &mut Compact<'_>, page: i64) -> Result<(), Fault> {
        let mut last = 0;
        while let Some((id, kind)) = from.field(&mut last)? {
            match (page, id) {
                (_, 1) => self.values = from.integer(kind)?,
                (5 | 7, 2) | (8, 4) => self.encoding = from.integer(kind)?,
                (5, 3) => self.level_encoding = from.integer(kind)?,
                (8, 5) => self.definition_bytes = from.integer(kind)?,
                (8, 6) => self.repetition_bytes = from.integer(kind)?,
                (8, 7) => self.is_compressed = kind != Kind::False,
                _ => from.skip(kind)?,
            }
        }
        Ok(())
    }
}

/// A length or count of a header: an i32 in all of them.
fn length(value: i64) -> Result<usize, Fault> {
    match i32::try_from(value).map(usize::try_from) {
        Ok(Ok(length)) => Ok(length),
        _ => Err(Fault::Damaged("a page has no valid length")),
    }
}
