//! The best split of some rows by one column.

use super::bins::{Binned, MISSING, between, key, value};
use super::bundles::{BundleSums, Bundles, Place};
use super::goal::Goal;
use super::scan::{Missing, Scan};
use super::sums::{each, ends, gap, on_left};
use crate::learners::random::Random;

/// Up to so many rows a split is looked for among their own values: sorting them is quicker than going through bins, and
/// loses nothing.
const FEW: usize = 16;

/// All codes that a bin can have, the missing one included.
const BINS: usize = MISSING as usize + 1;

/// A split by one column: values up to and with the threshold go left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Split {
    pub feature: u32,
    pub threshold: f32,
    pub missing_left: bool,
    /// The sum of both sides' scores.
    pub score: f64,
}

impl Split {
    #[inline(always)]
    pub fn goes_left(&self, value: f32) -> bool {
        (value <= self.threshold) | (self.missing_left & value.is_nan())
    }

    /// Puts the threshold halfway between the values on both sides that are next to it, as scikit-learn does. Bins tell
    /// which rows go where, not how far apart these are, and that matters where a column's values lie far apart.
    pub fn center(&mut self, rows: &[u32], values: &[f32]) {
        let (low, high) = gap(rows, values, self.threshold);
        // Where only missing values go right, there is no gap.
        if low.is_finite() && high.is_finite() {
            self.threshold = between(low, high);
        }
    }
}

/// Some rows of a tree.
pub(super) struct Part<'a, G: Goal> {
    pub rows: &'a [u32],
    /// What each of `rows` adds to the sums.
    pub deltas: &'a [G::Delta],
    /// The sums over `rows`.
    pub sums: G::Sums,
    /// Neither side may have fewer rows.
    pub least: usize,
}

/// A column that splits are looked for in.
#[derive(Clone, Copy)]
pub(super) struct Column<'a> {
    pub feature: u32,
    pub values: &'a [f32],
    pub binned: &'a Binned,
    /// Its place in a bundle, if it has two values.
    pub bundled: Option<Place>,
}

/// What a look at a column found.
pub(super) enum Found {
    /// All rows have the same value there, or all miss it: so have all below.
    Constant,
    /// The best split, if any keeps enough rows on both sides.
    Best(Option<Split>),
}

/// Looks for splits; holds the room that this takes.
pub(super) struct Search<'a, G: Goal> {
    goal: &'a G,
    bundles: BundleSums<'a, G>,
    /// Sums of each bin, `BINS` of them; those of missing values at `MISSING`.
    histogram: Vec<G::Sums>,
    /// Rows of each bin.
    counts: Vec<u32>,
    /// Bins that are not empty, ascending, and how many they are.
    bins: [u8; BINS],
    filled: usize,
    /// 1 for each bin that a node's rows show, else 0.
    shown: [u8; BINS],
}

impl<'a, G: Goal> Search<'a, G> {
    pub fn new(goal: &'a G, bundles: &'a Bundles) -> Self {
        Search {
            goal,
            bundles: BundleSums::new(bundles),
            histogram: vec![G::ZERO; BINS],
            counts: vec![0; BINS],
            bins: [0; BINS],
            filled: 0,
            shown: [0; BINS],
        }
    }

    /// What is searched from here on is another node.
    pub fn next_node(&mut self) {
        self.bundles.next_node();
    }

    /// The best split by `column`.
    pub fn best(&mut self, part: &Part<'_, G>, column: Column<'_>) -> Found {
        if let Some(place) = column.bundled {
            self.between_two(part, column, place)
        } else if part.rows.len() <= FEW {
            self.among_values(part, column)
        } else {
            self.among_bins(part, column)
        }
    }

    /// A column of two values, such as each of a one-hot encoding, has one place to split at.
    fn between_two(&mut self, part: &Part<'_, G>, column: Column<'_>, place: Place) -> Found {
        let (left, passed) = self.bundles.left(place, part.rows, part.deltas, &part.sums);
        if passed == 0 || passed == part.rows.len() {
            return Found::Constant;
        }
        let mut scan = Scan::new(self.goal, part, part.rows.len(), Missing::none());
        scan.consider(&left, passed, (0, 1));
        Found::Best(scan.split(column.feature, |_| column.binned.bounds[0]))
    }

