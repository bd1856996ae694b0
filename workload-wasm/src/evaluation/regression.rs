use std::collections::BTreeMap;

use contract::Evaluation;

/// Scores of a regression. R² is left out where all actual values are equal.
pub(super) fn evaluate(predicted: &[f32], actual: &[f32]) -> Evaluation {
    let rows = actual.len();
    if rows == 0 {
        return Evaluation::default();
    }
    let count = rows as f64;
    let mean = actual.iter().map(|value| f64::from(*value)).sum::<f64>() / count;
    let mut squares = 0.0;
    let mut absolute = 0.0;
    let mut spread = 0.0;
    for (predicted, actual) in predicted.iter().zip(actual) {
        let error = f64::from(*predicted) - f64::from(*actual);
        squares += error * error;
        absolute += error.abs();
        spread += (f64::from(*actual) - mean).powi(2);
    }
    let mut scores = BTreeMap::from([
        ("rmse".to_owned(), (squares / count).sqrt()),
        ("mae".to_owned(), absolute / count),
    ]);
    if spread > 0.0 {
        scores.insert("r2".to_owned(), 1.0 - squares / spread);
    }
    Evaluation {
        scores,
        confusion: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_and_the_explained_share_of_variance() {
        let evaluation = evaluate(&[2.5, 0.0, 2.0, 8.0], &[3.0, -0.5, 2.0, 7.0]);
        assert_eq!(evaluation.scores["mae"], 0.5);
        assert!((evaluation.scores["rmse"] - 0.375_f64.sqrt()).abs() < 1e-12);
        assert!((evaluation.scores["r2"] - 0.948_608_137).abs() < 1e-8);
    }

    #[test]
    fn equal_values_have_no_explained_share() {
        assert!(!evaluate(&[1.0, 2.0], &[3.0, 3.0]).scores.contains_key("r2"));
    }
}
