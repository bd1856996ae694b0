//! The distinct values of a column.

use std::collections::BTreeSet;

use records::Text;

use crate::table::coerce::written;
use crate::table::{Cells, Column};

/// More classes than this are no classification.
pub(super) const MOST_CLASSES: usize = 200;

/// Every label in `rows`: numbers in their order, texts in the alphabet's; `None` when they are too many for
/// classes.
pub(super) fn distinct_labels(column: &Column, rows: &[u32]) -> Option<Vec<String>> {
    match &column.cells {
        Cells::Numbers(values) => {
            let mut found = BTreeSet::new();
            for row in rows {
                let value = values.get(*row as usize);
                if !value.is_nan()
                    && found.insert(ordered_bits(value))
                    && found.len() > MOST_CLASSES
                {
                    return None;
                }
            }
            Some(
                found
                    .into_iter()
                    .map(|bits| written(values, from_ordered_bits(bits), column.kind))
                    .collect(),
            )
        }
        Cells::Text(text) => {
            let mut seen = vec![false; text.distinct.len()];
            for row in rows {
                if let Some(seen) = seen.get_mut(text.codes[*row as usize] as usize) {
                    *seen = true;
                }
            }
            let labels: BTreeSet<&String> = text
                .distinct
                .iter()
                .zip(seen)
                .filter_map(|(label, seen)| seen.then_some(label))
                .collect();
            (labels.len() <= MOST_CLASSES).then(|| labels.into_iter().cloned().collect())
        }
    }
}

pub(super) fn count_distinct(column: &Column, rows: &[u32]) -> usize {
    match &column.cells {
        Cells::Numbers(values) => {
            let mut bits: Vec<u64> = rows
                .iter()
                .map(|row| values.get(*row as usize))
                .filter(|value| !value.is_nan())
                .map(ordered_bits)
                .collect();
            bits.sort_unstable();
            bits.dedup();
            bits.len()
        }
        Cells::Text(text) => {
            let codes: BTreeSet<u32> = rows.iter().map(|row| text.codes[*row as usize]).collect();
            codes.len() - usize::from(codes.contains(&Text::MISSING))
        }
    }
}

/// Bits of a float that compare as the float does; both zeros have the same.
pub(super) fn ordered_bits(value: f64) -> u64 {
    let bits = (value + 0.0).to_bits();
    if bits >> 63 == 1 {
        !bits
    } else {
        bits | (1 << 63)
    }
}

fn from_ordered_bits(bits: u64) -> f64 {
    f64::from_bits(if bits >> 63 == 1 {
        bits & !(1 << 63)
    } else {
        !bits
    })
}
