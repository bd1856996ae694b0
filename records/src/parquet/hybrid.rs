//! Runs of equal and packs of small integers: levels, indices into a dictionary, booleans.

use super::Fault;
use super::thrift::varint;

/// Reads integers of up to 32 bits one after another.
#[derive(Debug)]
pub(super) struct Hybrid<'b> {
    bytes: &'b [u8],
    /// Where the next run begins.
    at: usize,
    width: u32,
    run: Run,
}

#[derive(Debug)]
enum Run {
    Equal { value: u32, left: u64 },
    Packed { bit: usize, left: u64 },
}

impl<'b> Hybrid<'b> {
    pub fn new(bytes: &'b [u8], width: u32) -> Result<Self, Fault> {
        if width > 32 {
            return Err(Fault::Damaged("an index or level is wider than 32 bits"));
        }
        Ok(Hybrid {
            bytes,
            at: 0,
            width,
            run: Run::Equal { value: 0, left: 0 },
        })
    }

    /// Reads what begins with its length in four bytes, and gives the bytes behind it.
    pub fn with_length(bytes: &'b [u8], width: u32) -> Result<(Self, &'b [u8]), Fault> {
        let (length, rest) = bytes.split_first_chunk().ok_or(Fault::EndsEarly)?;
        let length = u32::from_le_bytes(*length) as usize;
        let (runs, rest) = rest.split_at_checked(length).ok_or(Fault::EndsEarly)?;
        Ok((Hybrid::new(runs, width)?, rest))
    }

    #[inline]
    pub fn next(&mut self) -> Result<u32, Fault> {
        loop {
            match &mut self.run {
                Run::Equal { left: 0, .. } | Run::Packed { left: 0, .. } => {}
                Run::Equal { value, left } => {
                    *left -= 1;
                    return Ok(*value);
                }
                Run::Packed { bit, left } => {
                    *left -= 1;
                    let value = bits(self.bytes, *bit, self.width);
                    *bit += self.width as usize;
                    return Ok(value as u32);
                }
            }
            self.next_run()?;
        }
    }

    fn next_run(&mut self) -> Result<(), Fault> {
        let header = varint(self.bytes, &mut self.at)?;
        let rest = self.bytes.len() - self.at;
        self.run = if header & 1 == 1 {
            let (start, groups) = (self.at, header >> 1);
            let bytes = groups.saturating_mul(u64::from(self.width));
            // Some writers cut the padding of the last pack off.
            let there = bytes.min(rest as u64) as usize;
            self.at += there;
            let left = match self.width {
                0 => groups.saturating_mul(8),
                width => (there as u64 * 8) / u64::from(width),
            };
            Run::Packed {
                bit: start * 8,
                left,
            }
        } else {
            let length = self.width.div_ceil(8) as usize;
            let end = self.at + length;
            let value = self.bytes.get(self.at..end).ok_or(Fault::EndsEarly)?;
            self.at = end;
            let mut whole = [0; 4];
            whole[..length].copy_from_slice(value);
            Run::Equal {
                value: u32::from_le_bytes(whole),
                left: header >> 1,
            }
        };
        Ok(())
    }
}

/// The `width` bits from `bit` on, up to 57 of them; those behind the end are 0.
#[inline]
pub(super) fn bits(bytes: &[u8], bit: usize, width: u32) -> u64 {
    let from = bytes.get(bit / 8..).unwrap_or_default();
    let chunk = match from.first_chunk() {
        Some(chunk) => u64::from_le_bytes(*chunk),
        None => {
            let mut chunk = [0; 8];
            chunk[..from.len()].copy_from_slice(from);
            u64::from_le_bytes(chunk)
        }
    };
    (chunk >> (bit % 8)) & ((1 << width) - 1)
}

/// How many bits a level of up to `most` takes.
pub(super) fn width_of(most: u32) -> u32 {
    u32::BITS - most.leading_zeros()
}
