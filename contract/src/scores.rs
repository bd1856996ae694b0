//! Names of scores that more than one module uses, and which direction of each is better.

/// Whether more of it is better, by name: the scores of the module here, and what others call theirs.
const KNOWN: [(&str, bool); 28] = [
    ("accuracy", true),
    ("balanced_accuracy", true),
    ("precision", true),
    ("recall", true),
    ("f1", true),
    ("roc_auc", true),
    ("pr_auc", true),
    ("average_precision", true),
    ("auc", true),
    ("mcc", true),
    ("kappa", true),
    ("ndcg", true),
    ("gini", true),
    ("log_loss", false),
    ("brier", false),
    ("hinge_loss", false),
    ("rmse", false),
    ("rmsle", false),
    ("mse", false),
    ("msle", false),
    ("mae", false),
    ("mape", false),
    ("smape", false),
    ("wape", false),
    ("median_absolute_error", false),
    ("pinball_loss", false),
    ("r2", true),
    ("explained_variance", true),
];

/// Whether more of the score of that name is better; `None` of a name that is not known.
#[must_use]
pub fn higher_is_better(name: &str) -> Option<bool> {
    let found = KNOWN.into_iter().find(|(known, _)| *known == name);
    found.map(|(_, higher)| higher)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_score_is_known_once() {
        let names: BTreeSet<&str> = KNOWN.iter().map(|(name, _)| *name).collect();
        assert_eq!(names.len(), KNOWN.len());
        assert_eq!(higher_is_better("mape"), Some(false));
        assert_eq!(higher_is_better("r2"), Some(true));
        assert_eq!(higher_is_better("profit"), None);
    }
}
