//! Integers as differences of each from the one before, in blocks of small ones.

use super::Fault;
use super::hybrid::bits;
use super::thrift::{varint, zigzag};
use crate::error::Problem;

/// Far above what writers use (128 to 4096), and small enough for its arithmetic.
const MOST_VALUES_OF_A_BLOCK: u64 = 1 << 24;

#[derive(Debug)]
pub(super) struct Delta<'b> {
    bytes: &'b [u8],
    at: usize,
    miniblocks: usize,
    values_of_miniblock: usize,
    /// Values that were not given yet.
    left: u64,
    is_first: bool,
    value: i64,
    least: i64,
    /// Bits of a value in each miniblock of this block that is still to come.
    widths: &'b [u8],
    bit: usize,
    width: u32,
    left_in_miniblock: usize,
}

impl<'b> Delta<'b> {
    pub fn new(bytes: &'b [u8]) -> Result<Self, Fault> {
        let mut at = 0;
        let block = varint(bytes, &mut at)?;
        let miniblocks = varint(bytes, &mut at)?;
        let left = varint(bytes, &mut at)?;
        let value = zigzag(varint(bytes, &mut at)?);
        if miniblocks == 0
            || block > MOST_VALUES_OF_A_BLOCK
            || !block.is_multiple_of(miniblocks)
            || !(block / miniblocks).is_multiple_of(8)
            || block == 0
        {
            return Err(Fault::Damaged("a block of differences has no valid size"));
        }
        Ok(Delta {
            bytes,
            at,
            miniblocks: miniblocks as usize,
            values_of_miniblock: (block / miniblocks) as usize,
            left,
            is_first: true,
            value,
            least: 0,
            widths: &[],
            bit: 0,
            width: 0,
            left_in_miniblock: 0,
        })
    }

    #[inline]
    pub fn next(&mut self) -> Result<i64, Fault> {
        self.left = self.left.checked_sub(1).ok_or(Fault::EndsEarly)?;
        if self.is_first {
            self.is_first = false;
            return Ok(self.value);
        }
        if self.left_in_miniblock == 0 {
            self.next_miniblock()?;
        }
        self.left_in_miniblock -= 1;
        let end = self.bit + self.width as usize;
        if end > self.bytes.len() * 8 {
            return Err(Fault::EndsEarly);
        }
        // Up to 64 bits, in two parts.
        let low = self.width.min(32);
        let difference = bits(self.bytes, self.bit, low)
            | bits(self.bytes, self.bit + low as usize, self.width - low) << (low % 64);
        self.bit = end;
        self.value = self
            .value
            .wrapping_add(self.least)
            .wrapping_add(difference as i64);
        Ok(self.value)
    }

    fn next_miniblock(&mut self) -> Result<(), Fault> {
        if self.widths.is_empty() {
            self.least = zigzag(varint(self.bytes, &mut self.at)?);
            let end = self.at.saturating_add(self.miniblocks);
            self.widths = self.bytes.get(self.at..end).ok_or(Fault::EndsEarly)?;
            self.at = end;
        }
        let (&width, rest) = self.widths.split_first().ok_or(Fault::EndsEarly)?;
        if width > 64 {
            return Err(Fault::Damaged("a difference is wider than 64 bits"));
        }
        self.widths = rest;
        self.width = u32::from(width);
        self.bit = self.at * 8;
        self.at += self.values_of_miniblock / 8 * usize::from(width);
        // The padding of the last one may be missing.
        self.at = self.at.min(self.bytes.len());
        self.left_in_miniblock = self.values_of_miniblock;
        Ok(())
    }

    /// All values, of which there may be `most`, as lengths; and the bytes behind them.
    pub fn lengths(mut self, most: usize) -> Result<(Vec<usize>, &'b [u8]), Fault> {
        if self.left > most as u64 {
            return Err(Fault::Damaged("a page has more lengths than values"));
        }
        let mut lengths = Vec::new();
        lengths
            .try_reserve_exact(self.left as usize)
            .map_err(|_| Problem::OutOfMemory)?;
        while self.left > 0 {
            let length = usize::try_from(self.next()?);
            lengths.push(length.map_err(|_| Fault::Damaged("a length is below zero"))?);
        }
        Ok((lengths, &self.bytes[self.at..]))
    }
}
