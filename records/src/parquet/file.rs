use std::io::{self, Cursor, Read, SeekFrom};

use super::Fault;
use crate::error::{Problem, ReadError};
use crate::format::{PARQUET as MAGIC, PARQUET_ENCRYPTED as MAGIC_ENCRYPTED};
use crate::input::Input;
use crate::source::{ReadSeek, Source};

/// The length of the footer, and the magic.
const TAIL: usize = 8;

/// A Parquet file that is read anywhere.
pub(super) struct File<'s> {
    reader: Box<dyn ReadSeek + 's>,
    pub length: u64,
    name: String,
}

impl<'s> File<'s> {
    /// Of what can't be read anywhere, such as gzip, all is held.
    pub fn open(mut input: Input<'s>, source: &'s dyn Source) -> Result<Self, ReadError> {
        let name = source.name();
        let seekable = if input.is_gzip() {
            None
        } else {
            source.open_seekable().map_err(|source| Problem::Open {
                name: name.clone(),
                source,
            })?
        };
        let reader = match seekable {
            Some(reader) => reader,
            None => Box::new(Cursor::new(input.rest()?)),
        };
        File::new(reader, name)
    }

    /// A file whose bytes are all there.
    pub fn of(bytes: &'s [u8]) -> Result<Self, ReadError> {
        File::new(Box::new(Cursor::new(bytes)), "the dataset".to_owned())
    }

    fn new(reader: Box<dyn ReadSeek + 's>, name: String) -> Result<Self, ReadError> {
        let mut file = File {
            reader,
            length: 0,
            name,
        };
        let end = file.reader.seek(SeekFrom::End(0));
        file.length = end.map_err(|error| file.problem(error))?;
        Ok(file)
    }

    fn problem(&self, source: io::Error) -> Problem {
        Problem::Read {
            name: self.name.clone(),
            source,
        }
    }

    pub fn seek(&mut self, to: u64) -> Result<(), Problem> {
        let reached = self.reader.seek(SeekFrom::Start(to));
        reached.map(|_| ()).map_err(|error| self.problem(error))
    }

    /// Appends the next `bytes` to `buffer`.
    pub fn read(&mut self, bytes: usize, buffer: &mut Vec<u8>) -> Result<(), Problem> {
        buffer
            .try_reserve_exact(bytes)
            .map_err(|_| Problem::OutOfMemory)?;
        let read = self.reader.as_mut().take(bytes as u64).read_to_end(buffer);
        match read {
            Ok(read) if read == bytes => Ok(()),
            Ok(_) => Err(Problem::Changed),
            Err(error) => Err(self.problem(error)),
        }
    }

    /// The bytes of the footer.
    pub fn footer(&mut self) -> Result<Vec<u8>, ReadError> {
        let before_tail = self.length.checked_sub(TAIL as u64);
        let before_tail = before_tail.ok_or(Problem::ParquetTruncated)?;
        let mut tail = Vec::new();
        self.seek(before_tail)?;
        self.read(TAIL, &mut tail)?;
        let (length, magic) = tail.split_first_chunk().ok_or(Problem::ParquetTruncated)?;
        if magic == MAGIC_ENCRYPTED {
            return Err(Problem::Encrypted.into());
        }
        if magic != MAGIC {
            return Err(Problem::ParquetTruncated.into());
        }
        let length = u32::from_le_bytes(*length);
        let start = before_tail.checked_sub(u64::from(length));
        let Some(start) = start.filter(|start| *start >= MAGIC.len() as u64) else {
            let fault = Fault::Damaged("its footer is longer than the file");
            return Err(fault.problem(None).into());
        };
        let mut footer = Vec::new();
        self.seek(start)?;
        self.read(length as usize, &mut footer)?;
        Ok(footer)
    }
}
