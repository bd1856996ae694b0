//! Fitting features and learner on some rows, and what the result says of others.

use contract::Warning;

use super::PipelineError;
use crate::features::{Encoder, NamedSource, Rows, encode, fit_encoder};
use crate::forms::{Form, Predictions};
use crate::learners::{Learner, Progress, Training};
use crate::table::{DataError, Table, TargetColumn};

/// What is fitted, whatever the rows.
#[derive(Clone, Copy)]
pub(super) struct Recipe<'a> {
    pub table: &'a Table,
    pub target: &'a TargetColumn,
    pub sources: &'a [NamedSource],
    pub max_categories: usize,
    pub learner: &'a dyn Learner,
    pub seed: u64,
}

/// Features and model, fitted on the same rows.
pub(super) struct FittedModel {
    pub encoders: Vec<Encoder>,
    pub form: Form,
    pub warnings: Vec<Warning>,
    /// What the splits by each encoder's columns gained, in shares that sum to 1; for trees of the built-in engine.
    pub importance: Option<Vec<f64>>,
}

impl Recipe<'_> {
    /// Fits on `train` and looks at no other row. `progress` hears how far a long fit has come.
    pub fn fit(&self, train: &[u32], progress: Progress<'_>) -> Result<FittedModel, PipelineError> {
        let wants = self.learner.wants();
        let encoders: Vec<Encoder> = self
            .sources
            .iter()
            .map(|named| fit_encoder(self.table, train, named, wants, self.max_categories))
            .collect();
        let columns = encoders
            .iter()
            .map(|encoder| encoder.encoding.width())
            .sum();
        check_room(train.len(), columns)?;
        let features = encode(self.table, &encoders, Rows::new(train));
        let target = self.target.select(train);
        let fitted = self.learner.fit(Training {
            features: &features,
            target: &target,
            weights: None,
            seed: self.seed,
            progress,
        })?;
        let importance = fitted.importance.map(|shares| {
            let mut shares = shares.into_iter();
            let widths = encoders.iter().map(|encoder| encoder.encoding.width());
            widths
                .map(|width| shares.by_ref().take(width).sum())
                .collect()
        });
        Ok(FittedModel {
            encoders,
            importance,
            form: fitted.form,
            warnings: fitted.warnings,
        })
    }
}

/// Refuses features that the module's memory does not hold, where running out of it would end the module without a word.
fn check_room(rows: usize, columns: usize) -> Result<(), DataError> {
    let too_large = || DataError::TooLarge { rows, columns };
    let cells = rows.checked_mul(columns).ok_or_else(too_large)?;
    let mut room: Vec<f32> = Vec::new();
    room.try_reserve_exact(cells).map_err(|_| too_large())
}

impl FittedModel {
    pub fn predict(&self, table: &Table, rows: &[u32]) -> Predictions {
        self.form
            .predict(&encode(table, &self.encoders, Rows::new(rows)))
    }
}
