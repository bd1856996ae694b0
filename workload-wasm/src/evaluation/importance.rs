use contract::{Importance, Task};

use super::effort::Effort;
use super::{Score, evaluate};
use crate::features::{Encoder, Rows, encode};
use crate::forms::Form;
use crate::learners::Features;
use crate::random::Random;
use crate::table::{Table, TargetColumn};

/// All that an importance is asked of.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    pub table: &'a Table,
    pub target: &'a TargetColumn,
    pub held_out: &'a [u32],
    pub encoders: &'a [Encoder],
    /// What the learner itself says of each encoder's importance.
    pub own: Option<&'a [f64]>,
    pub form: &'a Form,
    pub score: Score,
}

/// What was found.
#[derive(Default)]
pub struct Importances {
    /// Sorted, largest first.
    pub columns: Vec<Importance>,
    /// The learner tells which columns are important to it, so that these came first.
    pub ordered: bool,
    /// What was asked for, and what the budget allowed.
    pub efforts: Option<(Effort, Effort)>,
}

/// Permutation importance (Breiman, "Random Forests", 2001): how much worse the score gets when a column of the
/// dataset is shuffled among (up to 1,000) held-out rows, as a mean over `repeats`. Derived columns follow the shuffled
/// one. A column that the model never looks at has an importance of 0. Of the others, those that are most important to
/// the learner come first, for what it takes is limited: see [`Effort`].
#[must_use]
pub fn permutation_importance(
    question: Question<'_>,
    columns: &[&str],
    repeats: u64,
    seed: u64,
) -> Importances {
    let influence = question.influence();
    let ordered = question.own.is_some() || influence.is_some();
    let (order, unused) = question.order(columns, influence.as_deref());
    let asked = Effort::asked(order.len(), question.held_out.len(), repeats);
    let widths = question
        .encoders
        .iter()
        .map(|encoder| encoder.encoding.width());
    let cost = question.form.cost() + widths.sum::<usize>() as u64;
    let effort = asked.affordable(cost);
    let rows = sample(question.held_out, effort.rows, seed);
    let mut features = encode(question.table, question.encoders, Rows::new(&rows));
    let Some(whole) = question.score_of(&features, &rows) else {
        return Importances::default();
    };
    let importance = |column: &str, importance: f64| Importance {
        column: column.to_owned(),
        importance,
    };
    let mut found: Vec<Importance> = unused
        .iter()
        .map(|column| importance(column, 0.0))
        .collect();
    for column in &order[..effort.columns] {
        let mut random = Random::for_purpose(seed, &format!("importance of {column}"));
        let mut shuffled = rows.clone();
        let mut losses = 0.0;
        for _ in 0..effort.repeats {
            random.shuffle(&mut shuffled);
            let rows_of_column = Rows::new(&rows).with_shuffled(column, &shuffled);
            question.encode_again(column, rows_of_column, &mut features);
            let score = question.score_of(&features, &rows).unwrap_or(whole);
            losses += if question.score.higher_is_better {
                whole - score
            } else {
                score - whole
            };
        }
        question.encode_again(column, Rows::new(&rows), &mut features);
        found.push(importance(column, losses / effort.repeats as f64));
    }
    found.sort_by(|left, right| right.importance.total_cmp(&left.importance));
    Importances {
        columns: found,
        ordered,
        efforts: Some((asked, effort)),
    }
}

fn sample(held_out: &[u32], most: usize, seed: u64) -> Vec<u32> {
    let mut rows = held_out.to_vec();
    if rows.len() > most {
        Random::for_purpose(seed, "rows of importance").shuffle(&mut rows);
        rows.truncate(most);
        rows.sort_unstable();
    }
    rows
}

impl Question<'_> {
    /// How much what is made by each encoder moves a prediction, if the form tells.
    fn influence(&self) -> Option<Vec<f64>> {
        let widths = || self.encoders.iter().map(|encoder| encoder.encoding.width());
        let mut values = self.form.influence(widths().sum())?.into_iter();
        let sums = widths().map(|width| values.by_ref().take(width).sum());
        Some(sums.collect())
    }

    /// The columns that the model looks at, the most important to the learner first, and the others. Where it says
    /// nothing, they keep their order.
    fn order<'c>(
        &self,
        columns: &[&'c str],
        influence: Option<&[f64]>,
    ) -> (Vec<&'c str>, Vec<&'c str>) {
        let of = |shares: &[f64], column: &str| -> f64 {
            let both = self.encoders.iter().zip(shares);
            both.filter(|(encoder, _)| encoder.source.columns().contains(&column))
                .map(|(_, share)| share)
                .sum()
        };
        let is_used = |column: &&str| influence.is_none_or(|influence| of(influence, column) > 0.0);
        let (mut used, unused): (Vec<&str>, Vec<&str>) =
            columns.iter().copied().partition(|column| is_used(column));
        if let Some(shares) = self.own.or(influence) {
            used.sort_by_cached_key(|column| {
                // Shares are not negative: their bits have their order.
                std::cmp::Reverse(of(shares, column).max(0.0).to_bits())
            });
        }
        (used, unused)
    }

    /// Encodes what is made of `column` anew.
    fn encode_again(&self, column: &str, rows: Rows<'_>, features: &mut Features) {
        let mut place = 0;
        for encoder in self.encoders {
            let width = encoder.encoding.width();
            if encoder.source.columns().contains(&column) {
                let encoded = encode(self.table, std::slice::from_ref(encoder), rows);
                features
                    .columns
                    .splice(place..place + width, encoded.columns);
            }
            place += width;
        }
    }

    fn score_of(&self, features: &Features, rows: &[u32]) -> Option<f64> {
        let task: Task = self.target.model.task;
        let predictions = self.form.predict(features);
        evaluate(task, &predictions, &self.target.select(rows))
            .scores
            .get(self.score.name)
            .copied()
    }
}
