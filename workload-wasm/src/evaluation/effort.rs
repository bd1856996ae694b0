/// Work that permutation importances may take, in multiplications and additions: some seconds in the sandbox.
const BUDGET: u64 = 500_000_000;
/// More rows than this make an importance no clearer, and fewer than that say little.
const MOST_ROWS: usize = 1_000;
const FEWEST_ROWS: usize = 100;

/// How permutation importances are measured. Work is counted, never timed: equal inputs give equal importances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Columns that are shuffled.
    pub columns: usize,
    /// Held-out rows among which they are.
    pub rows: usize,
    /// How often each is.
    pub repeats: u64,
}

impl Effort {
    /// All that is asked for, of a row at most so many.
    pub fn asked(columns: usize, held_out: usize, repeats: u64) -> Self {
        Self {
            columns,
            rows: held_out.min(MOST_ROWS),
            repeats: repeats.max(1),
        }
    }

    /// As much of it as the budget allows, where predicting a row takes `cost`: first each column is shuffled fewer
    /// times, then among fewer rows, and then only the first columns are.
    pub fn affordable(self, cost: u64) -> Self {
        let predictions = (BUDGET / cost.max(1)).max(1);
        let share = |others: u64| predictions / others.max(1);
        let (columns, rows) = (self.columns as u64, self.rows as u64);
        let repeats = share(columns * rows).clamp(1, self.repeats);
        let fewest = FEWEST_ROWS.min(self.rows) as u64;
        let rows = share(columns * repeats).clamp(fewest, rows.max(fewest));
        let columns = share(rows * repeats).clamp(1, columns.max(1)).min(columns);
        Self {
            columns: columns as usize,
            rows: rows as usize,
            repeats,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quick_model_is_asked_for_everything() {
        let asked = Effort::asked(20, 5_000, 3);
        assert_eq!((asked.rows, asked.affordable(5_000)), (MOST_ROWS, asked));
    }

    #[test]
    fn repeats_go_first_then_rows_then_columns() {
        let asked = Effort::asked(20, 5_000, 3);
        let cut = |cost: u64| {
            let effort = asked.affordable(cost);
            (effort.repeats, effort.rows, effort.columns)
        };
        assert_eq!(cut(20_000), (1, 1_000, 20));
        assert_eq!(cut(50_000), (1, 500, 20));
        assert_eq!(cut(200_000), (1, 125, 20));
        assert_eq!(cut(500_000), (1, 100, 10));
        // One column is always looked at.
        assert_eq!(cut(u64::MAX), (1, 100, 1));
    }
}
