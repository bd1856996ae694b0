//! Sums of gradients and Hessians for each bin of each column (Ke et al. 2017, algorithm 1).

use super::Sums;
use crate::learners::builtin::bins::{Bins, MISSING};

/// All codes that a bin can have, the missing one included.
const CODES: usize = MISSING as usize + 1;
/// Columns whose bins lie side by side, at most: the sums of so many fit into the cache.
const WIDEST: usize = 24;
/// So many columns are gone through at once.
const STEP: usize = 4;
/// Rows that are added up in 32 bits: fewer than 2^13 numbers below 2^18 (gradients) or 2^19 (Hessians).
const BLOCK: usize = 8191;
/// Rows whose bins are fetched before they are added up: the processor waits for many of them at once.
const AHEAD: usize = 32;

/// A gradient in the upper 32 bits, a Hessian, which is not negative, in the lower ones: one addition adds both.
#[inline(always)]
pub(super) fn pack(gradient: i32, hessian: i32) -> i64 {
    (i64::from(gradient) << 32) | i64::from(hessian as u32)
}

/// The bins of all columns, row by row, some columns side by side: a row's bins are read at once.
pub(super) struct Rows {
    tiles: Vec<Tile>,
    /// Where each column's sums begin in a histogram; the missing bin's stand behind those of `counts` others.
    pub starts: Vec<usize>,
    pub counts: Vec<usize>,
    /// Sums in a histogram.
    pub length: usize,
    /// Packed sums of a tile's columns, all 0 between uses.
    sums: Vec<[i64; CODES]>,
}

struct Tile {
    columns: std::ops::Range<usize>,
    /// Bins a row, a multiple of [`STEP`].
    width: usize,
    codes: Vec<u8>,
}

impl Rows {
    pub fn new(bins: &Bins, rows: usize) -> Self {
        let columns = bins.columns.len();
        let tiles = columns.div_ceil(WIDEST).max(1);
        let per_tile = columns.div_ceil(tiles).max(1);
        let tiles = (0..columns)
            .step_by(per_tile)
            .map(|first| Tile::new(bins, rows, first..(first + per_tile).min(columns)))
            .collect();
        let mut starts = Vec::with_capacity(columns);
        let mut length = 0;
        for column in &bins.columns {
            starts.push(length);
            length += column.count + 1;
        }
        Rows {
            tiles,
            starts,
            counts: bins.columns.iter().map(|column| column.count).collect(),
            length,
            sums: vec![[0; CODES]; WIDEST],
        }
    }

    /// Sums up `rows`, whose packed gradients and Hessians are in `packed` by their number, into `histogram`. Of columns
    /// that are not `used` it may leave sums out.
    pub fn add_up(
        &mut self,
        rows: &[u32],
        packed: &[i64],
        used: &[bool],
        histogram: &mut Vec<Sums>,
    ) {
        histogram.clear();
        histogram.resize(self.length, [0.0; 2]);
        for tile in &self.tiles {
            if !used[tile.columns.clone()].contains(&true) {
                continue;
            }
            for block in rows.chunks(BLOCK) {
                tile.add(block, packed, &mut self.sums);
                let columns = tile.columns.clone().zip(&mut self.sums);
                for (column, sums) in columns {
                    let (start, count) = (self.starts[column], self.counts[column]);
                    unpack(&mut histogram[start..=start + count], sums, count);
                }
                // Padding has gathered something, too.
                for sums in &mut self.sums[tile.columns.len()..tile.width] {
                    sums[0] = 0;
                }
            }
        }
    }
}

/// Adds packed sums to a column's, and leaves 0 behind.
fn unpack(histogram: &mut [Sums], sums: &mut [i64; CODES], count: usize) {
    let missing = usize::from(MISSING);
    if let Some(last) = histogram.last_mut() {
        add_packed(last, sums[missing]);
        sums[missing] = 0;
    }
    for (to, from) in histogram[..count].iter_mut().zip(&mut sums[..count]) {
        add_packed(to, *from);
        *from = 0;
    }
}

#[inline(always)]
fn add_packed(to: &mut Sums, packed: i64) {
    to[0] += f64::from((packed >> 32) as i32);
    to[1] += f64::from(packed as u32);
}

