//! What a source is asked: one class against the rest, or the number to predict.

use contract::Task;

use super::halves::Halves;
use crate::table::{TargetColumn, TargetValues};

/// Fewer rows of a class, or in all, than this on which a column is scored show nothing.
const LEAST_OF_A_CLASS: usize = 4;
const LEAST_ROWS: usize = 20;

/// All that a source is asked.
pub(super) struct Questions<'a> {
    target: &'a TargetColumn,
    halves: &'a Halves,
    pub asked: Vec<Question>,
    /// Classes with too few training rows, and how many they have.
    pub not_judged: Vec<(u32, usize)>,
}

/// One question about some rows of both halves.
pub(super) struct Question {
    /// The class that is told from the rest, if it is one.
    pub class: Option<u32>,
    pub fit: Answers,
    pub test: Answers,
}

/// Places in a half, and what is to be told of each.
pub(super) struct Answers {
    pub places: Vec<usize>,
    pub answers: Vec<f64>,
}

impl Answers {
    fn new(rows: &[u32], answer: impl Fn(u32) -> Option<f64>) -> Self {
        let known = rows.iter().enumerate();
        let known = known.filter_map(|(place, row)| answer(*row).map(|answer| (place, answer)));
        let (places, answers) = known.unzip();
        Self { places, answers }
    }

    /// Rows of the smaller side.
    fn members(&self) -> usize {
        let members = self.answers.iter().filter(|member| **member == 1.0).count();
        members.min(self.answers.len() - members)
    }
}

impl<'a> Questions<'a> {
    pub fn new(target: &'a TargetColumn, halves: &'a Halves) -> Self {
        let mut questions = Questions {
            target,
            halves,
            asked: Vec::new(),
            not_judged: Vec::new(),
        };
        if halves.test.len() < LEAST_ROWS {
            return questions;
        }
        if target.model.task == Task::Regression {
            questions.asked.push(questions.number());
            return questions;
        }
        let classes: Vec<u32> = (0..target.model.classes.len() as u32).collect();
        for class in &classes[usize::from(target.model.task == Task::Binary)..] {
            let question = questions.among(*class, &classes);
            if question.fit.members().min(question.test.members()) >= LEAST_OF_A_CLASS {
                questions.asked.push(question);
            } else {
                let rows = halves.of_class.get(class).copied().unwrap_or_default();
                questions.not_judged.push((*class, rows));
            }
        }
        questions
    }

    pub fn score_name(&self) -> &'static str {
        match self.target.model.task {
            Task::Binary | Task::Multiclass => "ROC AUC",
            Task::Regression => "R²",
        }
    }

    /// A class against some others, among the rows of all these.
    pub fn among(&self, class: u32, classes: &[u32]) -> Question {
        let answer = |row: u32| match &self.target.values {
            TargetValues::Classes(codes) => {
                let code = codes[row as usize];
                classes
                    .contains(&code)
                    .then(|| f64::from(u8::from(code == class)))
            }
            TargetValues::Numbers(_) => None,
        };
        Question {
            class: Some(class),
            fit: Answers::new(&self.halves.fit, answer),
            test: Answers::new(&self.halves.test, answer),
        }
    }

    fn number(&self) -> Question {
        let answer = |row: u32| match &self.target.values {
            TargetValues::Numbers(values) => Some(values.get(row as usize)),
            TargetValues::Classes(_) => None,
        };
        Question {
            class: None,
            fit: Answers::new(&self.halves.fit, answer),
            test: Answers::new(&self.halves.test, answer),
        }
    }
}
