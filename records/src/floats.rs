//! Numbers in the precision that tells them apart.

/// Numbers in single precision, or in double precision where only that tells them apart. `NaN` is missing.
#[derive(Clone, Debug, PartialEq)]
pub enum Floats {
    Single(Vec<f32>),
    Double(Vec<f64>),
}

impl Floats {
    /// As many missing ones.
    #[must_use]
    pub fn missing(rows: usize) -> Self {
        Self::Single(vec![f32::NAN; rows])
    }

    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Single(values) => values.len(),
            Self::Double(values) => values.len(),
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[must_use]
    pub fn is_double(&self) -> bool {
        matches!(self, Self::Double(_))
    }

    /// The number in `row`.
    ///
    /// # Panics
    /// When there are not so many rows.
    #[must_use]
    #[inline]
    pub fn get(&self, row: usize) -> f64 {
        match self {
            Self::Single(values) => f64::from(values[row]),
            Self::Double(values) => values[row],
        }
    }

    /// All numbers in their order.
    pub fn iter(&self) -> impl Iterator<Item = f64> + Clone + '_ {
        (0..self.len()).map(|row| self.get(row))
    }

    /// What `value` is in the precision of these numbers: what a comparison with them goes by.
    #[must_use]
    pub fn nearest(&self, value: f64) -> f64 {
        match self {
            Self::Single(_) => f64::from(value as f32),
            Self::Double(_) => value,
        }
    }

    /// One of these numbers as a person would write it: with no more digits than tell it from others.
    #[must_use]
    pub fn written(&self, value: f64) -> String {
        match self {
            Self::Single(_) => (value as f32).to_string(),
            Self::Double(_) => value.to_string(),
        }
    }

    /// Holds them in double precision from now on.
    pub(crate) fn widen(&mut self) {
        if let Self::Single(values) = self {
            *self = Self::Double(values.iter().copied().map(f64::from).collect());
        }
    }

    pub(crate) fn truncate(&mut self, rows: usize) {
        match self {
            Self::Single(values) => values.truncate(rows),
            Self::Double(values) => values.truncate(rows),
        }
    }
}

impl Default for Floats {
    fn default() -> Self {
        Self::Single(Vec::new())
    }
}

impl From<Vec<f32>> for Floats {
    fn from(values: Vec<f32>) -> Self {
        Self::Single(values)
    }
}

impl From<Vec<f64>> for Floats {
    fn from(values: Vec<f64>) -> Self {
        Self::Double(values)
    }
}

/// From here on, single precision does not hold every whole number.
const WHOLE_IN_SINGLE: f32 = 16_777_216.0;
/// From here on, double precision does not hold every whole number.
pub(crate) const WHOLE_IN_DOUBLE: f64 = 9_007_199_254_740_992.0;
/// Values whose range is smaller than this share of the largest one have few digits of single precision left.
const NARROW: f64 = 1.0 / 1_024.0;

/// Whether single precision may have merged numbers that the source tells apart: whole ones that it does not hold, or a
/// range that is small beside the numbers themselves. Others are as near to what the source says as any use of them needs.
pub(crate) fn may_be_merged(values: &[f32]) -> bool {
    const LANES: usize = 8;
    // Lanes of their own, so that several are compared at a time. A comparison with NaN is false.
    let mut least = [f32::INFINITY; LANES];
    let mut most = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut see = |lane: usize, value: f32| {
        least[lane] = if value < least[lane] {
            value
        } else {
            least[lane]
        };
        most[lane] = if value > most[lane] {
            value
        } else {
            most[lane]
        };
    };
    for chunk in chunks {
        for (lane, value) in chunk.iter().enumerate() {
            see(lane, *value);
        }
    }
    for value in rest {
        see(0, *value);
    }
    let least = least.into_iter().fold(f32::INFINITY, f32::min);
    let most = most.into_iter().fold(f32::NEG_INFINITY, f32::max);
    if least > most {
        return false;
    }
    let largest = most.abs().max(least.abs());
    let is_whole = |value: &f32| value.is_nan() || value.trunc() == *value;
    if largest < WHOLE_IN_SINGLE && least == most {
        return !is_whole(&least);
    }
    is_narrow(f64::from(least), f64::from(most))
        || (largest >= WHOLE_IN_SINGLE && values.iter().all(is_whole))
}

/// Whether single precision merges some of these numbers that are told apart here, by the same rule.
pub(crate) fn are_merged(values: &[f64]) -> bool {
    let mut is_exact = true;
    let mut is_whole = true;
    let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
    for value in values.iter().filter(|value| !value.is_nan()) {
        is_exact &= f64::from(*value as f32) == *value;
        is_whole &= value.trunc() == *value;
        least = least.min(*value);
        most = most.max(*value);
    }
    !is_exact && least < most && (is_whole || is_narrow(least, most))
}

fn is_narrow(least: f64, most: f64) -> bool {
    most - least < most.abs().max(least.abs()) * NARROW
}

/// The numbers in single precision, unless they are to be told apart by more.
pub(crate) fn narrowed(values: Vec<f64>, keep: bool) -> Floats {
    if keep || are_merged(&values) {
        Floats::Double(values)
    } else {
        Floats::Single(values.iter().map(|value| *value as f32).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_that_single_precision_merges_are_held_in_double() {
        for (values, expected) in [
            (&[0.1, 0.2, 0.7, 1e6][..], false),
            (&[1.5, f64::NAN, 20_000_000.25], false),
            (&[16_777_216.0, 16_777_218.0, 0.0], false),
            (&[16_777_216.0, 16_777_217.0], true),
            (&[0.0, 123_456_789.0], true),
            (&[1_700_000_000.0, 1_700_000_001.0], true),
            (&[2_460_000.1, 2_460_000.2, 2_460_100.3], true),
            (&[1_700_000_001.0, 1_700_000_001.0], false),
            (&[0.1, 0.1], false),
            (&[], false),
        ] {
            assert_eq!(are_merged(values), expected, "{values:?}");
            // What is not looked at again was not merged.
            let single: Vec<f32> = values.iter().map(|value| *value as f32).collect();
            assert!(!expected || may_be_merged(&single), "{values:?}");
        }
    }

    #[test]
    fn plain_decimals_and_small_numbers_are_not_looked_at_twice() {
        for values in [
            &[0.1, 0.2, f32::NAN, 0.7][..],
            &[3.0; 40],
            &[-1e6, 1e6],
            &[0.0],
        ] {
            assert!(!may_be_merged(values), "{values:?}");
        }
        let mut values = vec![1.0e9_f32; 30];
        values[17] = 1.0e9 + 64.0;
        assert!(may_be_merged(&values));
        values[20] = -1.0e9;
        assert!(
            may_be_merged(&values),
            "whole numbers that it does not hold"
        );
    }
}
