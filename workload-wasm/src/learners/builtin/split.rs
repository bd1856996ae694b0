//! The best split of some rows by one column.

use super::bins::{Binned, MISSING, between};
use super::goal::Goal;
use crate::learners::random::Random;

/// Up to so many rows a split is looked for among their own values: sorting them is quicker than going through bins, and
/// loses nothing.
const FEW: usize = 96;

/// A split by one column: values up to and with the threshold go left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Split {
    pub feature: u32,
    pub threshold: f32,
    pub missing_left: bool,
    /// The sum of both sides' scores.
    pub score: f64,
}

/// Some rows of a tree.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    pub rows: &'a [u32],
    /// One for each row of the training, all above 0 for `rows`.
    pub weights: &'a [f32],
    /// The goal's sums over `rows`.
    pub sums: &'a [f64],
    /// Neither side may have fewer rows.
    pub least: usize,
}

/// A column that splits are looked for in.
#[derive(Clone, Copy)]
pub(super) struct Column<'a> {
    pub feature: u32,
    pub values: &'a [f32],
    pub binned: &'a Binned,
}

/// What a look at a column found.
pub(super) enum Found {
    /// All rows have the same value there, or all miss it: so have all below.
    Constant,
    /// The best split, if any keeps enough rows on both sides.
    Best(Option<Split>),
}

/// Looks for splits; holds the room that this takes.
pub(super) struct Search<'a, G> {
    goal: &'a G,
    /// Sums of each bin: (`MISSING` + 1) x width.
    histogram: Vec<f64>,
    /// Rows of each bin.
    counts: Vec<u32>,
    sorted: Vec<u64>,
    left: Vec<f64>,
    right: Vec<f64>,
    missing: Vec<f64>,
}

impl<'a, G: Goal> Search<'a, G> {
    pub fn new(goal: &'a G) -> Self {
        let width = goal.width();
        let bins = usize::from(MISSING) + 1;
        Search {
            goal,
            histogram: vec![0.0; bins * width],
            counts: vec![0; bins],
            sorted: Vec::new(),
            left: vec![0.0; width],
            right: vec![0.0; width],
            missing: vec![0.0; width],
        }
    }

    /// The best split by `column`.
    pub fn best(&mut self, part: Part<'_>, column: Column<'_>) -> Found {
        if part.rows.len() <= FEW {
            self.among_values(part, column)
        } else {
            self.among_bins(part, column)
        }
    }

    fn among_values(&mut self, part: Part<'_>, column: Column<'_>) -> Found {
        self.sorted.clear();
        self.missing.fill(0.0);
        let mut missing = 0;
        for row in part.rows {
            let value = column.values[*row as usize];
            if value.is_nan() {
                self.goal
                    .add(&mut self.missing, *row, part.weights[*row as usize]);
                missing += 1;
            } else {
                self.sorted.push(ordered(value, *row));
            }
        }
        let Some(first) = self.sorted.first() else {
            return Found::Constant;
        };
        if missing == 0 && self.sorted.iter().all(|other| other >> 32 == first >> 32) {
            return Found::Constant;
        }
        self.sorted.sort_unstable();
        let mut best = Best::new(column.feature, part, self.sorted.len(), missing);
        self.left.fill(0.0);
        for index in 0..self.sorted.len() {
            let row = self.sorted[index] as u32;
            self.goal
                .add(&mut self.left, row, part.weights[row as usize]);
            let low = column.values[row as usize];
            match self.sorted.get(index + 1) {
                Some(next) if next >> 32 == self.sorted[index] >> 32 => {}
                Some(next) => {
                    let high = column.values[(*next as u32) as usize];
                    self.judge(&mut best, index + 1, between(low, high));
                }
                None => self.judge_missing(&mut best, index + 1),
            }
        }
        Found::Best(best.split)
    }

    fn among_bins(&mut self, part: Part<'_>, column: Column<'_>) -> Found {
        let width = self.goal.width();
        let bins = column.binned.count;
        let last = usize::from(MISSING);
        self.histogram[..bins * width].fill(0.0);
        self.histogram[last * width..].fill(0.0);
        self.goal.histogram(
            &column.binned.codes,
            part.rows,
            part.weights,
            &mut self.histogram,
        );
        self.count(part, &column.binned.codes, bins);
        let missing = self.counts[last] as usize;
        self.missing
            .copy_from_slice(&self.histogram[last * width..]);
        let present: u32 = self.counts[..bins].iter().sum();
        let filled = self.counts[..bins].iter().filter(|count| **count > 0);
        if filled.count() + usize::from(missing > 0) < 2 {
            return Found::Constant;
        }
        let present = present as usize;
        let mut best = Best::new(column.feature, part, present, missing);
        let mut passed = 0;
        self.left.fill(0.0);
        for bin in 0..bins {
            if self.counts[bin] == 0 {
                continue;
            }
            passed += self.counts[bin] as usize;
            let sums = &self.histogram[bin * width..(bin + 1) * width];
            for (left, sum) in self.left.iter_mut().zip(sums) {
                *left += sum;
            }
            if passed < present {
                self.judge(&mut best, passed, column.binned.bounds[bin]);
            } else {
                self.judge_missing(&mut best, passed);
                break;
            }
        }
        Found::Best(best.split)
    }

