use std::collections::BTreeMap;

use crate::random::Random;
use crate::table::{TargetColumn, TargetValues};

/// More rows than this show no more.
const MOST_ROWS: usize = 20_000;

/// Two halves of the training rows, with each class in equal shares: one to fit on, one to score on.
pub(super) struct Halves {
    pub fit: Vec<u32>,
    pub test: Vec<u32>,
    /// The training rows of each class, those included that were not drawn.
    pub of_class: BTreeMap<u32, usize>,
}

impl Halves {
    pub fn new(target: &TargetColumn, train: &[u32], seed: u64) -> Self {
        let class = |row: u32| match &target.values {
            TargetValues::Classes(codes) => codes[row as usize],
            TargetValues::Numbers(_) => 0,
        };
        let mut of_class = BTreeMap::new();
        for row in train {
            *of_class.entry(class(*row)).or_default() += 1;
        }
        // Of many rows as many of each class, so that a rare class keeps all of its own.
        let most = match train.len() <= MOST_ROWS {
            true => usize::MAX,
            false => MOST_ROWS / of_class.len().max(1),
        };
        let mut rows = train.to_vec();
        Random::for_purpose(seed, "leakage").shuffle(&mut rows);
        let (mut fit, mut test) = (Vec::new(), Vec::new());
        let mut drawn: BTreeMap<u32, usize> = BTreeMap::new();
        for row in rows {
            let drawn = drawn.entry(class(row)).or_default();
            if *drawn < most {
                if drawn.is_multiple_of(2) {
                    &mut fit
                } else {
                    &mut test
                }
                .push(row);
                *drawn += 1;
            }
        }
        Halves {
            fit,
            test,
            of_class,
        }
    }
}
