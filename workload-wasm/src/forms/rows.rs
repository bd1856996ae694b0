use serde::{Deserialize, Serialize};

use super::FormError;
use crate::learners::Features;

/// Rows of features that a form remembers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rows {
    /// Features of each row.
    pub width: u32,
    /// Row-major, rows x `width`.
    pub values: Vec<f32>,
}

impl Rows {
    /// The rows of `features` at `indices`.
    #[must_use]
    pub fn gather(features: &Features, indices: impl Iterator<Item = usize>) -> Self {
        let mut values = Vec::new();
        for index in indices {
            values.extend(features.columns.iter().map(|column| column.values[index]));
        }
        Rows {
            width: features.columns.len() as u32,
            values,
        }
    }

    /// The rows, one after the other.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.width.max(1) as usize)
    }

    pub(super) fn check(&self, features: usize) -> Result<(), FormError> {
        if self.width as usize != features || features == 0 {
            return Err(FormError::Features {
                form: self.width as usize,
                given: features,
            });
        }
        if !self.values.len().is_multiple_of(features) {
            return Err(FormError::Lengths { what: "rows" });
        }
        if self.values.iter().all(|value| value.is_finite()) {
            Ok(())
        } else {
            Err(FormError::NotFinite)
        }
    }
}

/// Calls `each(index, row)` for every row of `features`.
pub(super) fn for_each_row(features: &Features, mut each: impl FnMut(usize, &[f32])) {
    let mut row = vec![0.0_f32; features.columns.len()];
    for index in 0..features.rows {
        for (value, column) in row.iter_mut().zip(&features.columns) {
            *value = column.values[index];
        }
        each(index, &row);
    }
}
