use contract::Task;

/// A score that a gate can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Score {
    pub name: &'static str,
    pub higher_is_better: bool,
    pub regression: bool,
}

const fn classes(name: &'static str, higher_is_better: bool) -> Score {
    Score {
        name,
        higher_is_better,
        regression: false,
    }
}

const fn numbers(name: &'static str, higher_is_better: bool) -> Score {
    Score {
        name,
        higher_is_better,
        regression: true,
    }
}

/// Every score, under the name it has in `metrics.json` and in `[gate]`.
pub const SCORES: [Score; 12] = [
    classes("accuracy", true),
    classes("balanced_accuracy", true),
    classes("precision", true),
    classes("recall", true),
    classes("f1", true),
    classes("roc_auc", true),
    classes("pr_auc", true),
    classes("log_loss", false),
    classes("brier", false),
    numbers("rmse", false),
    numbers("mae", false),
    numbers("r2", true),
];

/// The score of that name.
#[must_use]
pub fn score(name: &str) -> Option<Score> {
    SCORES.into_iter().find(|score| score.name == name)
}

impl Score {
    #[must_use]
    pub fn fits(self, task: Task) -> bool {
        self.regression == (task == Task::Regression)
    }

    /// The least and the greatest value that it can have.
    #[must_use]
    pub fn range(self) -> (f64, f64) {
        match self.name {
            "log_loss" | "rmse" | "mae" => (0.0, f64::INFINITY),
            "r2" => (f64::NEG_INFINITY, 1.0),
            // Squares are summed over the classes where there are more than two.
            "brier" => (0.0, 2.0),
            _ => (0.0, 1.0),
        }
    }

    /// Whether `value` is strictly better than `other`.
    #[must_use]
    pub fn better(self, value: f64, other: f64) -> bool {
        if self.higher_is_better {
            value > other
        } else {
            value < other
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract_knows_every_score_in_the_same_direction() {
        for score in SCORES {
            let known = contract::scores::higher_is_better(score.name);
            assert_eq!(known, Some(score.higher_is_better), "{}", score.name);
        }
    }
}
