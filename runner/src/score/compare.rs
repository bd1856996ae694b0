//! What the module says of its check rows beside what its ONNX form says.

use contract::{Check, Parity};

use super::columns::Scores;
use crate::foreign;

/// How many of the worst rows are shown.
const SHOWN: usize = 5;
/// A row on which a number is missing on one side.
const MISSING: f64 = f64::INFINITY;

/// Compares. `deviation` is the target's standard deviation, of a regression.
///
/// # Errors
/// When they are not of one shape, or not of one task.
pub(super) fn compare(check: &Check, scores: &Scores, deviation: f64) -> Result<Parity, String> {
    let mut comparison = Comparison::default();
    if check.labels.is_empty() {
        regression(check, scores, deviation, &mut comparison)?;
    } else {
        classification(check, scores, &mut comparison)?;
    }
    Ok(comparison.verdict())
}

fn classification(
    check: &Check,
    scores: &Scores,
    comparison: &mut Comparison,
) -> Result<(), String> {
    if scores.labels.len() != check.labels.len() {
        return Err("it gives no labels, and the module does".to_owned());
    }
    let classes = scores.classes;
    for (row, label) in check.labels.iter().enumerate() {
        let expected = check.probabilities.get(row).map_or(&[][..], Vec::as_slice);
        let found = &scores.probabilities[row * classes..(row + 1) * classes];
        if !expected.is_empty() && expected.len() != found.len() {
            return Err(format!(
                "it gives {} probabilities a row, and the module {}",
                found.len(),
                expected.len()
            ));
        }
        let is_tie = is_tie(expected);
        let differs = !is_tie && scores.labels[row] != *label;
        let difference = expected
            .iter()
            .zip(found)
            .map(|(expected, found)| difference(f64::from(*expected), f64::from(*found), 1.0))
            .fold(0.0, f64::max);
        comparison.row(row, is_tie, differs, difference, || {
            format!(
                "{label} {expected:?} by the module, {} {found:?} by model.onnx",
                scores.labels[row]
            )
        });
    }
    Ok(())
}

fn regression(
    check: &Check,
    scores: &Scores,
    deviation: f64,
    comparison: &mut Comparison,
) -> Result<(), String> {
    if scores.targets != 1 || scores.predictions.len() != check.predictions.len() {
        return Err("it gives no prediction for each row, and the module does".to_owned());
    }
    let rows = check.predictions.iter().zip(&scores.predictions);
    // What is told in double precision differs by little beside its size: it is the difference from the others that counts.
    let center = match scores.is_double {
        true => check.predictions.iter().sum::<f64>() / check.predictions.len().max(1) as f64,
        false => 0.0,
    };
    for (row, (expected, found)) in rows.enumerate() {
        let unit = (expected - center).abs().max(deviation);
        let difference = difference(*expected, *found, unit);
        comparison.row(row, false, false, difference, || {
            format!("{expected} by the module, {found} by model.onnx")
        });
    }
    Ok(())
}

/// Whether two classes are equally likely, as far as the tolerance tells.
fn is_tie(probabilities: &[f32]) -> bool {
    let (mut best, mut second) = (f32::NEG_INFINITY, f32::NEG_INFINITY);
    for probability in probabilities {
        if *probability > best {
            (best, second) = (*probability, best);
        } else if *probability > second {
            second = *probability;
        }
    }
    f64::from(best) - f64::from(second) <= Parity::TOLERANCE
}

/// In units of `unit`; [`MISSING`] when either is no finite number and they are not the same.
fn difference(expected: f64, found: f64, unit: f64) -> f64 {
    if expected == found {
        return 0.0;
    }
    let difference = (expected - found).abs() / unit;
    if difference.is_finite() {
        difference
    } else {
        MISSING
    }
}

#[derive(Default)]
struct Comparison {
    rows: u64,
    ties: u64,
    differing: Vec<(f64, String)>,
    largest: f64,
}

impl Comparison {
    fn row(
        &mut self,
        row: usize,
        is_tie: bool,
        differs: bool,
        difference: f64,
        what: impl FnOnce() -> String,
    ) {
        self.rows += 1;
        self.ties += u64::from(is_tie);
        self.largest = self.largest.max(difference);
        if differs || difference > Parity::TOLERANCE {
            let what = foreign::line(&what());
            self.differing
                .push((difference, format!("check row {}: {what}", row + 1)));
        }
    }