    /// Counts the rows of each bin; where one row is enough for a side, only whether there are any.
    fn count(&mut self, part: Part<'_>, codes: &[u8], bins: usize) {
        if part.least > 1 {
            self.counts.fill(0);
            for row in part.rows {
                self.counts[codes[*row as usize] as usize] += 1;
            }
            return;
        }
        let width = self.goal.width();
        for bin in (0..bins).chain([usize::from(MISSING)]) {
            let sums = &self.histogram[bin * width..(bin + 1) * width];
            self.counts[bin] = u32::from(self.goal.weight(sums) > 0.0);
        }
    }

    /// A split by a threshold between the column's smallest and largest value, drawn evenly (Geurts et al. 2006).
    pub fn random(&mut self, part: Part<'_>, column: Column<'_>, random: &mut Random) -> Found {
        let (mut low, mut high) = (f32::INFINITY, f32::NEG_INFINITY);
        self.missing.fill(0.0);
        let mut missing = 0;
        for row in part.rows {
            let value = column.values[*row as usize];
            if value.is_nan() {
                self.goal
                    .add(&mut self.missing, *row, part.weights[*row as usize]);
                missing += 1;
            }
            // Neither is true of a missing value.
            low = if value < low { value } else { low };
            high = if value > high { value } else { high };
        }
        if missing == part.rows.len() || (missing == 0 && low == high) {
            return Found::Constant;
        }
        let drawn = f64::from(low) + random.unit() * (f64::from(high) - f64::from(low));
        // Below the largest value, so that something goes right.
        let threshold = (drawn as f32).min(high.next_down()).max(low);
        let present = part.rows.len() - missing;
        let mut best = Best::new(column.feature, part, present, missing);
        let mut passed = 0;
        self.left.fill(0.0);
        for row in part.rows {
            if column.values[*row as usize] <= threshold {
                self.goal
                    .add(&mut self.left, *row, part.weights[*row as usize]);
                passed += 1;
            }
        }
        if passed < present {
            self.judge(&mut best, passed, threshold);
        } else {
            self.judge_missing(&mut best, passed);
        }
        Found::Best(best.split)
    }

    /// Considers the threshold that `passed` rows, whose sums are `left`, do not pass: with the missing ones on either
    /// side.
    fn judge(&mut self, best: &mut Best<'_>, passed: usize, threshold: f32) {
        let others = best.present - passed;
        if passed >= best.part.least && others + best.missing >= best.part.least {
            self.weigh(best, threshold, false);
        }
        if best.missing > 0 && passed + best.missing >= best.part.least && others >= best.part.least
        {
            for (left, missing) in self.left.iter_mut().zip(&self.missing) {
                *left += missing;
            }
            self.weigh(best, threshold, true);
            for (left, missing) in self.left.iter_mut().zip(&self.missing) {
                *left -= missing;
            }
        }
    }

    /// Considers all values on the left, the missing ones on the right.
    fn judge_missing(&mut self, best: &mut Best<'_>, passed: usize) {
        if best.missing >= best.part.least.max(1) && passed >= best.part.least {
            self.weigh(best, f32::MAX, false);
        }
    }

    fn weigh(&mut self, best: &mut Best<'_>, threshold: f32, missing_left: bool) {
        for ((right, all), left) in self.right.iter_mut().zip(best.part.sums).zip(&self.left) {
            *right = all - left;
        }
        let score = self.goal.score(&self.left) + self.goal.score(&self.right);
        if best.split.is_none_or(|split| score > split.score) && !score.is_nan() {
            best.split = Some(Split {
                feature: best.feature,
                threshold,
                // Where none is missing, those of later rows go with the greater part.
                missing_left: match best.missing {
                    0 => self.goal.weight(&self.left) > self.goal.weight(&self.right),
                    _ => missing_left,
                },
                score,
            });
        }
    }
}

/// The best split so far.
struct Best<'a> {
    feature: u32,
    part: Part<'a>,
    /// Rows with and without a value.
    present: usize,
    missing: usize,
    split: Option<Split>,
}

impl<'a> Best<'a> {
    fn new(feature: u32, part: Part<'a>, present: usize, missing: usize) -> Self {
        Best {
            feature,
            part,
            present,
            missing,
            split: None,
        }
    }
}

/// Sorts by value, then by row.
fn ordered(value: f32, row: u32) -> u64 {
    u64::from(super::bins::key(value)) << 32 | u64::from(row)
}
