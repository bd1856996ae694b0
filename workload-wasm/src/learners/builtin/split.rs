//! The best split of some rows by one column.

use super::bins::{Binned, MISSING, between, key, value};
use super::goal::Goal;
use crate::learners::random::Random;

/// Up to so many rows a split is looked for among their own values: sorting them is quicker than going through bins, and
/// loses nothing.
const FEW: usize = 16;

/// Beyond so many rows going through all bins is quicker than marking those that are not empty.
const MANY: usize = 512;

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
    /// Sums of each bin, `BINS` of them; those of missing values at `MISSING`.
    histogram: Vec<G::Sums>,
    /// Rows of each bin.
    counts: Vec<u32>,
    /// Bins that are not empty, ascending.
    filled: Vec<u8>,
    sorted: Vec<u64>,
}

impl<'a, G: Goal> Search<'a, G> {
    pub fn new(goal: &'a G) -> Self {
        Search {
            goal,
            histogram: vec![G::ZERO; BINS],
            counts: vec![0; BINS],
            filled: Vec::with_capacity(BINS),
            sorted: Vec::new(),
        }
    }

    /// The best split by `column`.
    pub fn best(&mut self, part: &Part<'_, G>, column: Column<'_>) -> Found {
        if part.rows.len() <= FEW {
            self.among_values(part, column)
        } else {
            self.among_bins(part, column)
        }
    }

    fn among_values(&mut self, part: &Part<'_, G>, column: Column<'_>) -> Found {
        self.sorted.clear();
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
                self.sorted.push(u64::from(key) << 32 | place as u64);
            }
        }
        if self.sorted.is_empty() || (missing.rows == 0 && lowest == highest) {
            return Found::Constant;
        }
        self.sorted.sort_unstable();
        let mut scan = Scan::new(self.goal, part, self.sorted.len(), missing);
        let mut left = G::ZERO;
        for (index, pair) in self.sorted.windows(2).enumerate() {
            G::add(&mut left, part.deltas[pair[0] as u32 as usize]);
            if pair[0] >> 32 != pair[1] >> 32 {
                scan.consider(&left, index + 1, (index, index + 1));
            }
        }
        scan.consider_missing();
        Found::Best(scan.split(column.feature, |(low, high)| {
            let number = |place: usize| value((self.sorted[place] >> 32) as u32);
            between(number(low), number(high))
        }))
    }

    fn among_bins(&mut self, part: &Part<'_, G>, column: Column<'_>) -> Found {
        let Some(histogram) = self.histogram.first_chunk_mut::<BINS>() else {
            return Found::Constant;
        };
        for (row, delta) in part.rows.iter().zip(part.deltas) {
            let bin = column.binned.codes[*row as usize];
            G::add(&mut histogram[bin as usize], *delta);
        }
        let last = usize::from(MISSING);
        let mut missing = Missing::<G>::none();
        self.filled.clear();
        if part.rows.len() > MANY {
            let bins = histogram[..column.binned.count].iter().enumerate();
            let weighty = bins.filter(|(_, sums)| G::weight(sums) > 0.0);
            self.filled.extend(weighty.map(|(bin, _)| bin as u8));
            missing.rows = usize::from(G::weight(&histogram[last]) > 0.0);
        } else {
            let mut marks = Marks::default();
            for row in part.rows {
                marks.insert(column.binned.codes[*row as usize]);
            }
            missing.rows = usize::from(marks.remove(MISSING));
            marks.list(&mut self.filled);
        }
        missing.sums = std::mem::replace(&mut histogram[last], G::ZERO);
        if self.filled.len() + missing.rows < 2 {
            self.filled
                .iter()
                .for_each(|bin| histogram[*bin as usize] = G::ZERO);
            return Found::Constant;
        }
        // Where one row is enough for a side, it is enough to know that a bin is not empty.
        let mut present = self.filled.len();
        if part.least > 1 {
            self.counts.fill(0);
            for row in part.rows {
                self.counts[column.binned.codes[*row as usize] as usize] += 1;
            }
            missing.rows = self.counts[last] as usize;
            present = part.rows.len() - missing.rows;
        }
        let mut scan = Scan::new(self.goal, part, present, missing);
        let mut left = G::ZERO;
        let mut passed = 0;
        let mut before = None;
        for bin in &self.filled {
            let bin = usize::from(*bin);
            if let Some(before) = before {
                scan.consider(&left, passed, (before, bin));
            }
            left = G::plus(&left, &histogram[bin]);
            // Left as it was found.
            histogram[bin] = G::ZERO;
            passed += match part.least > 1 {
                true => self.counts[bin] as usize,
                false => 1,
            };
            before = Some(bin);
        }
        scan.consider_missing();
        // Halfway between the bins on both sides.
        Found::Best(scan.split(column.feature, |(low, high)| {
            column.binned.bounds[(low + high - 1) / 2]
        }))
    }

    /// A split by a threshold between the column's smallest and largest value, drawn evenly (Geurts et al. 2006).
    pub fn random(&mut self, part: &Part<'_, G>, column: Column<'_>, random: &mut Random) -> Found {
        let (mut low, mut high) = (f32::INFINITY, f32::NEG_INFINITY);
        let mut missing = Missing::<G>::none();
        for (row, delta) in part.rows.iter().zip(part.deltas) {
            let number = column.values[*row as usize];
            if number.is_nan() {
                missing.add(*delta);
            }
            // Neither is true of a missing value.
            low = if number < low { number } else { low };
            high = if number > high { number } else { high };
        }
        let present = part.rows.len() - missing.rows;
        if present == 0 || (missing.rows == 0 && low == high) {
            return Found::Constant;
        }
        let drawn = f64::from(low) + random.unit() * (f64::from(high) - f64::from(low));
        // Below the largest value, so that something goes right.
        let threshold = (drawn as f32).min(high.next_down()).max(low);
        let mut scan = Scan::new(self.goal, part, present, missing);
        let mut passed = 0;
        let mut left = G::ZERO;
        for (row, delta) in part.rows.iter().zip(part.deltas) {
            if column.values[*row as usize] <= threshold {
                G::add(&mut left, *delta);
                passed += 1;
            }
        }
        if passed < present {
            scan.consider(&left, passed, (0, 0));
        }
        scan.consider_missing();
        Found::Best(scan.split(column.feature, |_| threshold))
    }
}

