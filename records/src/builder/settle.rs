//! Judging a column at the end of a pass: whether what was read may stay.

use super::judge::Judgement;
use super::verdict::Tally;
use super::{Builder, Cells, Met};
use crate::floats::may_be_merged;
use crate::marks::MarksSay;
use crate::options::Type;

impl Builder {
    /// At the end of a pass: marks the column as one to be read again where its cells turned out to be of several types,
    /// its marks to mean something else, or its numbers to need another precision.
    pub fn settle(&mut self) {
        if !self.remembers() {
            return;
        }
        self.met.commit();
        self.settle_types();
        self.settle_precision();
    }

    fn settle_types(&mut self) {
        let misread = self.has_other_marks();
        if self.met.odd.is_empty() && !misread {
            return;
        }
        let mut tally = match &self.cells {
            Cells::Number(numbers) => {
                let values = numbers.values.iter().copied().map(f64::from);
                tally(Type::Number, values, numbers.unfit.count)
            }
            Cells::Double(doubles) => {
                let numbers = &doubles.numbers;
                tally(
                    Type::Number,
                    numbers.values.iter().copied(),
                    numbers.unfit.count,
                )
            }
            Cells::Time { days, .. } => tally(Type::Time, days.iter(), 0),
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

    /// Numbers that single precision may merge are read again in double precision; whole ones that this does not hold
    /// either are ids, and read again as text.
    fn settle_precision(&mut self) {
        match &self.cells {
            Cells::Number(numbers) | Cells::Formatted(numbers)
                if self.infer && may_be_merged(&numbers.values) =>
            {
                self.in_double = true;
                self.widens = true;
                self.cells = Cells::Mixed;
            }
            Cells::Double(doubles) if doubles.is_beyond && self.declared.is_none() => {
                let is_whole = |value: &f64| value.is_nan() || value.trunc() == *value;
                if doubles.numbers.values.iter().all(is_whole) {
                    self.cells = Cells::Mixed;
                }
            }
            _ => {}
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
        if !self.remembers() {
            return self.is_mixed();
        }
        if self.declared.is_some() {
            self.settle_precision();
            return self.is_mixed();
        }
        self.settle();
        if let Cells::Text(dictionary) = &self.cells {
            let (judgement, _) = self.texts().judge(dictionary, &mut Met::default());
            self.likely = match judgement {
                Judgement::Numbers {
                    format: None,
                    are_durations: false,
                    ..
                } => Some(Type::Number),
                Judgement::Times { .. } => Some(Type::Time),
                _ => None,
            };
            return self.likely.is_some();
        }
        self.is_mixed()
    }
}

/// What was read of a column so far.
fn tally(kind: Type, values: impl Iterator<Item = f64>, unfit: u64) -> Tally {
    let mut tally = Tally {
        kind: Some(kind),
        values: unfit,
        ..Tally::default()
    };
    for value in values.filter(|value| !value.is_nan()) {
        tally.number(value, 1);
    }
    tally
}
