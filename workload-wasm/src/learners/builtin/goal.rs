//! What a tree explains: classes or numbers, and how well a split does it.

/// Sums over rows from which a split is judged: a few `f64`, `width` of them.
///
/// The score of some rows is their weight times how alike they are, so that the best split has the highest sum of both
/// sides' scores, and what it adds to the parent's score is the decrease of impurity.
pub(super) trait Goal {
    /// How many sums there are.
    fn width(&self) -> usize;
    /// Adds a row.
    fn add(&self, sums: &mut [f64], row: u32, weight: f32);
    /// The sum of the rows' weights.
    fn weight(&self, sums: &[f64]) -> f64;
    fn score(&self, sums: &[f64]) -> f64;
    /// Whether all rows are the same, so that no split could tell them apart.
    fn pure(&self, sums: &[f64], rows: &[u32]) -> bool;
    /// What a leaf of these rows says.
    fn leaf(&self, sums: &[f64]) -> Vec<f32>;

    /// Adds rows to the sums of their bins: bins x `width`.
    fn histogram(&self, codes: &[u8], rows: &[u32], weights: &[f32], sums: &mut [f64]) {
        let width = self.width();
        for row in rows {
            let bin = codes[*row as usize] as usize * width;
            self.add(&mut sums[bin..bin + width], *row, weights[*row as usize]);
        }
    }
}

/// How mixed the classes of some rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Criterion {
    Gini,
    Entropy,
}

/// A classification: the weight of each class.
pub(super) struct Classes<'a> {
    pub codes: &'a [u32],
    pub classes: usize,
    pub criterion: Criterion,
}

impl Goal for Classes<'_> {
    fn width(&self) -> usize {
        self.classes
    }

    fn add(&self, sums: &mut [f64], row: u32, weight: f32) {
        sums[self.codes[row as usize] as usize] += f64::from(weight);
    }

    fn weight(&self, sums: &[f64]) -> f64 {
        sums.iter().sum()
    }

    fn score(&self, sums: &[f64]) -> f64 {
        let total: f64 = sums.iter().sum();
        match self.criterion {
            Criterion::Gini => sums.iter().map(|sum| sum * sum).sum::<f64>() / total,
            Criterion::Entropy => {
                let parts = sums.iter().filter(|sum| **sum > 0.0);
                parts.map(|sum| sum * (sum / total).ln()).sum()
            }
        }
    }

    fn pure(&self, sums: &[f64], _: &[u32]) -> bool {
        sums.iter().filter(|sum| **sum > 0.0).count() < 2
    }

    fn leaf(&self, sums: &[f64]) -> Vec<f32> {
        let total = self.weight(sums);
        sums.iter().map(|sum| (sum / total) as f32).collect()
    }

    fn histogram(&self, codes: &[u8], rows: &[u32], weights: &[f32], sums: &mut [f64]) {
        for row in rows {
            let row = *row as usize;
            let slot = codes[row] as usize * self.classes + self.codes[row] as usize;
            sums[slot] += f64::from(weights[row]);
        }
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
            .map(|(row, v)| weight(row) * f64::from(*v))
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
    fn width(&self) -> usize {
        2
    }

    fn add(&self, sums: &mut [f64], row: u32, weight: f32) {
        sums[0] += f64::from(weight);
        sums[1] += f64::from(weight) * self.centered[row as usize];
    }

    fn weight(&self, sums: &[f64]) -> f64 {
        sums[0]
    }

    fn score(&self, sums: &[f64]) -> f64 {
        sums[1] * sums[1] / sums[0]
    }

    fn pure(&self, _: &[f64], rows: &[u32]) -> bool {
        rows.windows(2)
            .all(|pair| self.centered[pair[0] as usize] == self.centered[pair[1] as usize])
    }

    fn leaf(&self, sums: &[f64]) -> Vec<f32> {
        vec![(self.mean + sums[1] / sums[0]) as f32]
    }
}