    fn among_values(&self, part: &Part<'_, G>, column: Column<'_>) -> Found {
        let mut sorted = [0_u64; FEW];
        let mut present = 0;
        let mut missing = Missing::<G>::none();
        let (mut lowest, mut highest) = (u32::MAX, 0);
        for (place, row) in part.rows.iter().enumerate() {
            let number = column.values[*row as usize];
            if number.is_nan() {
                missing.add(part.deltas[place]);
            } else {
                let key = key(number);
                lowest = lowest.min(key);
                highest = highest.max(key);
                sorted[present % FEW] = u64::from(key) << 32 | place as u64;
                present += 1;
            }
        }
        if present == 0 || (missing.rows == 0 && lowest == highest) {
            return Found::Constant;
        }
        let sorted = &mut sorted[..present];
        sorted.sort_unstable();
        let mut scan = Scan::new(self.goal, part, present, missing);
        let mut left = G::ZERO;
        for (index, pair) in sorted.windows(2).enumerate() {
            G::add(&mut left, part.deltas[pair[0] as u32 as usize]);
            if pair[0] >> 32 != pair[1] >> 32 {
                scan.consider(&left, index + 1, (index, index + 1));
            }
        }
        scan.consider_missing();
        Found::Best(scan.split(column.feature, |(low, high)| {
            let number = |place: usize| value((sorted[place] >> 32) as u32);
            between(number(low), number(high))
        }))
    }

    fn among_bins(&mut self, part: &Part<'_, G>, column: Column<'_>) -> Found {
        let last = usize::from(MISSING);
        // Where one row is enough for a side, it is enough to know that a bin is not empty.
        let counted = part.least > 1;
        match counted {
            true => self.add_up::<true>(part, column),
            false => self.add_up::<false>(part, column),
        }
        self.list_filled();
        let Some(histogram) = self.histogram.first_chunk_mut::<BINS>() else {
            return Found::Constant;
        };
        let mut missing = Missing::<G> {
            rows: usize::from(G::weight(&histogram[last]) > 0.0),
            sums: std::mem::replace(&mut histogram[last], G::ZERO),
        };
        let filled = &self.bins[..self.filled % BINS];
        if filled.len() + missing.rows < 2 {
            for bin in filled {
                histogram[usize::from(*bin)] = G::ZERO;
            }
            return Found::Constant;
        }
        let mut present = filled.len();
        if counted {
            missing.rows = self.counts[last] as usize;
            present = part.rows.len() - missing.rows;
        }
        let mut scan = Scan::new(self.goal, part, present, missing);
        let mut left = G::ZERO;
        let mut passed = 0;
        let mut bins = filled.iter().map(|bin| usize::from(*bin));
        let mut before = bins.next().unwrap_or_default();
        for bin in bins {
            // The histogram is left as it was found: empty.
            left = G::plus(&left, &histogram[before]);
            histogram[before] = G::ZERO;
            passed += match counted {
                true => self.counts[before] as usize,
                false => 1,
            };
            scan.consider(&left, passed, (before, bin));
            before = bin;
        }
        histogram[before] = G::ZERO;
        scan.consider_missing();
        Found::Best(scan.split(column.feature, |(low, _)| column.binned.bounds[low]))
    }

    /// Adds the rows up by their bins, marks the bins that are not empty, and counts the rows of each where they are to
    /// be `COUNTED`.
    fn add_up<const COUNTED: bool>(&mut self, part: &Part<'_, G>, column: Column<'_>) {
        let (Some(histogram), Some(counts)) = (
            self.histogram.first_chunk_mut::<BINS>(),
            self.counts.first_chunk_mut::<BINS>(),
        ) else {
            return;
        };
        if COUNTED {
            counts.fill(0);
        }
        let codes = column.binned.codes.as_slice();
        let shown = &mut self.shown;
        each::<G>(part.rows, part.deltas, |row, delta| {
            let bin = usize::from(codes[row as usize]);
            G::add(&mut histogram[bin], delta);
            shown[bin] = 1;
            if COUNTED {
                counts[bin] += 1;
            }
        });
    }

    /// Lists the bins that are marked, but the missing one, and takes the marks away.
    fn list_filled(&mut self) {
        // Eight marks, each 0 or 1 in a byte of its own, as the bits of one byte.
        const JOIN: u64 = 0x0102_0408_1020_4080;
        let mut marks = [0_u64; BINS / 64];
        let (eights, _) = self.shown.as_chunks::<8>();
        for (index, eight) in eights.iter().enumerate() {
            let byte = u64::from_le_bytes(*eight).wrapping_mul(JOIN) >> 56;
            marks[index / 8] |= byte << (index % 8 * 8);
        }
        self.shown = [0; BINS];
        marks[BINS / 64 - 1] &= !(1 << 63);
        self.filled = 0;
        for (word, mut marks) in marks.into_iter().enumerate() {
            while marks != 0 {
                self.bins[self.filled % BINS] = (word * 64) as u8 + marks.trailing_zeros() as u8;
                self.filled += 1;
                marks &= marks - 1;
            }
        }
    }

