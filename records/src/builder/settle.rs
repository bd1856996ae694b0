//! Judging a column at the end of a pass: whether what was read may stay.

use super::judge::Judgement;
use super::verdict::Tally;
use super::{Builder, Cells, Met};
use crate::marks::MarksSay;
use crate::options::Type;

impl Builder {
    /// At the end of a pass: marks the column as one to be read again where its cells turned out to be of several types,
    /// or its marks to mean something else.
    pub fn settle(&mut self) {
        if !self.remembers() {
            return;
        }
        self.met.commit();
        let misread = self.has_other_marks();
        if self.met.odd.is_empty() && !misread {
            return;
        }
        let mut tally = match &self.cells {
            Cells::Number(numbers) => tally(Type::Number, &numbers.values, numbers.unfit.count),
            Cells::Time { days, .. } => tally(Type::Time, days, 0),
            _ => return,
        };
        tally.odd = self.met.odd.cells();
        // Numbers that were declared are read again where some are in another form: their marks may tell which.
        let is_undecided = match self.declared {
            Some(Type::Number) => self.met.form.is_some() && self.infer,
            Some(_) => false,
            None => !tally.odd_is_missing(&self.met),
        };
        if is_undecided || misread {
            self.cells = Cells::Mixed;
        }
    }

    /// Whether numbers were read with a decimal mark that groups thousands.
    fn has_other_marks(&self) -> bool {
        let marks = &self.met.marks;
        self.infer
            && match marks.say() {
                MarksSay::Point => marks.has_commas(),
                MarksSay::Comma => marks.has_points(),
                _ => false,
            }
    }

    /// At the end of the first block: whether the column is better read from its start as another type than its first
    /// value's. What it is in the end does not depend on it.
    pub fn reconsider(&mut self) -> bool {
        if !self.remembers() || self.declared.is_some() {
            return self.is_mixed();
        }
        self.settle();
        if let Cells::Text(dictionary) = &self.cells {
            let (judgement, _) = self.texts().judge(dictionary, &mut Met::default());
            self.likely = match judgement {
                Judgement::Numbers { format: None, .. } => Some(Type::Number),
                Judgement::Times { .. } => Some(Type::Time),
                _ => None,
            };
            return self.likely.is_some();
        }
        self.is_mixed()
    }
}

/// What was read of a column so far.
fn tally(kind: Type, values: &[f32], unfit: u64) -> Tally {
    let mut tally = Tally {
        kind: Some(kind),
        values: unfit,
        ..Tally::default()
    };
    for value in values.iter().filter(|value| !value.is_nan()) {
        tally.number(*value, 1);
    }
    tally
}
