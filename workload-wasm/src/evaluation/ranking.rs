//! Areas under curves, from scores and which rows are positive.

/// Area under the ROC curve: the chance that a positive row is ranked above a negative one, ties counting half
/// (Hanley and McNeil, 1982). `None` unless there are rows of both kinds.
#[must_use]
pub fn roc_auc(scores: &[f32], positive: &[bool]) -> Option<f64> {
    let mut area = 0.0;
    let mut positives_above = 0_u64;
    let mut negatives_above = 0_u64;
    for (positives, negatives) in ties(scores, positive) {
        area += negatives as f64 * (positives_above as f64 + positives as f64 / 2.0);
        positives_above += positives;
        negatives_above += negatives;
    }
    (positives_above > 0 && negatives_above > 0)
        .then(|| area / (positives_above as f64 * negatives_above as f64))
}

/// Average precision: the sum over thresholds of precision times the gain in recall, as scikit-learn's
/// `average_precision_score`. `None` without positive rows.
#[must_use]
pub fn pr_auc(scores: &[f32], positive: &[bool]) -> Option<f64> {
    let mut area = 0.0;
    let mut above = 0_u64;
    let mut positives_above = 0_u64;
    for (positives, negatives) in ties(scores, positive) {
        above += positives + negatives;
        positives_above += positives;
        area += positives as f64 * positives_above as f64 / above as f64;
    }
    (positives_above > 0).then(|| area / positives_above as f64)
}

/// Counts of positive and negative rows of each distinct score, from the highest score down.
fn ties(scores: &[f32], positive: &[bool]) -> Vec<(u64, u64)> {
    let mut order: Vec<u32> = (0..scores.len() as u32).collect();
    order
        .sort_unstable_by(|left, right| scores[*right as usize].total_cmp(&scores[*left as usize]));
    order
        .chunk_by(|left, right| scores[*left as usize] == scores[*right as usize])
        .map(|tie| {
            let positives = tie.iter().filter(|row| positive[**row as usize]).count() as u64;
            (positives, tie.len() as u64 - positives)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values by scikit-learn 1.5: `roc_auc_score` and `average_precision_score`.
    #[test]
    fn areas_are_those_of_scikit_learn() {
        let scores = [0.1, 0.4, 0.35, 0.8, 0.4];
        let positive = [false, false, true, true, true];
        assert_eq!(roc_auc(&scores, &positive), Some(0.75));
        let area = pr_auc(&scores, &positive).unwrap_or_default();
        assert!((area - 0.805_555_555).abs() < 1e-8, "{area}");
    }

    #[test]
    fn one_class_alone_has_no_roc_curve() {
        assert_eq!(roc_auc(&[0.1, 0.2], &[true, true]), None);
        assert_eq!(pr_auc(&[0.1, 0.2], &[false, false]), None);
    }
}
