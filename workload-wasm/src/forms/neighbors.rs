use serde::{Deserialize, Serialize};

use super::rows::for_each_row;
use super::{FormError, Link, Predictions, Rows};
use crate::learners::Features;

/// The training rows: a row is what its nearest ones are (Cover and Hart 1967).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Neighbors {
    /// How many of the nearest rows have a say; at least 1, at most all. Of equally near ones the earlier count.
    pub k: u32,
    pub weighting: Weighting,
    pub distance: Distance,
    pub rows: Rows,
    pub targets: Targets,
}

/// How much of a say a neighbor has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weighting {
    Uniform,
    /// 1 / distance; neighbors at distance 0 alone, where there are any.
    Distance,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Distance {
    Manhattan,
    Euclidean,
}

/// What the training rows are, one a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Targets {
    /// Class codes, `0..classes`.
    Classes {
        codes: Vec<u32>,
        classes: u32,
    },
    Numbers(Vec<f32>),
}

impl Distance {
    /// Grows as the distance does; the squared distance where that saves a root.
    fn rank(self, a: &[f32], b: &[f32]) -> f64 {
        let differences = a.iter().zip(b).map(|(a, b)| f64::from(*a) - f64::from(*b));
        match self {
            Distance::Manhattan => differences.map(f64::abs).sum(),
            Distance::Euclidean => differences.map(|difference| difference * difference).sum(),
        }
    }

    fn of_rank(self, rank: f64) -> f64 {
        match self {
            Distance::Manhattan => rank,
            Distance::Euclidean => rank.sqrt(),
        }
    }
}

impl Neighbors {
    pub(super) fn predict(&self, features: &Features) -> Predictions {
        let outputs = match &self.targets {
            Targets::Classes { classes, .. } => *classes as usize,
            Targets::Numbers(_) => 1,
        };
        let mut sums = vec![0.0_f64; features.rows * outputs];
        let mut nearest = Vec::with_capacity(self.k as usize + 1);
        for_each_row(features, |index, row| {
            self.find(row, &mut nearest);
            let sums = &mut sums[index * outputs..(index + 1) * outputs];
            let mut total = 0.0;
            for (rank, neighbor) in &nearest {
                let weight = self.weight(*rank, nearest[0].0);
                total += weight;
                match &self.targets {
                    Targets::Classes { codes, .. } => sums[codes[*neighbor] as usize] += weight,
                    Targets::Numbers(values) => sums[0] += weight * f64::from(values[*neighbor]),
                }
            }
            sums.iter_mut().for_each(|sum| *sum /= total);
        });
        match self.targets {
            Targets::Classes { .. } => Link::Shares.apply(sums, outputs),
            Targets::Numbers(_) => Link::Identity.apply(sums, outputs),
        }
    }

    fn weight(&self, rank: f64, nearest: f64) -> f64 {
        match self.weighting {
            Weighting::Uniform => 1.0,
            Weighting::Distance if nearest == 0.0 => f64::from(u8::from(rank == 0.0)),
            // Relative to the nearest one, so that it neither overflows nor vanishes.
            Weighting::Distance => self.distance.of_rank(nearest) / self.distance.of_rank(rank),
        }
    }

    /// Fills `nearest` with rank and index of the `k` nearest rows, nearest first.
    fn find(&self, row: &[f32], nearest: &mut Vec<(f64, usize)>) {
        nearest.clear();
        for (index, candidate) in self.rows.iter().enumerate() {
            let rank = self.distance.rank(row, candidate);
            let full = nearest.len() == self.k as usize;
            if full && nearest.last().is_some_and(|(last, _)| rank >= *last) {
                continue;
            }
            let place = nearest.partition_point(|(other, _)| *other <= rank);
            nearest.insert(place, (rank, index));
            nearest.truncate(self.k as usize);
        }
    }

    pub(super) fn check(&self, features: usize) -> Result<(), FormError> {
        self.rows.check(features)?;
        let rows = self.rows.iter().len();
        let (targets, sound) = match &self.targets {
            Targets::Classes { codes, classes } => {
                Link::Shares.check(*classes as usize)?;
                (codes.len(), codes.iter().all(|code| code < classes))
            }
            Targets::Numbers(values) => {
                (values.len(), values.iter().all(|value| value.is_finite()))
            }
        };
        if targets != rows || self.k == 0 || self.k as usize > rows {
            return Err(FormError::Lengths { what: "neighbors" });
        }
        if sound {
            Ok(())
        } else {
            Err(FormError::NotFinite)
        }
    }
}
