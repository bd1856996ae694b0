//! Held-out rows that were trained on: copies of a training row.

use contract::Warning;
use records::Floats;

use super::Parts;
use crate::table::{Cells, Column, TargetColumn, TargetValues};

/// From this share of the held-out rows on, copies are warned of.
const WARNED_OF: f64 = 0.05;
/// Rows that are hashed at a time, column by column.
const BLOCK: usize = 1 << 12;
/// Columns by which most training rows are told from every held-out row.
const PROBED: usize = 3;
/// Places in a table of hashes for each held-out row.
const SLOTS: usize = 8;

/// What makes two rows equal: every column that is learned from, and the target. All missing cells are equal.
pub struct Compared<'a> {
    pub columns: Vec<&'a Column>,
    pub target: &'a TargetColumn,
}

/// Held-out rows that are equal to each other.
struct Group {
    hash: u64,
    row: u32,
    count: usize,
    is_trained_on: bool,
}

impl Compared<'_> {
    /// How many held-out rows equal a training row. Rows are told apart by a hash, and compared where it is equal.
    #[must_use]
    pub fn duplicates(&self, parts: &Parts) -> usize {
        let mut groups = self.groups(&parts.held_out);
        let candidates = self.candidates(parts);
        self.each_hash(&self.columns, &candidates, |row, hash| {
            let first = groups.partition_point(|group| group.hash < hash);
            for group in groups[first..].iter_mut() {
                if group.hash != hash {
                    break;
                }
                group.is_trained_on = group.is_trained_on || self.equal(row, group.row);
            }
        });
        let found = groups.iter().filter(|group| group.is_trained_on);
        found.map(|group| group.count).sum()
    }

    /// Training rows that may equal a held-out row: a few columns tell most of the others, at a fraction of the work.
    fn candidates(&self, parts: &Parts) -> Vec<u32> {
        let step = self.columns.len().div_ceil(PROBED).max(1);
        let probed: Vec<&Column> = self.columns.iter().copied().step_by(step).collect();
        let slots = (parts.held_out.len() * SLOTS).next_power_of_two();
        let slot = |hash: u64| (hash >> 32) as usize & (slots - 1);
        let mut seen = vec![false; slots];
        self.each_hash(&probed, &parts.held_out, |_, hash| seen[slot(hash)] = true);
        let mut candidates = Vec::new();
        self.each_hash(&probed, &parts.train, |row, hash| {
            if seen[slot(hash)] {
                candidates.push(row);
            }
        });
        candidates
    }

    /// Groups of equal rows, by hash.
    fn groups(&self, rows: &[u32]) -> Vec<Group> {
        let mut hashed = Vec::with_capacity(rows.len());
        self.each_hash(&self.columns, rows, |row, hash| hashed.push((hash, row)));
        hashed.sort_unstable();
        let mut groups: Vec<Group> = Vec::new();
        for (hash, row) in hashed {
            let mut alike = groups
                .iter_mut()
                .rev()
                .take_while(|group| group.hash == hash);
            match alike.find(|group| self.equal(row, group.row)) {
                Some(group) => group.count += 1,
                None => groups.push(Group {
                    hash,
                    row,
                    count: 1,
                    is_trained_on: false,
                }),
            }
        }
        groups
    }

    /// The hash of each row's cells in `columns` and of its target.
    fn each_hash(&self, columns: &[&Column], rows: &[u32], mut each: impl FnMut(u32, u64)) {
        let mut hashes = Vec::with_capacity(BLOCK);
        for block in rows.chunks(BLOCK) {
            hashes.clear();
            hashes.resize(block.len(), 0);
            for column in columns {
                match &column.cells {
                    Cells::Numbers(values) => mix_numbers(&mut hashes, block, values),
                    Cells::Text(text) => mix(&mut hashes, block, |row| text.codes[row].into()),
                }
            }
            match &self.target.values {
                TargetValues::Classes(codes) => mix(&mut hashes, block, |row| codes[row].into()),
                TargetValues::Numbers(values) => mix_numbers(&mut hashes, block, values),
            }
            for (row, hash) in block.iter().zip(&hashes) {
                each(*row, *hash);
            }
        }
    }

    fn equal(&self, left: u32, right: u32) -> bool {
        let (left, right) = (left as usize, right as usize);
        let same = |values: &Floats| double(values.get(left)) == double(values.get(right));
        let same_target = match &self.target.values {
            TargetValues::Classes(codes) => codes[left] == codes[right],
            TargetValues::Numbers(values) => same(values),
        };
        same_target
            && self.columns.iter().all(|column| match &column.cells {
                Cells::Numbers(values) => same(values),
                Cells::Text(text) => text.codes[left] == text.codes[right],
            })
    }
}

/// Equal for equal numbers: zeros of both signs are one, and so is all that is missing.
fn single(value: f32) -> u64 {
    let value = if value.is_nan() {
        f32::NAN
    } else {
        value + 0.0
    };
    value.to_bits().into()
}

/// The same in double precision. Numbers of few digits differ in their upper bits alone, which a product does not carry down.
fn double(value: f64) -> u64 {
    let value = if value.is_nan() {
        f64::NAN
    } else {
        value + 0.0
    };
    value.to_bits().rotate_left(32)
}

fn mix_numbers(hashes: &mut [u64], rows: &[u32], values: &Floats) {
    match values {
        Floats::Single(values) => mix(hashes, rows, |row| single(values[row])),
        Floats::Double(values) => mix(hashes, rows, |row| double(values[row])),
    }
}

/// As Firefox hashes: one multiplication a cell.
fn mix(hashes: &mut [u64], rows: &[u32], cell: impl Fn(usize) -> u64) {
    for (hash, row) in hashes.iter_mut().zip(rows) {
        *hash = (hash.rotate_left(5) ^ cell(*row as usize)).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

/// What there is to warn of when `duplicates` of `held_out` rows were trained on.
#[must_use]
pub fn warning(duplicates: usize, held_out: usize) -> Option<Warning> {
    let share = duplicates as f64 / held_out.max(1) as f64;
    (share >= WARNED_OF).then(|| {
        let message = format!(
            "{duplicates} of {held_out} held-out rows ({:.0} %) are also among the training rows, equal in every column that is used and in the target: the held-out scores are too good; remove the copies, or keep them in one part by split.group",
            share * 100.0
        );
        Warning::new("duplicates", message)
    })
}
