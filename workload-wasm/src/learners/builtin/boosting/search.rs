//! Where to split a leaf: the place with the highest gain among the bins of all columns.

use super::{Quantum, Sums};
use crate::learners::builtin::bins::{Bins, MISSING};

/// What a split must keep to.
#[derive(Clone, Copy, Debug)]
pub(in crate::learners::builtin) struct Limits {
    pub num_leaves: usize,
    pub max_depth: Option<u32>,
    pub min_child_samples: usize,
    pub min_child_weight: f64,
    pub min_split_gain: f64,
    pub reg_lambda: f64,
    pub categories: Categories,
}

/// How columns of categories are split.
#[derive(Clone, Copy, Debug)]
pub(in crate::learners::builtin) struct Categories {
    /// Up to so many categories, one is split from the rest.
    pub max_cat_to_onehot: usize,
    /// Categories on the smaller side, at most.
    pub max_cat_threshold: usize,
    pub cat_smooth: f64,
    pub cat_l2: f64,
    pub min_data_per_group: usize,
}

/// A split that was found.
#[derive(Clone, Debug)]
pub(super) struct Split {
    pub gain: f64,
    pub feature: usize,
    pub place: Place,
    pub missing_left: bool,
    /// The sums of the rows that go left.
    pub left: Sums,
}

#[derive(Clone, Debug)]
pub(super) enum Place {
    /// Bins up to and with this one go left.
    UpTo(usize),
    /// These bins go left, ascending.
    Bins(Vec<u8>),
}

impl Split {
    /// Whether rows with a bin go left, for each bin; 1 or 0.
    pub fn sides(&self) -> [u8; 256] {
        let mut sides = match &self.place {
            Place::UpTo(last) => std::array::from_fn(|bin| u8::from(bin <= *last)),
            Place::Bins(bins) => {
                let mut sides = [0; 256];
                for bin in bins {
                    sides[usize::from(*bin)] = 1;
                }
                sides
            }
        };
        sides[usize::from(MISSING)] = u8::from(self.missing_left);
        sides
    }
}

/// A look at one leaf. All its numbers are in quanta.
pub(super) struct Search {
    sums: Sums,
    /// Neither side's Hessians may sum up to less.
    least: f64,
    /// Rows in a unit of Hessian, as they are on the average of the leaf's.
    rows: f64,
    lambda: f64,
    hessian: f64,
    /// Gains in units of the target's loss.
    unit: f64,
    limits: Limits,
}

/// The best place so far: its gain is a fraction, which is compared without dividing.
#[derive(Clone, Copy)]
struct Best {
    numerator: f64,
    denominator: f64,
    bin: usize,
    missing_left: bool,
    left: Sums,
}

impl Search {
    /// Looks at a leaf of `rows` rows. `strictness` multiplies what the rows on a side are taken to weigh (1 at first).
    pub fn new(sums: Sums, rows: usize, quantum: Quantum, limits: Limits, strictness: f64) -> Self {
        let rows_of_hessian = rows as f64 / sums[1];
        // Rows are counted by their share of the Hessians, as in LightGBM: half a row is rounded up.
        let samples = (limits.min_child_samples as f64 - 0.5) / rows_of_hessian * strictness;
        let weight = limits.min_child_weight / quantum.hessian;
        Search {
            sums,
            least: samples.max(weight).max(f64::MIN_POSITIVE),
            rows: rows_of_hessian,
            lambda: limits.reg_lambda / quantum.hessian,
            hessian: quantum.hessian,
            unit: quantum.gradient * quantum.gradient / quantum.hessian,
            limits,
        }
    }

    /// The best split by the `used` columns.
    pub fn best(
        &self,
        bins: &Bins,
        starts: &[usize],
        used: &[bool],
        histogram: &[Sums],
    ) -> Option<Split> {
        let mut best: Option<Split> = None;
        for (feature, column) in bins.columns.iter().enumerate() {
            if !used[feature] {
                continue;
            }
            let sums = &histogram[starts[feature]..=starts[feature] + column.count];
            let found = match column.categories {
                false => self.by_threshold(feature, sums),
                true => self.by_categories(feature, sums),
            };
            if let Some(found) = found
                && found.gain > self.limits.min_split_gain
                && best.as_ref().is_none_or(|best| found.gain > best.gain)
            {
                best = Some(found);
            }
        }
        best
    }

    /// How much lower the loss is (twice, as LightGBM counts it) when the rows with sums `left` are split off.
    fn gain(&self, left: Sums, lambda: f64) -> f64 {
        let right = minus(self.sums, left);
        let part = |sums: Sums, lambda: f64| sums[0] * sums[0] / (sums[1] + lambda);
        let both = part(left, lambda) + part(right, lambda);
        let whole = part(self.sums, self.lambda);
        // What rounding alone may have made is nothing.
        match both > whole * (1.0 + 1e-12) {
            true => (both - whole) * self.unit,
            false => 0.0,
        }
    }

