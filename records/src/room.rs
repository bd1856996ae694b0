//! Columns grow to what the dataset will need, and say so when the memory does not hold it.

use crate::error::Problem;

/// How long the columns are expected to get.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Room {
    expected_rows: usize,
}

impl Room {
    /// Expects the rest of the dataset to be like what was read of it: `rows` in `read` of `size` bytes.
    pub fn after(rows: usize, read: u64, size: Option<u64>) -> Room {
        let expected_rows = match size {
            Some(size) if read > 0 => {
                let share = size.max(read) as f64 / read as f64;
                // Two per cent more, so that an ordinary fluctuation does not copy every column at the end.
                (rows as f64 * share * 1.02) as usize + 1
            }
            _ => 0,
        };
        Room { expected_rows }
    }

    pub fn of(expected_rows: usize) -> Room {
        Room { expected_rows }
    }

    #[inline(always)]
    pub fn push<T>(self, values: &mut Vec<T>, value: T) -> Result<(), Problem> {
        if values.len() == values.capacity() {
            self.grow(values, values.len() + 1)?;
        }
        values.push(value);
        Ok(())
    }

    /// Makes `values` `length` long, filled with `missing`.
    pub fn pad<T: Clone>(
        self,
        values: &mut Vec<T>,
        length: usize,
        missing: T,
    ) -> Result<(), Problem> {
        if values.len() < length {
            if values.capacity() < length {
                self.grow(values, length)?;
            }
            values.resize(length, missing);
        }
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn grow<T>(self, values: &mut Vec<T>, least: usize) -> Result<(), Problem> {
        let length = values.len();
        // Where the size is not known, or the expectation was too low, in steps of a quarter: doubling would
        // leave half of the memory unused in the worst case.
        let step = length + length / 4 + 64;
        let wanted = least.max(self.expected_rows).max(step);
        values
            .try_reserve_exact(wanted - length)
            .or_else(|_| values.try_reserve_exact(least.max(length + length / 16) - length))
            .map_err(|_| Problem::OutOfMemory)
    }
}

/// Gives back what was reserved and is not needed, where that is worth a copy.
pub(crate) fn trim<T>(mut values: Vec<T>) -> Vec<T> {
    if values.capacity() - values.len() > values.len() / 16 {
        values.shrink_to_fit();
    }
    values
}
