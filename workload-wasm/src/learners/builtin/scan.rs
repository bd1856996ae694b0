//! Going through the places where a column may be split, keeping the best.

use super::goal::Goal;
use super::split::{Part, Split};

/// The rows of a node that miss a column's value.
pub(super) struct Missing<G: Goal> {
    pub rows: usize,
    pub sums: G::Sums,
}

impl<G: Goal> Missing<G> {
    pub fn none() -> Self {
        Missing {
            rows: 0,
            sums: G::ZERO,
        }
    }

    pub fn add(&mut self, delta: G::Delta) {
        self.rows += 1;
        G::add(&mut self.sums, delta);
    }
}

/// Goes through the places where a column may be split, from its smallest value up, and keeps the best.
pub(super) struct Scan<'a, G: Goal> {
    goal: &'a G,
    all: G::Sums,
    least: usize,
    /// Rows with a value.
    present: usize,
    missing: Missing<G>,
    /// The best place's merit, and the sums on its left.
    merit: (f64, f64),
    left: G::Sums,
    /// The bins or rows on both sides.
    place: (usize, usize),
    missing_left: bool,
    /// The split parts the rows that have a value from those that have none.
    only_missing: bool,
    /// Every place leaves enough rows on both sides, and no row misses its value.
    free: bool,
}

impl<'a, G: Goal> Scan<'a, G> {
    pub fn new(goal: &'a G, part: &Part<'_, G>, present: usize, missing: Missing<G>) -> Self {
        Scan {
            goal,
            all: part.sums,
            least: part.least,
            present,
            free: part.least <= 1 && missing.rows == 0,
            missing,
            merit: (f64::NEG_INFINITY, 1.0),
            left: G::ZERO,
            place: (0, 0),
            missing_left: false,
            only_missing: false,
        }
    }

    /// Considers the place that `passed` rows, whose sums are `left`, do not pass: with the missing ones on either side.
    #[inline(always)]
    pub fn consider(&mut self, left: &G::Sums, passed: usize, place: (usize, usize)) {
        if self.free {
            self.weigh(left, place, false);
            return;
        }
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
    pub fn consider_missing(&mut self) {
        if self.missing.rows >= self.least.max(1) && self.present >= self.least {
            let left = G::minus(&self.all, &self.missing.sums);
            self.only_missing = self.weigh(&left, self.place, false);
        }
    }

    /// Whether it is the best so far.
    #[inline(always)]
    fn weigh(&mut self, left: &G::Sums, place: (usize, usize), missing_left: bool) -> bool {
        let right = G::minus(&self.all, left);
        let merit = self.goal.merit(left, &right);
        let better = merit.0 * self.merit.1 > self.merit.0 * merit.1;
        if better {
            self.merit = merit;
            self.left = *left;
            self.place = place;
            self.missing_left = missing_left;
        }
        better
    }

    /// The best split, if any; `threshold` says the largest value that goes left at a place.
    pub fn split(&self, feature: u32, threshold: impl Fn((usize, usize)) -> f32) -> Option<Split> {
        let right = G::minus(&self.all, &self.left);
        (self.merit.0 > f64::NEG_INFINITY).then(|| Split {
            feature,
            threshold: match self.only_missing {
                true => f32::MAX,
                false => threshold(self.place),
            },
            missing_left: match self.missing.rows {
                // Where none is missing, those of later rows go with the greater part.
                0 => G::weight(&self.left) > G::weight(&right),
                _ => self.missing_left,
            },
            score: self.goal.score(&self.left) + self.goal.score(&right),
        })
    }
}
