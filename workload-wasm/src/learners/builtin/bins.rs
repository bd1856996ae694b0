//! Columns cut into at most 255 bins, so that a tree looks for splits among bins instead of values (as in Ke et al. 2017,
//! "LightGBM: a highly efficient gradient boosting decision tree").

use crate::learners::random::Random;
use crate::learners::{Feature, Features, Kind};

/// The code of a missing value; codes of others are below.
pub(super) const MISSING: u8 = u8::MAX;
/// Bins of values, at most.
const MOST: usize = u8::MAX as usize;
/// Bounds are found on a sample of so many rows.
const SAMPLE: usize = 200_000;

/// All columns of some rows, binned.
pub(super) struct Bins {
    pub columns: Vec<Binned>,
}

/// A binned column.
pub(super) struct Binned {
    /// One a row.
    pub codes: Vec<u8>,
    /// The bins that there are; the missing one is none of them.
    pub count: usize,
    /// The largest value of each bin but the last: a value is in the first bin whose bound it does not pass.
    pub bounds: Vec<f32>,
    /// Bins are categories.
    pub categories: bool,
    /// Each row has one of two values, and none misses it.
    pub two_valued: bool,
}

impl Bins {
    /// Bins every column. `random` draws the sample of rows, where there are many.
    pub fn new(features: &Features, random: &mut Random) -> Self {
        let sample = sample(features.rows, random);
        Bins {
            columns: features
                .columns
                .iter()
                .map(|column| Binned::new(column, sample.as_deref()))
                .collect(),
        }
    }
}

/// Ascending rows to look at, or none to look at all.
fn sample(rows: usize, random: &mut Random) -> Option<Vec<u32>> {
    if rows <= SAMPLE {
        return None;
    }
    // Each row is taken with the chance that fills what is still wanted.
    let mut wanted = SAMPLE;
    let mut taken = Vec::with_capacity(SAMPLE);
    for row in 0..rows {
        if (random.below((rows - row) as u32) as usize) < wanted {
            taken.push(row as u32);
            wanted -= 1;
        }
    }
    Some(taken)
}

impl Binned {
    fn new(column: &Feature, sample: Option<&[u32]>) -> Self {
        match column.kind {
            // Rarer categories than there are bins, which come last, share the missing one.
            Kind::Category { .. } => {
                let code = |value: &f32| match *value >= 0.0 && *value < MOST as f32 {
                    true => *value as u8,
                    false => MISSING,
                };
                let codes: Vec<u8> = column.values.iter().map(code).collect();
                let shown = codes.iter().filter(|code| **code != MISSING);
                Binned {
                    // Categories behind the last one that is shown count as missing, too.
                    count: shown.max().map_or(0, |last| usize::from(*last) + 1),
                    codes,
                    bounds: Vec::new(),
                    categories: true,
                    two_valued: false,
                }
            }
            Kind::Number => {
                let (bounds, distinct) = bounds(&column.values, sample);
                let codes = codes(&column.values, &bounds);
                Binned {
                    two_valued: distinct == 2 && sample.is_none() && !codes.contains(&MISSING),
                    codes,
                    count: bounds.len() + 1,
                    bounds,
                    categories: false,
                }
            }
        }
    }
}

/// The f32's order as unsigned numbers. 0.0 and -0.0 are one value.
pub(super) fn key(value: f32) -> u32 {
    let bits = (value + 0.0).to_bits();
    if bits >> 31 == 0 {
        bits | 1 << 31
    } else {
        !bits
    }
}

/// The f32 of a [`key`].
pub(super) fn value(key: u32) -> f32 {
    f32::from_bits(if key >> 31 == 1 { key ^ 1 << 31 } else { !key })
}

/// Where a column is cut: between all its values where they are few, else so that bins hold about as many rows each.
/// And how many values it has.
fn bounds(values: &[f32], sample: Option<&[u32]>) -> (Vec<f32>, usize) {
    let mut keys: Vec<u32> = match sample {
        None => values
            .iter()
            .filter(|v| !v.is_nan())
            .map(|v| key(*v))
            .collect(),
        Some(rows) => rows
            .iter()
            .map(|row| values[*row as usize])
            .filter(|value| !value.is_nan())
            .map(key)
            .collect(),
    };
    sort(&mut keys);
    let mut distinct: Vec<(u32, usize)> = Vec::new();
    for key in &keys {
        match distinct.last_mut() {
            Some((last, count)) if last == key => *count += 1,
            _ => distinct.push((*key, 1)),
        }
    }
    let mut bounds = Vec::new();
    let mut left = keys.len();
    let mut held = 0;
    for (index, pair) in distinct.windows(2).enumerate() {
        held += pair[0].1;
        let bins_left = MOST - bounds.len();
        // What is still to be shared out, evenly over the bins that are still free.
        let full = held * bins_left >= left;
        let last_chance = distinct.len() - index <= bins_left;
        if bins_left > 1 && (full || last_chance) {
            bounds.push(between(value(pair[0].0), value(pair[1].0)));
            left -= held;
            held = 0;
        }
    }
    (bounds, distinct.len())
}

