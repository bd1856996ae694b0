//! What there is to say of a dataset that is predicted, from what was noticed of its blocks.

use std::collections::BTreeMap;

use contract::{CategoryCounts, CategoryVerdict, PredictionWarnings, Warning};

use crate::foreign;
use crate::warnings;

/// More warnings are of no use to anybody.
const MAX_WARNINGS: usize = 1_000;
/// More columns are of no dataset.
const MAX_COLUMNS: usize = 10_000;

/// What was noticed of all blocks so far.
#[derive(Default)]
pub(super) struct Said {
    /// Each with the number of further blocks that say something alike.
    warnings: Vec<(Warning, u64)>,
    categories: BTreeMap<String, CategoryCounts>,
}

impl Said {
    /// Adds what was noticed of a block.
    pub fn add(&mut self, block: PredictionWarnings) {
        for warning in block.warnings {
            let alike = |known: &Warning| {
                (&known.kind, &known.column) == (&warning.kind, &warning.column)
                    && (warning.column.is_some() || known.message == warning.message)
            };
            let is_full = self.warnings.len() >= MAX_WARNINGS;
            match self.warnings.iter_mut().find(|(known, _)| alike(known)) {
                Some((known, _)) if known.message == warning.message => {}
                Some((_, others)) => *others += 1,
                None if is_full => {}
                None => self.warnings.push((warning, 0)),
            }
        }
        for counts in block.categories {
            let is_full = self.categories.len() >= MAX_COLUMNS;
            match self.categories.get_mut(&counts.column) {
                Some(known) => known.merge(&counts),
                None if is_full => {}
                None => {
                    self.categories.insert(counts.column.clone(), counts);
                }
            }
        }
    }

    /// Says it, and judges the whole dataset.
    ///
    /// # Errors
    /// The first column of which nothing is known, and what to do.
    pub fn finish(self) -> Result<(), String> {
        let said = self.warnings.into_iter().map(|(mut warning, others)| {
            if others > 0 {
                let further = format!(" (and alike in {others} further parts of the data)");
                warning.message.push_str(&further);
            }
            warning
        });
        let mut all: Vec<Warning> = said.collect();
        let mut problem = None;
        for counts in self.categories.values() {
            match counts.verdict() {
                CategoryVerdict::Expected => {}
                CategoryVerdict::Unusual(warning) => all.push(warning),
                CategoryVerdict::NoneKnown(unknown) => {
                    problem.get_or_insert_with(|| foreign::line(&unknown));
                }
            }
        }
        warnings::log(&all);
        problem.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_blocks_say_alike_is_said_once() {
        let mut said = Said::default();
        for (column, message) in [
            (Some("a"), "a: 3 cells"),
            (Some("a"), "a: 5 cells"),
            (Some("b"), "b: 1 cells"),
            (None, "pages are missing"),
            (None, "pages are missing"),
        ] {
            let warning = Warning {
                column: column.map(str::to_owned),
                ..Warning::new("kind", message)
            };
            said.add(PredictionWarnings {
                warnings: vec![warning],
                categories: Vec::new(),
            });
        }
        let messages: Vec<(&str, u64)> = said
            .warnings
            .iter()
            .map(|(warning, others)| (warning.message.as_str(), *others))
            .collect();
        assert_eq!(
            messages,
            [
                ("a: 3 cells", 1),
                ("b: 1 cells", 0),
                ("pages are missing", 0)
            ]
        );
        assert_eq!(said.finish(), Ok(()));
    }

    #[test]
    fn columns_are_judged_over_all_blocks() {
        let block = |values: u64, unknown: u64| PredictionWarnings {
            warnings: Vec::new(),
            categories: vec![CategoryCounts {
                column: "shop".to_owned(),
                values,
                unknown,
                ..CategoryCounts::default()
            }],
        };
        let mut said = Said::default();
        // Neither block is judged by itself: one has too few values, the other has none that is known.
        said.add(block(10, 10));
        said.add(block(10, 10));
        let problem = said.finish().unwrap_err();
        assert!(problem.contains("none of its 20 values"), "{problem}");
        let mut said = Said::default();
        said.add(block(20, 20));
        said.add(block(1, 0));
        assert_eq!(said.finish(), Ok(()));
    }
}
