use contract::{Importance, Task};

use super::{Score, evaluate};
use crate::features::{Encoder, Rows, encode};
use crate::forms::Form;
use crate::random::Random;
use crate::table::{Table, TargetColumn};

/// More rows than this make an importance no clearer.
const MOST_ROWS: usize = 1_000;

/// All that an importance is asked of.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    pub table: &'a Table,
    pub target: &'a TargetColumn,
    pub held_out: &'a [u32],
    pub encoders: &'a [Encoder],
    pub form: &'a Form,
    pub score: Score,
}

/// Permutation importance (Breiman, "Random Forests", 2001): how much worse the score gets when a column of the
/// dataset is shuffled among (up to 1,000) held-out rows, as a mean over `repeats`. Derived columns follow the shuffled one. Sorted, largest first.
#[must_use]
pub fn permutation_importance(
    question: Question<'_>,
    columns: &[&str],
    repeats: u64,
    seed: u64,
) -> Vec<Importance> {
    let rows = sample(question.held_out, seed);
    let Some(whole) = question.score_of(Rows::new(&rows)) else {
        return Vec::new();
    };
    let mut importance: Vec<Importance> = columns
        .iter()
        .map(|column| {
            let mut random = Random::for_purpose(seed, &format!("importance of {column}"));
            let mut shuffled = rows.clone();
            let mut losses = 0.0;
            for _ in 0..repeats {
                random.shuffle(&mut shuffled);
                let score = question
                    .score_of(Rows::new(&rows).with_shuffled(column, &shuffled))
                    .unwrap_or(whole);
                losses += if question.score.higher_is_better {
                    whole - score
                } else {
                    score - whole
                };
            }
            Importance {
                column: (*column).to_owned(),
                importance: losses / repeats.max(1) as f64,
            }
        })
        .collect();
    importance.sort_by(|left, right| right.importance.total_cmp(&left.importance));
    importance
}

fn sample(held_out: &[u32], seed: u64) -> Vec<u32> {
    let mut rows = held_out.to_vec();
    if rows.len() > MOST_ROWS {
        Random::for_purpose(seed, "rows of importance").shuffle(&mut rows);
        rows.truncate(MOST_ROWS);
        rows.sort_unstable();
    }
    rows
}

impl Question<'_> {
    fn score_of(&self, rows: Rows<'_>) -> Option<f64> {
        let task: Task = self.target.model.task;
        let predictions = self.form.predict(&encode(self.table, self.encoders, rows));
        let actual = self.target.select(rows.rows());
        evaluate(task, &predictions, &actual)
            .scores
            .get(self.score.name)
            .copied()
    }
}