    /// A split by a threshold between the column's smallest and largest value, drawn evenly (Geurts et al. 2006).
    pub fn random(&mut self, part: &Part<'_, G>, column: Column<'_>, random: &mut Random) -> Found {
        if let Some(place) = column.bundled {
            // All thresholds between two values part the rows in the same way.
            return self.between_two(part, column, place);
        }
        let (low, high, absent) = ends(part.rows, column.values);
        let present = part.rows.len() - absent;
        if present == 0 || (absent == 0 && low == high) {
            return Found::Constant;
        }
        let mut missing = Missing::<G>::none();
        if absent > 0 {
            for (row, delta) in part.rows.iter().zip(part.deltas) {
                if column.values[*row as usize].is_nan() {
                    missing.add(*delta);
                }
            }
        }
        let drawn = f64::from(low) + random.unit() * (f64::from(high) - f64::from(low));
        // Below the largest value, so that something goes right.
        let threshold = (drawn as f32).min(high.next_down()).max(low);
        let mut scan = Scan::new(self.goal, part, present, missing);
        let values = column.values;
        let (left, passed) = on_left::<G>(part.rows, part.deltas, |row| {
            values[row as usize] <= threshold
        });
        if passed < present {
            scan.consider(&left, passed, (0, 0));
        }
        scan.consider_missing();
        Found::Best(scan.split(column.feature, |_| threshold))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use contract::Task;

    use crate::forms::{Form, Split};
    use crate::learners::{
        Defaults, Feature, Features, Fitted, Kind, Progress, Target, Training, configure,
    };

    fn fit(algorithm: &str, columns: [Vec<f32>; 2], target: Vec<f32>) -> Fitted {
        let columns = columns.map(|values| Feature {
            name: "x".to_owned(),
            kind: Kind::Number,
            values,
        });
        let features = Features {
            rows: target.len(),
            columns: columns.to_vec(),
        };
        let parameters = "max_depth = 2".parse().unwrap();
        let task = Task::Regression;
        let learner = configure(algorithm, None, task, &parameters, Defaults::default());
        let training = Training {
            features: &features,
            target: &Target::Number(target),
            weights: None,
            seed: 0,
            progress: Progress::default(),
        };
        learner.unwrap().fit(training).unwrap()
    }

    /// scikit-learn's `DecisionTreeRegressor(max_depth=2)` has the same thresholds.
    #[test]
    fn a_threshold_lies_in_the_middle_of_a_gap_by_value() {
        // In the node on the right, 200 rows lie at the lower end of the second column and 200 far above; the 600 rows
        // that fill the gap are in the node on the left.
        let place = |row: u32| match row {
            0..600 => 1000.0 + row as f32,
            600..800 => (row - 600) as f32,
            _ => 9000.0 + row as f32,
        };
        let rows = || 0..1000_u32;
        let node = rows().map(|row| (row / 600 * 10) as f32 + 7.0).collect();
        let target = rows().map(|row| match row {
            0..600 => 0.0,
            600..800 => 50.0,
            _ => 60.0,
        });
        let columns = [node, rows().map(place).collect()];
        let Form::Trees(trees) = fit("decision_tree", columns, target.collect()).form else {
            panic!("no trees");
        };
        let thresholds = trees.threshold.iter().zip(&trees.split);
        let thresholds: Vec<f32> = thresholds
            .filter(|(_, split)| **split != Split::Leaf)
            .map(|(threshold, _)| *threshold)
            .collect();
        assert_eq!(thresholds, [12.0, 4999.5]);
    }

    #[test]
    fn columns_that_part_rows_alike_take_turns_in_a_forest() {
        let column: Vec<f32> = (0..100).map(|row| row as f32).collect();
        let target = column.iter().map(|value| value.powi(3)).collect();
        let fitted = fit("random_forest", [column.clone(), column], target);
        let importance = fitted.importance.unwrap();
        assert!((importance[0] - 0.5).abs() < 0.15, "{importance:?}");
    }
}
