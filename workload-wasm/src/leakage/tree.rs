/// Splits from the root to a leaf.
const DEPTH: u32 = 6;
/// Rows of a leaf.
const LEAST_LEAF: usize = 3;

/// A small regression tree on one column. Missing values have a leaf of their own.
pub(super) struct Tree {
    /// Upper bound of each leaf's values, ascending; the last one is infinite.
    leaves: Vec<(f32, f64)>,
    missing: f64,
}

impl Tree {
    /// Fits by least squares; for answers of 0 and 1 that is the Gini impurity.
    pub fn fit(values: &[f32], answers: &[f64]) -> Self {
        let mut present: Vec<(f32, f64)> = Vec::with_capacity(values.len());
        let mut missing = (0.0, 0_u32);
        for (value, answer) in values.iter().zip(answers) {
            if value.is_nan() {
                missing = (missing.0 + answer, missing.1 + 1);
            } else {
                present.push((*value, *answer));
            }
        }
        present.sort_by(|left, right| left.0.total_cmp(&right.0));
        let mean = answers.iter().sum::<f64>() / answers.len().max(1) as f64;
        let mut sums = Vec::with_capacity(present.len() + 1);
        let mut sum = 0.0;
        sums.push(sum);
        for (_, answer) in &present {
            sum += answer - mean;
            sums.push(sum);
        }
        let mut tree = Self {
            leaves: Vec::new(),
            missing: match missing {
                (_, 0) => mean,
                (sum, count) => sum / f64::from(count),
            },
        };
        if present.is_empty() {
            tree.leaves.push((f32::INFINITY, mean));
        } else {
            tree.grow(&present, &sums, mean, 0, present.len(), DEPTH);
        }
        tree
    }

    /// Adds the leaves of the rows `from..to` of `present`, which is sorted; `sums` are those of the answers before
    /// each row, less their mean.
    fn grow(
        &mut self,
        present: &[(f32, f64)],
        sums: &[f64],
        mean: f64,
        from: usize,
        to: usize,
        depth: u32,
    ) {
        let gain = |from: usize, to: usize| (sums[to] - sums[from]).powi(2) / (to - from) as f64;
        let whole = gain(from, to);
        let mut best = None;
        if depth > 0 {
            for at in from + LEAST_LEAF..(to + 1).saturating_sub(LEAST_LEAF) {
                if present[at - 1].0 == present[at].0 {
                    continue;
                }
                let gained = gain(from, at) + gain(at, to) - whole;
                if gained > best.map_or(1e-12, |(_, gained)| gained) {
                    best = Some((at, gained));
                }
            }
        }
        match best {
            Some((at, _)) => {
                self.grow(present, sums, mean, from, at, depth - 1);
                self.grow(present, sums, mean, at, to, depth - 1);
            }
            None => {
                let answer = mean + (sums[to] - sums[from]) / (to - from) as f64;
                let last = present[to - 1].0;
                // Halfway to the next leaf: values of other rows lie in the gap, too.
                let bound = present.get(to).map_or(f32::INFINITY, |(next, _)| {
                    let middle = f32::midpoint(last, *next);
                    if middle < *next { middle } else { last }
                });
                self.leaves.push((bound, answer));
            }
        }
    }

    pub fn predict(&self, value: f32) -> f64 {
        if value.is_nan() {
            return self.missing;
        }
        let leaf = self.leaves.partition_point(|(bound, _)| *bound < value);
        self.leaves
            .get(leaf)
            .map_or(self.missing, |(_, answer)| *answer)
    }
}
