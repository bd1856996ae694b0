//! The bytes of a source, decompressed, a block at a time, within the limits of the options.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use flate2::read::MultiGzDecoder;

use crate::error::{Problem, ReadError};
use crate::format::{BOM, GZIP};
use crate::options::Options;
use crate::source::Source;

/// The least that is read at a time: enough to tell the formats by.
const LEAST_BLOCK: usize = 64;
/// Zeros after the bytes of a window, so that eight bytes can be loaded anywhere in it.
const PADDING: usize = 16;
/// From where on gzip's ratio is looked at: short files may well repeat themselves.
const RATIO_FROM: u64 = 256 << 20;

/// The bytes at hand: `bytes[..end]`, then zeros.
#[derive(Clone, Copy)]
pub(crate) struct Window<'a> {
    pub bytes: &'a [u8],
    pub end: usize,
    /// Where in the dataset `bytes[0]` is.
    pub offset: u64,
}

pub(crate) struct Input<'a> {
    reader: Box<dyn Read + 'a>,
    name: String,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Where in the dataset `buffer[start]` is.
    offset: u64,
    at_end: bool,
    /// Bytes of the dataset, where that is known.
    size: Option<u64>,
    /// Bytes of gzip that were read, when it is gzip.
    compressed: Option<Rc<Cell<u64>>>,
    block: usize,
    max_bytes: u64,
    max_row_bytes: usize,
    max_gzip_ratio: u64,
}

struct Counted<R> {
    reader: R,
    count: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.count.set(self.count.get() + read as u64);
        Ok(read)
    }
}

impl<'a> Input<'a> {
    /// Opens `source`, tells gzip by its first bytes, reads the first block and drops a byte order mark.
    pub fn open(source: &'a dyn Source, options: &Options) -> Result<Self, ReadError> {
        let name = source.name();
        let mut raw = source.open().map_err(|source| Problem::Open {
            name: name.clone(),
            source,
        })?;
        let mut start = Vec::with_capacity(GZIP.len());
        raw.by_ref()
            .take(GZIP.len() as u64)
            .read_to_end(&mut start)
            .map_err(|source| Problem::Read {
                name: name.clone(),
                source,
            })?;
        let gzip = start == GZIP;
        let whole = io::Cursor::new(start).chain(raw);
        let count = Rc::new(Cell::new(0));
        let reader: Box<dyn Read + 'a> = if gzip {
            Box::new(MultiGzDecoder::new(Counted {
                reader: whole,
                count: Rc::clone(&count),
            }))
        } else {
            Box::new(whole)
        };
        let mut input = Input {
            reader,
            name,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            offset: 0,
            at_end: false,
            size: if gzip { None } else { source.size() },
            compressed: gzip.then_some(count),
            block: options.block_bytes.max(LEAST_BLOCK),
            max_bytes: options.max_bytes,
            max_row_bytes: options.max_row_bytes,
            max_gzip_ratio: options.max_gzip_ratio,
        };
        input.refill()?;
        if input.window().bytes.starts_with(&BOM) {
            input.consume(BOM.len());
        }
        // The format is told by the first byte that is not white space.
        while input.is_blank() && !input.at_end {
            input.consume(input.end - input.start);
            input.refill()?;
        }
        Ok(input)
    }

    fn is_blank(&self) -> bool {
        self.buffer[self.start..self.end].trim_ascii().is_empty()
    }

    /// Gives no more than `max_bytes` bytes.
    pub fn limit(&mut self, max_bytes: u64) -> Result<(), ReadError> {
        self.max_bytes = self.max_bytes.min(max_bytes);
        self.check_limits()
    }

    pub fn is_gzip(&self) -> bool {
        self.compressed.is_some()
    }

    pub fn window(&self) -> Window<'_> {
        Window {
            bytes: &self.buffer[self.start..self.end + PADDING],
            end: self.end - self.start,
            offset: self.offset,
        }
    }

    /// The bytes at hand.
    pub fn text(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Whether the window reaches to the end of the dataset.
    pub fn at_end(&self) -> bool {
        self.at_end
    }

    pub fn offset(&self) -> u64 {
        self.offset
    }

    pub fn size(&self) -> Option<u64> {
        self.size
    }

    pub fn consume(&mut self, bytes: usize) {
        self.start += bytes;
        self.offset += bytes as u64;
    }

    /// All bytes from here on.
    pub fn rest(&mut self) -> Result<Vec<u8>, ReadError> {
        let mut rest = Vec::new();
        loop {
            let bytes = &self.buffer[self.start..self.end];
            rest.try_reserve(bytes.len())
                .map_err(|_| Problem::OutOfMemory)?;
            rest.extend_from_slice(bytes);
            self.consume(self.end - self.start);
            if self.at_end {
                return Ok(rest);
            }
            self.refill()?;
        }
    }

    /// Ends the last line where the dataset does not, so that all rows end alike.
    pub fn end_last_line(&mut self) {
        if self.at_end && self.end > self.start && self.buffer[self.end - 1] != b'\n' {
            self.buffer[self.end] = b'\n';
            self.end += 1;
            self.buffer.push(0);
        }
    }

    /// Keeps what was not consumed and reads on behind it, a block or to the end.
    pub fn refill(&mut self) -> Result<(), ReadError> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end > self.max_row_bytes {
            let limit = self.max_row_bytes;
            return Err(Problem::RowTooLong { limit }.into());
        }
        // A row that fills half of a block wants a longer one; doubling keeps the copying linear.
        let room = self
            .block
            .max(2 * self.end)
            .min(self.max_row_bytes + self.block);
        if self.buffer.len() < room + PADDING {
            let more = room + PADDING - self.buffer.len();
            self.buffer
                .try_reserve_exact(more)
                .map_err(|_| Problem::OutOfMemory)?;
            self.buffer.resize(room + PADDING, 0);
        }
        let full = self.buffer.len() - PADDING;
        while self.end < full && !self.at_end {
            let read = self.read_some(full)?;
            self.end += read;
            self.at_end = read == 0;
        }
        self.buffer[self.end..self.end + PADDING].fill(0);
        self.check_limits()
    }

    fn read_some(&mut self, full: usize) -> Result<usize, ReadError> {
        loop {
            match self.reader.read(&mut self.buffer[self.end..full]) {
                Ok(read) => return Ok(read),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.read_error(error).into()),
            }
        }
    }

    fn read_error(&self, error: io::Error) -> Problem {
        match error.kind() {
            io::ErrorKind::UnexpectedEof if self.is_gzip() => Problem::GzipTruncated,
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData if self.is_gzip() => {
                Problem::GzipDamaged(error.to_string())
            }
            _ => Problem::Read {
                name: self.name.clone(),
                source: error,
            },
        }
    }

    fn check_limits(&self) -> Result<(), ReadError> {
        let given = self.offset + self.end as u64;
        if given > self.max_bytes {
            let limit = self.max_bytes;
            return Err(Problem::TooManyBytes { limit }.into());
        }
        if let Some(compressed) = &self.compressed
            && given > RATIO_FROM
            && given / compressed.get().max(1) > self.max_gzip_ratio
        {
            let limit = self.max_gzip_ratio;
            return Err(Problem::GzipRatio { limit }.into());
        }
        Ok(())
    }
}