impl Tile {
    fn new(bins: &Bins, rows: usize, columns: std::ops::Range<usize>) -> Self {
        let width = columns.len().next_multiple_of(STEP);
        let mut codes = vec![0; rows * width];
        // Blocks of rows: their place in the tile stays in the cache while column after column is copied in.
        for (block, part) in codes.chunks_mut(256 * width).enumerate() {
            for (place, column) in bins.columns[columns.clone()].iter().enumerate() {
                let from = &column.codes[block * 256..];
                for (row, code) in part.chunks_exact_mut(width).zip(from) {
                    row[place] = *code;
                }
            }
        }
        Tile {
            columns,
            width,
            codes,
        }
    }

    fn add(&self, rows: &[u32], packed: &[i64], sums: &mut [[i64; CODES]]) {
        // Widths that the compiler knows: it unrolls the loop over a row's bins.
        match self.width / STEP {
            1 => add::<4>(&self.codes, rows, packed, sums),
            2 => add::<8>(&self.codes, rows, packed, sums),
            3 => add::<12>(&self.codes, rows, packed, sums),
            4 => add::<16>(&self.codes, rows, packed, sums),
            5 => add::<20>(&self.codes, rows, packed, sums),
            _ => add::<24>(&self.codes, rows, packed, sums),
        }
    }
}

fn add<const WIDTH: usize>(codes: &[u8], rows: &[u32], packed: &[i64], sums: &mut [[i64; CODES]]) {
    let (codes, _) = codes.as_chunks::<WIDTH>();
    let Some(sums) = sums.first_chunk_mut::<WIDTH>() else {
        return;
    };
    let mut near = [([0; WIDTH], 0); AHEAD];
    for rows in rows.chunks(AHEAD) {
        let (fours, rest) = rows.as_chunks::<4>();
        let (near_fours, near_rest) = near[..rows.len()].as_chunks_mut::<4>();
        let fetch = |row: u32| (codes[row as usize], packed[row as usize]);
        for (near, rows) in near_fours.iter_mut().zip(fours) {
            *near = rows.map(fetch);
        }
        for (near, row) in near_rest.iter_mut().zip(rest) {
            *near = fetch(*row);
        }
        for (codes, packed) in &near[..rows.len()] {
            for (sums, code) in sums.iter_mut().zip(codes) {
                sums[usize::from(*code)] += packed;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learners::random::Random;
    use crate::learners::{Feature, Features, Kind};

    #[test]
    fn sums_are_those_of_the_rows_whatever_the_number_of_columns() {
        let rows = 20_000;
        let mut random = Random::new(1, 0);
        let packed: Vec<(i32, i32)> = (0..rows)
            .map(|_| {
                (
                    random.below(1 << 19) as i32 - (1 << 18) + 1,
                    random.below(1 << 19) as i32,
                )
            })
            .map(|(gradient, hessian)| (gradient.min((1 << 18) - 1), hessian))
            .collect();
        for columns in [1, 4, 21, 30] {
            let features = Features {
                rows,
                columns: (0..columns)
                    .map(|column| Feature {
                        name: column.to_string(),
                        kind: Kind::Number,
                        values: (0..rows)
                            .map(|_| match random.below(7) {
                                0 => f32::NAN,
                                _ => random.below(300 * column + 2) as f32,
                            })
                            .collect(),
                    })
                    .collect(),
            };
            let bins = Bins::new(&features, &mut random);
            let mut table = Rows::new(&bins, rows);
            let chosen: Vec<u32> = (0..rows as u32).filter(|row| row % 3 != 1).collect();
            let numbers: Vec<i64> = packed.iter().map(|(g, h)| pack(*g, *h)).collect();
            let mut histogram = Vec::new();
            // Twice: nothing stays behind.
            for _ in 0..2 {
                let used = vec![true; columns as usize];
                table.add_up(&chosen, &numbers, &used, &mut histogram);
            }
            for (index, column) in bins.columns.iter().enumerate() {
                let mut expected = vec![[0.0; 2]; column.count + 1];
                for row in &chosen {
                    let code = usize::from(column.codes[*row as usize]).min(column.count);
                    expected[code][0] += f64::from(packed[*row as usize].0);
                    expected[code][1] += f64::from(packed[*row as usize].1);
                }
                let start = table.starts[index];
                assert_eq!(
                    histogram[start..start + expected.len()],
                    expected,
                    "{columns}"
                );
            }
        }
    }
}