/// A set of codes.
#[derive(Clone, Copy, Default)]
struct Marks([u64; BINS / 64]);

impl Marks {
    fn insert(&mut self, code: u8) {
        self.0[usize::from(code >> 6)] |= 1 << (code & 63);
    }

    /// Whether it was there.
    fn remove(&mut self, code: u8) -> bool {
        let word = &mut self.0[usize::from(code >> 6)];
        let there = *word >> (code & 63) & 1 == 1;
        *word &= !(1 << (code & 63));
        there
    }

    /// Appends the codes to `codes`, ascending.
    fn list(self, codes: &mut Vec<u8>) {
        for (index, word) in self.0.into_iter().enumerate() {
            let mut rest = word;
            while rest != 0 {
                codes.push((index * 64) as u8 + rest.trailing_zeros() as u8);
                rest &= rest - 1;
            }
        }
    }
}

/// The rows without a value.
struct Missing<G: Goal> {
    rows: usize,
    sums: G::Sums,
}

impl<G: Goal> Missing<G> {
    fn none() -> Self {
        Missing {
            rows: 0,
            sums: G::ZERO,
        }
    }

    fn add(&mut self, delta: G::Delta) {
        self.rows += 1;
        G::add(&mut self.sums, delta);
    }
}

/// Goes through the places where a column may be split, from its smallest value up, and keeps the best.
struct Scan<'a, G: Goal> {
    goal: &'a G,
    all: G::Sums,
    least: usize,
    /// Rows with a value.
    present: usize,
    missing: Missing<G>,
    score: f64,
    /// The bins or rows on both sides.
    place: (usize, usize),
    missing_left: bool,
    /// The split parts the rows that have a value from those that have none.
    only_missing: bool,
}

impl<'a, G: Goal> Scan<'a, G> {
    fn new(goal: &'a G, part: &Part<'_, G>, present: usize, missing: Missing<G>) -> Self {
        Scan {
            goal,
            all: part.sums,
            least: part.least,
            present,
            missing,
            score: f64::NEG_INFINITY,
            place: (0, 0),
            missing_left: false,
            only_missing: false,
        }
    }

    /// Considers the place that `passed` rows, whose sums are `left`, do not pass: with the missing ones on either side.
    #[inline(always)]
    fn consider(&mut self, left: &G::Sums, passed: usize, place: (usize, usize)) {
        let others = self.present - passed;
        if passed >= self.least && others + self.missing.rows >= self.least {
            self.weigh(left, place, false);
        }
        if self.missing.rows > 0 && passed + self.missing.rows >= self.least && others >= self.least
        {
            self.weigh(&G::plus(left, &self.missing.sums), place, true);
        }
    }

    /// Considers all values on the left, the missing ones on the right.
    fn consider_missing(&mut self) {
        if self.missing.rows >= self.least.max(1) && self.present >= self.least {
            let before = self.score;
            let left = G::minus(&self.all, &self.missing.sums);
            self.weigh(&left, self.place, false);
            self.only_missing = self.score > before;
        }
    }

    #[inline(always)]
    fn weigh(&mut self, left: &G::Sums, place: (usize, usize), missing_left: bool) {
        let right = G::minus(&self.all, left);
        let score = self.goal.scores(left, &right);
        if score > self.score {
            self.score = score;
            self.place = place;
            self.missing_left = match self.missing.rows {
                // Where none is missing, those of later rows go with the greater part.
                0 => G::weight(left) > G::weight(&right),
                _ => missing_left,
            };
        }
    }

    /// The best split, if any; `threshold` says the largest value that goes left at a
    /// place.
    fn split(&self, feature: u32, threshold: impl Fn((usize, usize)) -> f32) -> Option<Split> {
        (self.score > f64::NEG_INFINITY).then(|| Split {
            feature,
            threshold: match self.only_missing {
                true => f32::MAX,
                false => threshold(self.place),
            },
            missing_left: self.missing_left,
            score: self.score,
        })
    }
}
