//! What a column's numbers are counted from, where single precision would merge them.

use records::{Floats, is_narrow};

/// The offset that the numbers in `rows` need; `None` where single precision tells them apart as well without one.
#[must_use]
pub fn offset(values: &Floats, rows: &[u32], is_time: bool) -> Option<f64> {
    match values {
        Floats::Single(_) => None,
        Floats::Double(values) => find(
            rows.iter().map(|row| values[*row as usize]).collect(),
            is_time,
        ),
    }
}

/// The same of all `values`.
#[must_use]
pub fn offset_of(values: &Floats, is_time: bool) -> Option<f64> {
    match values {
        Floats::Single(_) => None,
        Floats::Double(values) => find(values.clone(), is_time),
    }
}

/// The median, one of the values themselves, if that leaves at most half of the error of single precision. Only whole
/// numbers, instants and values that lie close together have an error that matters: of others it is tiny beside their range.
fn find(mut values: Vec<f64>, is_time: bool) -> Option<f64> {
    values.retain(|value| !value.is_nan());
    // Whole in single precision, as epochs with milliseconds are.
    let is_whole = values
        .iter()
        .all(|value| (*value as f32).trunc() == *value as f32);
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if !(is_time || is_whole || is_narrow(least, most)) || values.is_empty() {
        return None;
    }
    let middle = (values.len() - 1) / 2;
    let (_, median, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let median = *median + 0.0;
    let error = |offset: f64| -> f64 {
        let errors = values.iter().map(|value| {
            let counted = value - offset;
            (f64::from(counted as f32) - counted).abs()
        });
        errors.sum()
    };
    let without = error(0.0);
    (without > 0.0 && error(median) * 2.0 <= without).then_some(median)
}

/// The values in single precision, counted from the offset. What it does not hold is missing.
#[must_use]
pub fn single(values: &Floats, offset: Option<f64>) -> Vec<f32> {
    let offset = offset.unwrap_or(0.0);
    match values {
        Floats::Single(values) if offset == 0.0 => values.clone(),
        _ => {
            let single = values.iter().map(|value| (value - offset) as f32);
            let finite = |value: f32| if value.is_finite() { value } else { f32::NAN };
            single.map(finite).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(values: Vec<f64>) -> Option<f64> {
        offset_of(&values.into(), false)
    }

    #[test]
    fn numbers_that_lie_close_together_are_counted_from_their_median() {
        let epochs: Vec<f64> = (0..101).map(|second| 1.7e9 + f64::from(second)).collect();
        assert_eq!(found(epochs.clone()), Some(1.7e9 + 50.0));
        let counted = single(&epochs.clone().into(), Some(1.7e9 + 50.0));
        let distinct: std::collections::BTreeSet<u32> =
            counted.iter().map(|value| value.to_bits()).collect();
        assert_eq!(distinct.len(), 101);
        // Epochs with fractions, and zeros among them where they are not known.
        let mut fractions: Vec<f64> = epochs.iter().map(|second| second + 0.25).collect();
        fractions[7] = 0.0;
        assert_eq!(found(fractions), Some(1.7e9 + 50.25));
        let julian = vec![2_460_000.1, 2_460_000.2, f64::NAN, 2_460_000.35];
        assert_eq!(found(julian), Some(2_460_000.2));
    }

    #[test]
    fn others_need_no_offset() {
        for values in [
            vec![0.1, 0.2, 0.7],
            vec![16_777_216.0, 16_777_218.0],
            // The largest are not told better by counting from the median.
            (0..100)
                .map(|value| f64::from(value * value) * 20_001.0)
                .collect(),
            vec![],
            vec![f64::NAN],
        ] {
            assert_eq!(found(values.clone()), None, "{values:?}");
        }
    }

    #[test]
    fn instants_keep_their_seconds() {
        let days: Vec<f64> = (0..200)
            .map(|hour| 19_783.0 + f64::from(hour) / 24.0 + 1.0 / 86_400.0)
            .collect();
        let offset = offset_of(&days.clone().into(), true);
        assert!(offset.is_some());
        let counted = single(&days.clone().into(), offset);
        for (day, counted) in days.iter().zip(counted) {
            let back = f64::from(counted) + offset.unwrap_or_default();
            assert!((back - day).abs() * 86_400.0 < 0.05, "{back} {day}");
        }
    }
}
