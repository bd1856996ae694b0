//! What a tree explains: classes or numbers, and how well a split does it.

/// How the rows of a node are summed up, and how alike a sum says that they are.
///
/// The score of some rows is their weight times how alike they are, so that the best split has the highest sum of both
/// sides' scores, and what it adds to the parent's score is the decrease of impurity.
pub(super) trait Goal {
    /// Sums over rows: a few numbers, in an array whose length the compiler knows.
    type Sums: Copy;
    /// What a row adds to them.
    type Delta: Copy;

    const ZERO: Self::Sums;

    /// What each row adds with its weight.
    fn deltas(&self, weights: &[f32]) -> Vec<Self::Delta>;
    fn add(sums: &mut Self::Sums, delta: Self::Delta);
    /// The delta, or nothing. Without a jump: which rows are kept cannot be guessed.
    fn only(delta: Self::Delta, keep: bool) -> Self::Delta;
    fn plus(a: &Self::Sums, b: &Self::Sums) -> Self::Sums;
    fn minus(a: &Self::Sums, b: &Self::Sums) -> Self::Sums;
    /// The sum of the rows' weights.
    fn weight(sums: &Self::Sums) -> f64;
    fn score(&self, sums: &Self::Sums) -> f64;
    /// How good a split of a node is among all splits of that node: the first number over the second, which is above 0.
    /// Fractions are compared by multiplying across, for a division is what takes the time.
    fn merit(&self, left: &Self::Sums, right: &Self::Sums) -> (f64, f64);
    /// Whether all rows are the same, so that no split could tell them apart.
    fn pure(&self, sums: &Self::Sums, rows: &[u32]) -> bool;
    /// What a leaf of these rows says.
    fn leaf(&self, sums: &Self::Sums) -> Vec<f32>;
}

/// How mixed the classes of some rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Criterion {
    Gini,
    Entropy,
}

/// The number, or 0.
fn only(number: f64, keep: bool) -> f64 {
    f64::from_bits(number.to_bits() & u64::from(keep).wrapping_neg())
}

/// A classification of up to `N` classes: the weight of each.
pub(super) struct Classes<'a, const N: usize> {
    pub codes: &'a [u32],
    pub classes: usize,
    pub criterion: Criterion,
}

impl<const N: usize> Goal for Classes<'_, N> {
    type Sums = [f64; N];
    type Delta = (u32, f32);

    const ZERO: Self::Sums = [0.0; N];

    fn deltas(&self, weights: &[f32]) -> Vec<Self::Delta> {
        self.codes
            .iter()
            .copied()
            .zip(weights.iter().copied())
            .collect()
    }

    #[inline(always)]
    fn add(sums: &mut Self::Sums, (class, weight): Self::Delta) {
        // A class is below N; a power of two tells the compiler so, and nothing is left to check.
        let class = match N.is_power_of_two() {
            true => class as usize & (N - 1),
            false => class as usize,
        };
        sums[class] += f64::from(weight);
    }

    #[inline(always)]
    fn only((class, weight): Self::Delta, keep: bool) -> Self::Delta {
        let mask = u32::from(keep).wrapping_neg();
        (class, f32::from_bits(weight.to_bits() & mask))
    }

    fn plus(a: &Self::Sums, b: &Self::Sums) -> Self::Sums {
        std::array::from_fn(|class| a[class] + b[class])
    }

    fn minus(a: &Self::Sums, b: &Self::Sums) -> Self::Sums {
        std::array::from_fn(|class| a[class] - b[class])
    }

    fn weight(sums: &Self::Sums) -> f64 {
        sums.iter().sum()
    }

    fn score(&self, sums: &Self::Sums) -> f64 {
        let total: f64 = sums.iter().sum();
        match self.criterion {
            Criterion::Gini => sums.iter().map(|sum| sum * sum).sum::<f64>() / total,
            Criterion::Entropy => {
                let parts = sums.iter().filter(|sum| **sum > 0.0);
                parts.map(|sum| sum * (sum / total).ln()).sum()
            }
        }
    }

    #[inline(always)]
    fn merit(&self, left: &Self::Sums, right: &Self::Sums) -> (f64, f64) {
        let (on_left, on_right) = (Self::weight(left), Self::weight(right));
        match self.criterion {
            Criterion::Gini => {
                let squares = |sums: &Self::Sums| sums.iter().map(|sum| sum * sum).sum::<f64>();
                let sum = squares(left) * on_right + squares(right) * on_left;
                (sum, on_left * on_right)
            }
            Criterion::Entropy => (self.score(left) + self.score(right), 1.0),
        }
    }

    fn pure(&self, sums: &Self::Sums, _: &[u32]) -> bool {
        sums.iter().filter(|sum| **sum > 0.0).count() < 2
    }

    fn leaf(&self, sums: &Self::Sums) -> Vec<f32> {
        let total = Self::weight(sums);
        let shares = sums.iter().take(self.classes);
        shares.map(|sum| (sum / total) as f32).collect()
    }
}

