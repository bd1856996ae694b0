//! The leakage guard: a column that alone tells the target was made from it, or after it, and will not be there, or
//! not be so, when the model is used.

mod halves;
mod questions;
mod tree;

use records::Text;

use crate::evaluation::roc_auc;
use crate::features::{NamedSource, Rows, Source, is_time, numbers, offset_of, single};
use crate::table::{Cells, Table, TargetColumn};
use halves::Halves;
use questions::{Question, Questions};
use tree::Tree;

/// From this score on a column tells the target: ROC AUC (one class against the rest), or R².
const TELLS: f64 = 0.99;
/// From this ROC AUC on a column says something of a class.
const SAYS_SOMETHING: f64 = 0.75;

/// A source that tells the target, or a class of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Leak {
    /// Its place among the sources.
    pub index: usize,
    /// `ROC AUC` or `R²`.
    pub score: &'static str,
    pub value: f64,
    /// The classes that it tells from all others; none where it tells the whole target.
    pub classes: Vec<u32>,
    /// It orders the other classes as well, as a plain measurement may: it is named, and kept.
    pub only_suspected: bool,
}

/// What the guard found, and what it could not look at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    pub leaks: Vec<Leak>,
    /// Nothing could be judged.
    pub too_few_rows: bool,
    /// Classes with too few training rows, and how many they have.
    pub not_judged: Vec<(u32, usize)>,
}

/// The sources each of which alone tells the target, or one of several classes: a small tree, fitted on half of the
/// training rows, is scored on the other half. So is whether the value is missing. Each class is judged by itself, so that
/// a rare one keeps none of the others from being judged.
#[must_use]
pub fn leaks(
    table: &Table,
    train: &[u32],
    target: &TargetColumn,
    sources: &[NamedSource],
    seed: u64,
) -> Verdict {
    let halves = Halves::new(target, train, seed);
    let questions = Questions::new(target, &halves);
    let mut verdict = Verdict {
        leaks: Vec::new(),
        too_few_rows: questions.asked.is_empty(),
        not_judged: questions.not_judged.clone(),
    };
    for (index, named) in sources.iter().enumerate() {
        let values = Values::new(table, &named.source, &halves);
        verdict.leaks.extend(questions.judge(index, &values));
    }
    verdict
}

impl Questions<'_> {
    fn judge(&self, index: usize, values: &Values<'_>) -> Option<Leak> {
        let scores: Vec<f64> = self.asked.iter().map(|asked| asked.score(values)).collect();
        let told = |place: &usize| scores[*place] >= TELLS;
        let (told, untold): (Vec<usize>, Vec<usize>) = (0..scores.len()).partition(told);
        if told.is_empty() {
            return None;
        }
        // What tells all classes but one tells that one, too.
        let whole = untold.len() <= usize::from(scores.len() > 2);
        let of_told = told.iter().map(|place| scores[*place]).sum::<f64>();
        let classes = match whole {
            true => Vec::new(),
            false => told
                .iter()
                .filter_map(|place| self.asked[*place].class)
                .collect(),
        };
        let only_suspected = !whole && {
            let others: Vec<u32> = untold
                .iter()
                .filter_map(|place| self.asked[*place].class)
                .collect();
            let among = |class: &u32| self.among(*class, &others).score(values);
            others.iter().any(|class| among(class) >= SAYS_SOMETHING)
        };
        Some(Leak {
            index,
            score: self.score_name(),
            value: of_told / told.len() as f64,
            classes,
            only_suspected,
        })
    }
}

/// A source's values in both halves.
enum Values<'a> {
    Numbers {
        fit: Vec<f32>,
        test: Vec<f32>,
    },
    /// Codes of the distinct texts.
    Text {
        fit: Vec<u32>,
        test: Vec<u32>,
        text: &'a Text,
    },
}

impl<'a> Values<'a> {
    fn new(table: &'a Table, source: &Source, halves: &Halves) -> Self {
        match text_of(table, source) {
            Some(text) => {
                let codes =
                    |rows: &[u32]| rows.iter().map(|row| text.codes[*row as usize]).collect();
                Values::Text {
                    fit: codes(&halves.fit),
                    test: codes(&halves.test),
                    text,
                }
            }
            None => {
                let of = |rows: &[u32]| numbers(table, source, Rows::new(rows));
                let (fit, test) = (of(&halves.fit), of(&halves.test));
                let offset = offset_of(&fit, is_time(table, source));
                Values::Numbers {
                    fit: single(&fit, offset),
                    test: single(&test, offset),
                }
            }
        }
    }
}

impl Question {
    /// How well the source tells the answer, or that it is missing does; less than 1, however bad.
    fn score(&self, values: &Values<'_>) -> f64 {
        let pick = |values: &[f32], places: &[usize]| -> Vec<f32> {
            places.iter().map(|place| values[*place]).collect()
        };
        let (fit, test) = match values {
            Values::Numbers { fit, test } => {
                (pick(fit, &self.fit.places), pick(test, &self.test.places))
            }
            Values::Text { fit, test, text } => {
                let means = self.category_means(fit, text.distinct.len());
                let of = |codes: &[u32], places: &[usize]| -> Vec<f32> {
                    let codes = places.iter().map(|place| codes[*place] as usize);
                    codes
                        .map(|code| means.get(code).copied().unwrap_or(f32::NAN))
                        .collect()
                };
                (of(fit, &self.fit.places), of(test, &self.test.places))
            }
        };
        let missing = |values: &[f32]| -> Vec<f32> {
            values
                .iter()
                .map(|value| f32::from(u8::from(value.is_nan())))
                .collect()
        };
        let score = self.score_of(&fit, &test);
        match fit.iter().any(|value| value.is_nan()) {
            true => score.max(self.score_of(&missing(&fit), &missing(&test))),
            false => score,
        }
    }

