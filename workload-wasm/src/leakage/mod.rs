//! The leakage guard: a column that alone tells the target was made from it, or after it, and will not be there, or
//! not be so, when the model is used.

mod tree;

use contract::Task;
use records::Text;

use crate::evaluation::roc_auc;
use crate::features::{NamedSource, Rows, Source, numbers};
use crate::random::Random;
use crate::table::{Cells, Table, TargetColumn, TargetValues};
use tree::Tree;

/// From this score on a column tells the target: ROC AUC (one class against the rest, averaged), or R².
const TELLS: f64 = 0.99;
/// More rows than this show no more.
const MOST_ROWS: usize = 20_000;
/// Fewer rows of a class, or in all, than this on which a column is scored show nothing.
const LEAST_OF_A_CLASS: usize = 5;
const LEAST_ROWS: usize = 20;

/// A source that tells the target.
#[derive(Clone, Debug, PartialEq)]
pub struct Leak {
    /// Its place among the sources.
    pub index: usize,
    /// `ROC AUC` or `R²`.
    pub score: &'static str,
    pub value: f64,
}

/// The sources each of which alone tells the target: a small tree, fitted on half of the training rows, is scored on
/// the other half. `None` when the rows are too few to say.
#[must_use]
pub fn leaks(
    table: &Table,
    train: &[u32],
    target: &TargetColumn,
    sources: &[NamedSource],
    seed: u64,
) -> Option<Vec<Leak>> {
    let mut rows = train.to_vec();
    Random::for_purpose(seed, "leakage").shuffle(&mut rows);
    rows.truncate(MOST_ROWS);
    let (fit, test) = rows.split_at(rows.len() / 2);
    let questions = questions(target, fit, test)?;
    let score = match target.model.task {
        Task::Binary | Task::Multiclass => "ROC AUC",
        Task::Regression => "R²",
    };
    let mut leaks = Vec::new();
    for (index, named) in sources.iter().enumerate() {
        let total: f64 = questions
            .iter()
            .map(|question| question.score(table, &named.source, fit, test))
            .sum();
        let value = total / questions.len() as f64;
        if value >= TELLS {
            leaks.push(Leak {
                index,
                score,
                value,
            });
        }
    }
    Some(leaks)
}

/// One class against the rest, or the number to predict, on both halves.
struct Question {
    fit: Vec<f64>,
    test: Vec<f64>,
    classes: bool,
}

fn questions(target: &TargetColumn, fit: &[u32], test: &[u32]) -> Option<Vec<Question>> {
    if test.len() < LEAST_ROWS {
        return None;
    }
    match &target.values {
        TargetValues::Numbers(values) => {
            let of = |rows: &[u32]| {
                rows.iter()
                    .map(|row| f64::from(values[*row as usize]))
                    .collect()
            };
            Some(vec![Question {
                fit: of(fit),
                test: of(test),
                classes: false,
            }])
        }
        TargetValues::Classes(codes) => {
            let classes = target.model.classes.len() as u32;
            let first = u32::from(target.model.task == Task::Binary);
            let questions: Vec<Question> = (first..classes)
                .map(|class| {
                    let of = |rows: &[u32]| {
                        rows.iter()
                            .map(|row| f64::from(u8::from(codes[*row as usize] == class)))
                            .collect()
                    };
                    Question {
                        fit: of(fit),
                        test: of(test),
                        classes: true,
                    }
                })
                .collect();
            let sound = questions.iter().all(|question| {
                [&question.fit, &question.test].into_iter().all(|half| {
                    let members = half.iter().filter(|member| **member == 1.0).count();
                    members.min(half.len() - members) >= LEAST_OF_A_CLASS
                })
            });
            sound.then_some(questions)
        }
    }
}

impl Question {
    /// How well the source tells the answer; less than 1, however bad.
    fn score(&self, table: &Table, source: &Source, fit: &[u32], test: &[u32]) -> f64 {
        let (fit_values, test_values) = match text_of(table, source) {
            Some(text) => {
                let means = self.category_means(text, fit);
                let of = |rows: &[u32]| -> Vec<f32> {
                    rows.iter()
                        .map(|row| {
                            let code = text.codes[*row as usize];
                            means.get(code as usize).copied().unwrap_or(f32::NAN)
                        })
                        .collect()
                };
                (of(fit), of(test))
            }
            None => (
                numbers(table, source, Rows::new(fit)),
                numbers(table, source, Rows::new(test)),
            ),
        };
        let tree = Tree::fit(&fit_values, &self.fit);
        let told: Vec<f64> = test_values
            .iter()
            .map(|value| tree.predict(*value))
            .collect();
        if self.classes {
            let scores: Vec<f32> = told.iter().map(|score| *score as f32).collect();
            let positive: Vec<bool> = self.test.iter().map(|member| *member == 1.0).collect();
            roc_auc(&scores, &positive).unwrap_or(0.0)
        } else {
            r2(&told, &self.test)
        }
    }

