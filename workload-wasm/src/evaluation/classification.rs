use std::collections::BTreeMap;

use contract::{Evaluation, Task};

use super::labels;
use super::ranking::{pr_auc, roc_auc};

/// Scores of a classification. `probabilities` is row-major, rows x classes. In a binary one, class 1 is positive;
/// with more classes, scores of a class are averaged over the classes (macro).
pub(super) fn evaluate(
    task: Task,
    probabilities: &[f32],
    classes: usize,
    actual: &[u32],
) -> Evaluation {
    let mut confusion = vec![vec![0_u64; classes]; classes];
    for (actual, predicted) in actual.iter().zip(labels(probabilities, classes)) {
        confusion[*actual as usize][predicted as usize] += 1;
    }
    let mut scores = BTreeMap::new();
    add_label_scores(&mut scores, task, &confusion);
    add_ranking_scores(&mut scores, task, probabilities, classes, actual);
    add_probability_scores(&mut scores, task, probabilities, classes, actual);
    Evaluation { scores, confusion }
}

fn add_label_scores(scores: &mut BTreeMap<String, f64>, task: Task, confusion: &[Vec<u64>]) {
    let rows: u64 = confusion.iter().flatten().sum();
    let right: u64 = (0..confusion.len())
        .map(|class| confusion[class][class])
        .sum();
    if rows == 0 {
        return;
    }
    let each: Vec<ClassScores> = (0..confusion.len())
        .map(|class| ClassScores::new(confusion, class))
        .collect();
    let mut add = |name: &str, value: Option<f64>| {
        if let Some(value) = value {
            scores.insert(name.to_owned(), value);
        }
    };
    add("accuracy", Some(right as f64 / rows as f64));
    let present = each.iter().filter(|class| class.actual > 0);
    add("balanced_accuracy", mean(present.map(|class| class.recall)));
    let considered: &[ClassScores] = match task {
        Task::Binary => each.get(1..).unwrap_or_default(),
        Task::Multiclass | Task::Regression => &each,
    };
    let seen = || {
        considered
            .iter()
            .filter(|class| task == Task::Binary || class.actual + class.predicted > 0)
    };
    add("precision", mean(seen().map(|class| class.precision)));
    add("recall", mean(seen().map(|class| class.recall)));
    add("f1", mean(seen().map(|class| class.f1)));
}

/// Scores of one class against the rest; 0 where nothing was predicted or is there, as in scikit-learn.
struct ClassScores {
    actual: u64,
    predicted: u64,
    precision: f64,
    recall: f64,
    f1: f64,
}

impl ClassScores {
    fn new(confusion: &[Vec<u64>], class: usize) -> Self {
        let right = confusion[class][class];
        let actual: u64 = confusion[class].iter().sum();
        let predicted: u64 = confusion.iter().map(|row| row[class]).sum();
        let share = |part: u64, whole: u64| {
            if whole == 0 {
                0.0
            } else {
                part as f64 / whole as f64
            }
        };
        Self {
            actual,
            predicted,
            precision: share(right, predicted),
            recall: share(right, actual),
            f1: share(2 * right, actual + predicted),
        }
    }
}

fn add_ranking_scores(
    scores: &mut BTreeMap<String, f64>,
    task: Task,
    probabilities: &[f32],
    classes: usize,
    actual: &[u32],
) {
    let first = usize::from(task == Task::Binary);
    let mut roc = Vec::new();
    let mut pr = Vec::new();
    for class in first..classes {
        let positive: Vec<bool> = actual.iter().map(|code| *code as usize == class).collect();
        let column: Vec<f32> = probabilities
            .chunks_exact(classes)
            .map(|row| row[class])
            .collect();
        roc.extend(roc_auc(&column, &positive));
        pr.extend(pr_auc(&column, &positive));
    }
    for (name, values) in [("roc_auc", roc), ("pr_auc", pr)] {
        if let Some(value) = mean(values.into_iter()) {
            scores.insert(name.to_owned(), value);
        }
    }
}