/// Fewer keys are sorted by comparing them.
const RADIX_FROM: usize = 1024;
/// Bits that a turn sorts by: its counts fit into the cache.
const DIGIT: u32 = 11;

/// Sorts by digits from the lowest up: each turn keeps the order of the turns before.
fn sort(keys: &mut Vec<u32>) {
    if keys.len() < RADIX_FROM {
        keys.sort_unstable();
        return;
    }
    const DIGITS: usize = 1 << DIGIT;
    let mut from = std::mem::take(keys);
    let mut to = vec![0; from.len()];
    for shift in [0, DIGIT, 2 * DIGIT] {
        let digit = |key: u32| (key >> shift) as usize % DIGITS;
        let mut starts = [0_u32; DIGITS];
        from.iter().for_each(|key| starts[digit(*key)] += 1);
        let mut start = 0;
        for count in &mut starts {
            start += std::mem::replace(count, start);
        }
        for key in &from {
            let place = &mut starts[digit(*key)];
            to[*place as usize] = *key;
            *place += 1;
        }
        std::mem::swap(&mut from, &mut to);
    }
    *keys = from;
}

/// A number that `low` does not pass and `high` does, halfway where f32 allows.
pub(super) fn between(low: f32, high: f32) -> f32 {
    let middle = ((f64::from(low) + f64::from(high)) / 2.0) as f32;
    if middle < high { middle } else { low }
}

fn codes(values: &[f32], bounds: &[f32]) -> Vec<u8> {
    // Filled up to a length that the compiler knows: every search takes the same eight steps, without a branch.
    let mut filled = [f32::INFINITY; MOST + 1];
    filled[..bounds.len()].copy_from_slice(bounds);
    let code = |value: f32| {
        let mut place = 0;
        for step in [128, 64, 32, 16, 8, 4, 2, 1] {
            let passed = filled[(place + step - 1) % (MOST + 1)] < value;
            place += if passed { step } else { 0 };
        }
        match value.is_nan() {
            true => MISSING,
            false => place as u8,
        }
    };
    values.iter().map(|value| code(*value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bin(values: &[f32]) -> Binned {
        let column = Feature {
            name: "x".to_owned(),
            kind: Kind::Number,
            values: values.to_vec(),
        };
        Binned::new(&column, None)
    }

    #[test]
    fn few_values_get_a_bin_each_and_missing_one_of_its_own() {
        let binned = bin(&[3.0, 1.0, f32::NAN, 2.0, 1.0, -0.0, 0.0]);
        assert_eq!(binned.codes, [3, 1, MISSING, 2, 1, 0, 0]);
        assert_eq!(binned.bounds, [0.5, 1.5, 2.5]);
    }

    #[test]
    fn many_values_get_bins_of_about_as_many_rows() {
        let binned = bin(&(0..10_000)
            .map(|row| (row as f32).sqrt())
            .collect::<Vec<_>>());
        assert_eq!(binned.count, 255);
        let mut counts = [0; 256];
        binned
            .codes
            .iter()
            .for_each(|code| counts[*code as usize] += 1);
        assert!(
            counts[..255].iter().all(|count| (38..=41).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn a_frequent_value_takes_no_bins_from_the_others() {
        let mut values = vec![0.0; 10_000];
        values.extend((1..=200).map(|value| value as f32));
        assert_eq!(bin(&values).count, 201);
    }

    #[test]
    fn sorting_by_digits_is_sorting() {
        let mut state = 1_u32;
        let mut keys: Vec<u32> = (0..5000)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state >> (state % 20)
            })
            .collect();
        let mut expected = keys.clone();
        expected.sort_unstable();
        sort(&mut keys);
        assert_eq!(keys, expected);
    }

    #[test]
    fn neighbouring_floats_are_told_apart() {
        let low = 1.0_f32;
        let high = low.next_up();
        assert_eq!(bin(&[low, high]).codes, [0, 1]);
        assert_eq!(bin(&[f32::MIN, f32::MAX]).codes, [0, 1]);
    }
}