/// A classification of two classes. A row adds to both sums, 0 to one of them: that is one addition of a pair.
pub(super) struct TwoClasses<'a>(pub Classes<'a, 2>);

impl Goal for TwoClasses<'_> {
    type Sums = [f64; 2];
    type Delta = [f64; 2];

    const ZERO: Self::Sums = [0.0; 2];

    fn deltas(&self, weights: &[f32]) -> Vec<Self::Delta> {
        let rows = self.0.codes.iter().zip(weights);
        rows.map(|(class, weight)| {
            let weight = f64::from(*weight);
            [only(weight, *class == 0), only(weight, *class != 0)]
        })
        .collect()
    }

    #[inline(always)]
    fn add(sums: &mut Self::Sums, delta: Self::Delta) {
        sums[0] += delta[0];
        sums[1] += delta[1];
    }

    #[inline(always)]
    fn only(delta: Self::Delta, keep: bool) -> Self::Delta {
        [only(delta[0], keep), only(delta[1], keep)]
    }

    fn plus(a: &Self::Sums, b: &Self::Sums) -> Self::Sums {
        Classes::<2>::plus(a, b)
    }

    fn minus(a: &Self::Sums, b: &Self::Sums) -> Self::Sums {
        Classes::<2>::minus(a, b)
    }

    fn weight(sums: &Self::Sums) -> f64 {
        sums[0] + sums[1]
    }

    fn score(&self, sums: &Self::Sums) -> f64 {
        self.0.score(sums)
    }

    #[inline(always)]
    fn merit(&self, left: &Self::Sums, right: &Self::Sums) -> (f64, f64) {
        match self.0.criterion {
            // The decrease of impurity is this square over both weights, times what is the same for all splits of the
            // node.
            Criterion::Gini => {
                let apart = left[0] * right[1] - left[1] * right[0];
                (apart * apart, Self::weight(left) * Self::weight(right))
            }
            Criterion::Entropy => self.0.merit(left, right),
        }
    }

    fn pure(&self, sums: &Self::Sums, rows: &[u32]) -> bool {
        self.0.pure(sums, rows)
    }

    fn leaf(&self, sums: &Self::Sums) -> Vec<f32> {
        self.0.leaf(sums)
    }
}

/// A regression: the weight, and the weighted sum of what is left of the numbers without their mean.
pub(super) struct Numbers {
    centered: Vec<f64>,
    mean: f64,
}

impl Numbers {
    pub fn new(values: &[f32], weights: Option<&[f32]>) -> Self {
        let weight = |row: usize| weights.map_or(1.0, |weights| f64::from(weights[row]));
        let total: f64 = (0..values.len()).map(weight).sum();
        let rows = values.iter().enumerate();
        let mean = rows
            .map(|(row, value)| weight(row) * f64::from(*value))
            .sum::<f64>()
            / total;
        Numbers {
            centered: values
                .iter()
                .map(|value| f64::from(*value) - mean)
                .collect(),
            mean,
        }
    }
}

impl Goal for Numbers {
    type Sums = [f64; 2];
    type Delta = [f64; 2];

    const ZERO: Self::Sums = [0.0; 2];

    fn deltas(&self, weights: &[f32]) -> Vec<Self::Delta> {
        let rows = self.centered.iter().zip(weights);
        rows.map(|(value, weight)| [f64::from(*weight), f64::from(*weight) * value])
            .collect()
    }

    #[inline(always)]
    fn add(sums: &mut Self::Sums, [weight, value]: Self::Delta) {
        sums[0] += weight;
        sums[1] += value;
    }

    #[inline(always)]
    fn only([weight, value]: Self::Delta, keep: bool) -> Self::Delta {
        [only(weight, keep), only(value, keep)]
    }

    fn plus(a: &Self::Sums, b: &Self::Sums) -> Self::Sums {
        [a[0] + b[0], a[1] + b[1]]
    }

    fn minus(a: &Self::Sums, b: &Self::Sums) -> Self::Sums {
        [a[0] - b[0], a[1] - b[1]]
    }

    fn weight(sums: &Self::Sums) -> f64 {
        sums[0]
    }

    fn score(&self, sums: &Self::Sums) -> f64 {
        sums[1] * sums[1] / sums[0]
    }

    #[inline(always)]
    fn merit(&self, left: &Self::Sums, right: &Self::Sums) -> (f64, f64) {
        let sum = left[1] * left[1] * right[0] + right[1] * right[1] * left[0];
        (sum, left[0] * right[0])
    }

    fn pure(&self, _: &Self::Sums, rows: &[u32]) -> bool {
        rows.windows(2)
            .all(|pair| self.centered[pair[0] as usize] == self.centered[pair[1] as usize])
    }

    fn leaf(&self, sums: &Self::Sums) -> Vec<f32> {
        vec![(self.mean + sums[1] / sums[0]) as f32]
    }
}