fn add_probability_scores(
    scores: &mut BTreeMap<String, f64>,
    task: Task,
    probabilities: &[f32],
    classes: usize,
    actual: &[u32],
) {
    let rows = || probabilities.chunks_exact(classes).zip(actual);
    // scikit-learn's bound for probabilities in double precision.
    let least = f64::EPSILON;
    let log_loss = mean(rows().map(|(row, class)| {
        -f64::from(row[*class as usize])
            .clamp(least, 1.0 - least)
            .ln()
    }));
    let brier = mean(rows().map(|(row, class)| {
        let squares = row.iter().enumerate().map(|(code, probability)| {
            let truth = f64::from(u8::from(code == *class as usize));
            (f64::from(*probability) - truth).powi(2)
        });
        match task {
            // The usual half: both classes are off by the same.
            Task::Binary => squares.skip(1).sum::<f64>(),
            Task::Multiclass | Task::Regression => squares.sum(),
        }
    }));
    for (name, value) in [("log_loss", log_loss), ("brier", brier)] {
        if let Some(value) = value {
            scores.insert(name.to_owned(), value);
        }
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut sum = 0.0;
    let mut count = 0_u64;
    for value in values {
        sum += value;
        count += 1;
    }
    (count > 0).then(|| sum / count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_scores(evaluation: &Evaluation, expected: &[(&str, f64)]) {
        for (name, value) in expected {
            let found = evaluation.scores.get(*name).copied().unwrap_or(f64::NAN);
            assert!((found - value).abs() < 1e-6, "{name}: {found}, not {value}");
        }
        assert_eq!(evaluation.scores.len(), expected.len());
    }

    /// Expected values by scikit-learn's functions of these names.
    #[test]
    fn binary_scores_are_those_of_scikit_learn() {
        let positive = [0.9_f32, 0.2, 0.6, 0.4, 0.3, 0.8];
        let probabilities: Vec<f32> = positive.iter().flat_map(|p| [1.0 - p, *p]).collect();
        let actual = [1, 0, 0, 1, 0, 1];
        let evaluation = evaluate(Task::Binary, &probabilities, 2, &actual);
        assert_eq!(evaluation.confusion, [[2, 1], [1, 2]]);
        assert_scores(
            &evaluation,
            &[
                ("accuracy", 4.0 / 6.0),
                ("balanced_accuracy", 2.0 / 3.0),
                ("precision", 2.0 / 3.0),
                ("recall", 2.0 / 3.0),
                ("f1", 2.0 / 3.0),
                ("roc_auc", 8.0 / 9.0),
                ("pr_auc", 0.916_666_67),
                ("log_loss", 0.456_817_35),
                ("brier", 0.15),
            ],
        );
    }

    #[test]
    fn multi_class_scores_are_averaged_over_the_classes() {
        #[rustfmt::skip]
        let probabilities = [
            0.7, 0.2, 0.1,
            0.1, 0.5, 0.4,
            0.2, 0.5, 0.3,
            0.1, 0.2, 0.7,
        ];
        let evaluation = evaluate(Task::Multiclass, &probabilities, 3, &[0, 1, 2, 2]);
        assert_eq!(evaluation.confusion, [[1, 0, 0], [0, 1, 0], [0, 1, 1]]);
        let expected_brier = (0.14 + 0.42 + 0.78 + 0.14) / 4.0;
        let expected_log = -(0.7_f64.ln() * 2.0 + 0.5_f64.ln() + 0.3_f64.ln()) / 4.0;
        assert_scores(
            &evaluation,
            &[
                ("accuracy", 0.75),
                ("balanced_accuracy", 2.5 / 3.0),
                ("precision", 2.5 / 3.0),
                ("recall", 2.5 / 3.0),
                ("f1", (1.0 + 2.0 / 3.0 + 2.0 / 3.0) / 3.0),
                ("roc_auc", (1.0 + 2.5 / 3.0 + 0.75) / 3.0),
                ("pr_auc", (1.0 + 0.5 + (1.0 + 2.0 / 3.0) / 2.0) / 3.0),
                ("log_loss", expected_log),
                ("brier", expected_brier),
            ],
        );
    }

    /// `log_loss([1, 0], [[1.0, 0.0], [1.0, 0.0]])` of scikit-learn 1.9.
    #[test]
    fn a_certain_mistake_costs_what_it_does_in_scikit_learn() {
        let evaluation = evaluate(Task::Binary, &[1.0, 0.0, 1.0, 0.0], 2, &[1, 0]);
        let found = evaluation.scores["log_loss"];
        assert!((found - 18.021_826_694_558_577).abs() < 1e-9, "{found}");
    }

    #[test]
    fn a_model_that_never_says_yes_has_no_precision_and_no_recall() {
        let evaluation = evaluate(Task::Binary, &[0.9, 0.1, 0.8, 0.2], 2, &[0, 1]);
        assert_eq!(evaluation.scores["precision"], 0.0);
        assert_eq!(evaluation.scores["recall"], 0.0);
        assert_eq!(evaluation.scores["f1"], 0.0);
    }
}