    fn score_of(&self, fit: &[f32], test: &[f32]) -> f64 {
        let tree = Tree::fit(fit, &self.fit.answers);
        let told: Vec<f64> = test.iter().map(|value| tree.predict(*value)).collect();
        if self.class.is_some() {
            let scores: Vec<f32> = told.iter().map(|score| *score as f32).collect();
            let answers = self.test.answers.iter();
            let positive: Vec<bool> = answers.map(|member| *member == 1.0).collect();
            roc_auc(&scores, &positive).unwrap_or(0.0)
        } else {
            r2(&told, &self.test.answers)
        }
    }

    /// Categories as numbers: the mean answer of each, so that a tree's threshold tells any set of them from the
    /// rest (Fisher, "On grouping for maximum homogeneity", 1958). `NaN` for those without a row.
    fn category_means(&self, codes: &[u32], distinct: usize) -> Vec<f32> {
        let mut sums = vec![(0.0_f64, 0_u32); distinct];
        for (place, answer) in self.fit.places.iter().zip(&self.fit.answers) {
            if let Some((sum, count)) = sums.get_mut(codes[*place] as usize) {
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
    use crate::random::Random;
    use crate::specification::Specification;
    use crate::table::{Column, Type};

    fn column(name: &str, value: impl Fn(u32) -> f32) -> Column {
        Column {
            name: name.to_owned(),
            kind: Type::Number,
            cells: Cells::Numbers((0..400).map(value).collect::<Vec<f32>>().into()),
        }
    }

    fn noise(row: u32) -> f32 {
        (Random::new(u64::from(row)).next() >> 40) as f32
    }

    fn judged(columns: Vec<Column>) -> (Vec<String>, Verdict) {
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
        let verdict = leaks(&table, &rows, &target, &sources, 0);
        let certain = verdict.leaks.iter().filter(|leak| !leak.only_suspected);
        let names = certain.map(|leak| sources[leak.index].name.clone());
        (names.collect(), verdict)
    }

    fn leaky(columns: Vec<Column>) -> Vec<String> {
        judged(columns).0
    }

    /// Text that is `name` of each row.
    fn text(name: &str, value: impl Fn(u32) -> &'static str) -> Column {
        let mut distinct: Vec<String> = Vec::new();
        let mut code = |value: &str| {
            if value.is_empty() {
                return Text::MISSING;
            }
            let known = distinct.iter().position(|known| known == value);
            known.unwrap_or_else(|| {
                distinct.push(value.to_owned());
                distinct.len() - 1
            }) as u32
        };
        let codes = (0..400).map(|row| code(value(row))).collect();
        Column {
            name: name.to_owned(),
            kind: Type::Category,
            cells: Cells::Text(Text { codes, distinct }),
        }
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

    #[test]
    fn a_rare_class_keeps_no_other_from_being_judged() {
        let status = |row: u32| match row % 100 {
            7 => "void",
            _ if noise(row) > 8e6 => "open",
            _ => "shut",
        };
        let (found, verdict) = judged(vec![
            text("y", status),
            text("code", status),
            column("noise", |row| noise(row + 1000)),
        ]);
        assert_eq!(found, ["code"]);
        assert_eq!(verdict.not_judged.len(), 1);
        assert_eq!(verdict.not_judged[0].1, 4);
        assert!(!verdict.too_few_rows);
        // The same with two classes: eleven positives of 400.
        let rare = |row: u32| f32::from(u8::from(row.is_multiple_of(37)));
        let (found, verdict) = judged(vec![
            column("y", rare),
            column("code", rare),
            column("noise", |row| noise(row + 1000)),
        ]);
        assert_eq!(
            (found, verdict.not_judged),
            (vec!["code".to_owned()], Vec::new())
        );
    }

    #[test]
    fn what_tells_one_of_three_classes_is_not_averaged_away() {
        let outcome = |row: u32| ["won", "lost", "open"][(noise(row) as u32 % 3) as usize];
        let (found, verdict) = judged(vec![
            text("y", outcome),
            text("loss reason", |row| match outcome(row) {
                "lost" => ["price", "time"][row as usize % 2],
                _ => "",
            }),
            // As petals are in iris: it parts one class from the others, and nearly these, too.
            column("petal", |row| {
                let spread = noise(row + 1000) / 1.7e7;
                match outcome(row) {
                    "won" => spread,
                    "lost" => 5.0 + spread,
                    _ => 5.4 + spread,
                }
            }),
        ]);
        assert_eq!(found, ["loss reason"]);
        let petal = &verdict.leaks[1];
        assert!(
            petal.only_suspected && petal.classes.len() == 1,
            "{petal:?}"
        );
    }

    #[test]
    fn that_a_value_is_missing_tells_the_target_whatever_the_values_are() {
        let class = |row: u32| f32::from(u8::from(noise(row) > 8e6));
        let found = leaky(vec![
            column("y", class),
            // One row in 100 is there for the other class, too.
            column("signed", |row| match class(row) == 1.0 && row % 100 != 3 {
                true => f32::NAN,
                false => noise(row + 500),
            }),
        ]);
        assert_eq!(found, ["signed"]);
    }
}