    fn verdict(mut self) -> Parity {
        if self.differing.is_empty() {
            return Parity::Equal {
                rows: self.rows,
                ties: self.ties,
                largest_difference: self.largest,
            };
        }
        self.differing
            .sort_by(|(left, _), (right, _)| right.total_cmp(left));
        Parity::Differs {
            rows: self.rows,
            ties: self.ties,
            differing: self.differing.len() as u64,
            largest_difference: Some(self.largest).filter(|largest| largest.is_finite()),
            worst: self
                .differing
                .into_iter()
                .take(SHOWN)
                .map(|(_, what)| what)
                .collect(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn classes(labels: &[&str], probabilities: &[[f32; 2]]) -> Check {
        Check {
            columns: Vec::new(),
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
            probabilities: probabilities.iter().map(|row| row.to_vec()).collect(),
            predictions: Vec::new(),
        }
    }

    fn scores(labels: &[&str], probabilities: &[[f32; 2]]) -> Scores {
        Scores {
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
            probabilities: probabilities.concat(),
            classes: 2,
            ..Scores::default()
        }
    }

    #[test]
    fn labels_may_differ_where_two_classes_are_equally_likely() {
        let check = classes(&["a", "b"], &[[0.500_004, 0.499_996], [0.1, 0.9]]);
        let same = scores(&["b", "b"], &[[0.499_999, 0.500_001], [0.1, 0.9]]);
        let Parity::Equal { rows, ties, .. } = compare(&check, &same, 0.0).unwrap() else {
            unreachable!("within the tolerance")
        };
        assert_eq!((rows, ties), (2, 1));
        let other = scores(&["a", "a"], &[[0.5, 0.5], [0.1, 0.9]]);
        assert!(!compare(&check, &other, 0.0).unwrap().met());
    }

    #[test]
    fn the_worst_rows_come_first_and_missing_numbers_are_the_worst() {
        let check = classes(&["a", "a", "a"], &[[0.9, 0.1]; 3]);
        let other = [[0.9, 0.1], [0.8, 0.2], [f32::NAN, 0.1]];
        let parity = compare(&check, &scores(&["a"; 3], &other), 0.0).unwrap();
        let Parity::Differs {
            differing,
            largest_difference,
            worst,
            ..
        } = parity
        else {
            unreachable!("two rows differ")
        };
        assert_eq!((differing, largest_difference), (2, None));
        assert!(
            worst[0].starts_with("check row 3: a [0.9, 0.1]"),
            "{worst:?}"
        );
        assert!(worst[1].starts_with("check row 2"), "{worst:?}");
    }

    #[test]
    fn a_regression_is_measured_by_its_prediction_or_the_targets_deviation() {
        let check = Check {
            predictions: vec![1_000_000.0, 0.001],
            ..classes(&[], &[])
        };
        let scores = |predictions| Scores {
            predictions,
            targets: 1,
            ..Scores::default()
        };
        let near = scores(vec![1_000_005.0, 0.0011]);
        assert!(compare(&check, &near, 100.0).unwrap().met());
        assert!(!compare(&check, &near, 0.0).unwrap().met());
        let far = scores(vec![1_000_020.0, 0.001]);
        assert!(!compare(&check, &far, 100.0).unwrap().met());
    }

    #[test]
    fn a_regression_in_double_precision_is_measured_by_the_distance_from_its_mean() {
        let check = Check {
            predictions: vec![1_600_000_000.0, 1_600_000_010.0],
            ..classes(&[], &[])
        };
        let scores = |predictions, is_double| Scores {
            predictions,
            targets: 1,
            is_double,
            ..Scores::default()
        };
        let off = vec![1_600_000_000.0, 1_600_000_011.0];
        assert!(
            compare(&check, &scores(off.clone(), false), 5.0)
                .unwrap()
                .met()
        );
        assert!(!compare(&check, &scores(off, true), 5.0).unwrap().met());
        let near = vec![1_600_000_000.0, 1_600_000_010.000_01];
        assert!(compare(&check, &scores(near, true), 5.0).unwrap().met());
    }

    #[test]
    fn other_shapes_are_told() {
        let check = classes(&["a"], &[[0.9, 0.1]]);
        let error = compare(&check, &Scores::default(), 0.0).unwrap_err();
        assert!(error.contains("no labels"), "{error}");
    }
}