    fn by_threshold(&self, feature: usize, sums: &[Sums]) -> Option<Split> {
        let (missing, bins) = sums.split_last()?;
        let mut best = Best {
            numerator: 0.0,
            denominator: 1.0,
            bin: usize::MAX,
            missing_left: false,
            left: [0.0; 2],
        };
        let some_missing = *missing != [0.0; 2];
        self.scan(bins, [0.0; 2], false, !some_missing, &mut best);
        if some_missing {
            self.scan(bins, *missing, true, true, &mut best);
        }
        (best.bin != usize::MAX).then(|| Split {
            gain: self.gain(best.left, self.lambda),
            feature,
            place: Place::UpTo(best.bin),
            missing_left: match some_missing {
                true => best.missing_left,
                // Where none is missing, those of later rows go with the greater part.
                false => best.left[1] + best.left[1] > self.sums[1],
            },
            left: best.left,
        })
    }

    /// Goes through the bins from the smallest up, `left` being what goes left with all of them. The last bin is no place
    /// where `all_but_last`.
    #[inline(always)]
    fn scan(
        &self,
        bins: &[Sums],
        mut left: Sums,
        missing_left: bool,
        all_but_last: bool,
        best: &mut Best,
    ) {
        let places = bins.len() - usize::from(all_but_last);
        for (bin, sums) in bins[..places].iter().enumerate() {
            left = [left[0] + sums[0], left[1] + sums[1]];
            let right = minus(self.sums, left);
            if left[1] < self.least {
                continue;
            }
            if right[1] < self.least {
                break;
            }
            // G²/(H + λ) of both sides over a common denominator.
            let (on_left, on_right) = (left[1] + self.lambda, right[1] + self.lambda);
            let numerator = left[0] * left[0] * on_right + right[0] * right[0] * on_left;
            let denominator = on_left * on_right;
            if numerator * best.denominator > best.numerator * denominator {
                *best = Best {
                    numerator,
                    denominator,
                    bin,
                    missing_left,
                    left,
                };
            }
        }
    }

    /// Few categories: the best one against all others. More of them: sorted by gradient over Hessian, the best cut of
    /// that order is the best of all cuts (Fisher 1958); smoothed as in LightGBM. Missing values are a category, too.
    fn by_categories(&self, feature: usize, sums: &[Sums]) -> Option<Split> {
        let there = |(code, sums): (usize, &Sums)| (sums[1] > 0.0).then_some((code, *sums));
        let present: Vec<(usize, Sums)> = sums.iter().enumerate().filter_map(there).collect();
        let (left, gain) = match present.len() <= self.limits.categories.max_cat_to_onehot {
            true => self.one_against_rest(&present),
            false => self.sorted(present),
        }?;
        let missing = sums.len() - 1;
        let mut codes: Vec<u8> = left
            .iter()
            .filter(|(code, _)| *code != missing)
            .map(|(code, _)| *code as u8)
            .collect();
        codes.sort_unstable();
        Some(Split {
            gain,
            feature,
            place: Place::Bins(codes),
            missing_left: left.iter().any(|(code, _)| *code == missing),
            left: total(&left),
        })
    }

    fn one_against_rest(&self, present: &[(usize, Sums)]) -> Option<(Vec<(usize, Sums)>, f64)> {
        let mut best = None;
        for category in present {
            let left = category.1;
            if left[1] < self.least || self.sums[1] - left[1] < self.least {
                continue;
            }
            let gain = self.gain(left, self.lambda);
            if best.as_ref().is_none_or(|(_, most)| gain > *most) {
                best = Some((vec![*category], gain));
            }
        }
        best
    }

    fn sorted(&self, mut present: Vec<(usize, Sums)>) -> Option<(Vec<(usize, Sums)>, f64)> {
        let Categories {
            max_cat_threshold,
            cat_smooth,
            cat_l2,
            min_data_per_group,
            ..
        } = self.limits.categories;
        let rows = |sums: Sums| sums[1] * self.rows;
        present.retain(|(_, sums)| rows(*sums) + 0.5 >= cat_smooth);
        // LightGBM's cat_smooth counts as Hessian here, and as rows above.
        let smooth = cat_smooth / self.hessian;
        let order = |sums: &Sums| sums[0] / (sums[1] + smooth);
        present
            .sort_by(|(a, left), (b, right)| order(left).total_cmp(&order(right)).then(a.cmp(b)));
        let lambda = self.lambda + cat_l2 / self.hessian;
        let most = max_cat_threshold.min(present.len().div_ceil(2));
        let group = min_data_per_group as f64 - 0.5;
        let mut best: Option<(Vec<(usize, Sums)>, f64)> = None;
        for _ in 0..2 {
            let mut left = [0.0; 2];
            let mut grouped = 0.0;
            for (index, (_, sums)) in present.iter().take(most).enumerate() {
                left = [left[0] + sums[0], left[1] + sums[1]];
                grouped += rows(*sums);
                let right = minus(self.sums, left);
                if right[1] < self.least || rows(right) < group {
                    break;
                }
                if left[1] < self.least || grouped < group {
                    continue;
                }
                grouped = 0.0;
                let gain = self.gain(left, lambda);
                if best.as_ref().is_none_or(|(_, most)| gain > *most) {
                    best = Some((present[..=index].to_vec(), gain));
                }
            }
            // And from the other end.
            present.reverse();
        }
        best
    }
}

fn total(categories: &[(usize, Sums)]) -> Sums {
    categories.iter().fold([0.0; 2], |sum, (_, sums)| {
        [sum[0] + sums[0], sum[1] + sums[1]]
    })
}

pub(super) fn minus(a: Sums, b: Sums) -> Sums {
    [a[0] - b[0], a[1] - b[1]]
}