    /// Categories as numbers: the mean answer of each, so that a tree's threshold tells any set of them from the
    /// rest (Fisher, "On grouping for maximum homogeneity", 1958). `NaN` for those without a row.
    fn category_means(&self, text: &Text, fit: &[u32]) -> Vec<f32> {
        let mut sums = vec![(0.0_f64, 0_u32); text.distinct.len()];
        for (row, answer) in fit.iter().zip(&self.fit) {
            if let Some((sum, count)) = sums.get_mut(text.codes[*row as usize] as usize) {
                *sum += answer;
                *count += 1;
            }
        }
        sums.into_iter()
            .map(|(sum, count)| (sum / f64::from(count)) as f32)
            .collect()
    }
}

fn text_of<'a>(table: &'a Table, source: &Source) -> Option<&'a Text> {
    let Source::Column(column) = source else {
        return None;
    };
    match &table.column(column)?.cells {
        Cells::Text(text) => Some(text),
        Cells::Numbers(_) => None,
    }
}

fn r2(told: &[f64], actual: &[f64]) -> f64 {
    let mean = actual.iter().sum::<f64>() / actual.len() as f64;
    let errors: f64 = told
        .iter()
        .zip(actual)
        .map(|(told, actual)| (told - actual).powi(2))
        .sum();
    let spread: f64 = actual.iter().map(|actual| (actual - mean).powi(2)).sum();
    if spread > 0.0 {
        1.0 - errors / spread
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::specification::Specification;
    use crate::table::{Column, Type};

    fn column(name: &str, value: impl Fn(u32) -> f32) -> Column {
        Column {
            name: name.to_owned(),
            kind: Type::Number,
            cells: Cells::Numbers((0..400).map(value).collect()),
        }
    }

    fn noise(row: u32) -> f32 {
        (Random::new(u64::from(row)).next() >> 40) as f32
    }

    fn leaky(columns: Vec<Column>) -> Vec<String> {
        let sources: Vec<NamedSource> = columns
            .iter()
            .filter(|column| column.name != "y")
            .map(|column| NamedSource {
                name: column.name.clone(),
                source: Source::Column(column.name.clone()),
            })
            .collect();
        let table = Table { columns, rows: 400 };
        let rows: Vec<u32> = (0..400).collect();
        let target = TargetColumn::find(&table, &rows, &Specification::default()).unwrap();
        leaks(&table, &rows, &target, &sources, 0)
            .unwrap()
            .into_iter()
            .map(|leak| sources[leak.index].name.clone())
            .collect()
    }

    #[test]
    fn a_column_that_is_there_for_one_class_only_leaks() {
        let class = |row: u32| f32::from(u8::from(noise(row) > 8e6));
        let found = leaky(vec![
            column("y", class),
            column("noise", |row| noise(row + 1000)),
            column("helpful", |row| class(row) * 5e6 + noise(row + 1000)),
            column("loss reason", |row| {
                if class(row) == 1.0 {
                    f32::NAN
                } else {
                    noise(row + 500)
                }
            }),
        ]);
        assert_eq!(found, ["loss reason"]);
    }

    #[test]
    fn categories_leak_whatever_their_order() {
        let stage = |row: u32| row * 7 % 13;
        let mut text = Text {
            codes: (0..400).map(stage).collect(),
            distinct: (0..13).map(|code| format!("stage {code}")).collect(),
        };
        text.codes[3] = Text::MISSING;
        let found = leaky(vec![
            column("y", |row| f32::from(u8::from(stage(row) % 3 == 1))),
            Column {
                name: "StageName".to_owned(),
                kind: Type::Category,
                cells: Cells::Text(text),
            },
        ]);
        assert_eq!(found, ["StageName"]);
    }

    #[test]
    fn a_number_that_is_the_target_in_another_unit_leaks() {
        let found = leaky(vec![
            column("y", |row| noise(row).sqrt()),
            column("in cents", |row| noise(row) * 100.0),
            column("nearly", |row| noise(row) + noise(row + 400)),
        ]);
        assert_eq!(found, ["in cents"]);
    }
}
