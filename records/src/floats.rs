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
    let (least, most) = range(values);
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

/// The least and the largest number; the least is the larger one where there are none.
fn range(values: &[f32]) -> (f32, f32) {
    const LANES: usize = 16;
    // Bits that compare as the numbers do, in lanes of their own: so several are compared at a time, which takes a third of
    // the time that comparing numbers does.
    let (mut least, mut most) = ([i32::MAX; LANES], [i32::MIN; LANES]);
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for ((least, most), value) in least.iter_mut().zip(&mut most).zip(chunk) {
            let key = ordered(*value);
            *least = key.min(*least);
            *most = key.max(*most);
        }
    }
    let least = least.into_iter().min().unwrap_or(i32::MAX);
    let most = most.into_iter().max().unwrap_or(i32::MIN);
    let has_missing = least < ordered(f32::NEG_INFINITY) || most > ordered(f32::INFINITY);
    let seen: &[f32] = if has_missing { values } else { rest };
    let (mut from, mut to) = if has_missing || chunks.is_empty() {
        (f32::INFINITY, f32::NEG_INFINITY)
    } else {
        (number_of(least), number_of(most))
    };
    for value in seen {
        from = from.min(*value);
        to = to.max(*value);
    }
    (from, to)
}

/// Bits that compare as the numbers do; those that are missing are beyond the infinities.
fn ordered(value: f32) -> i32 {
    let bits = value.to_bits().cast_signed();
    bits ^ ((bits >> 31).cast_unsigned() >> 1).cast_signed()
}

fn number_of(key: i32) -> f32 {
    f32::from_bits((key ^ ((key >> 31).cast_unsigned() >> 1).cast_signed()).cast_unsigned())
}

/// Whether single precision merges some of these numbers that are told apart here, by the same rule. Whole are also numbers
/// whose fractions single precision does not hold: epochs with milliseconds, and the zeros among them that make their range wide.
pub(crate) fn are_merged(values: &[f64]) -> bool {
    let mut is_exact = true;
    let mut is_whole = true;
    let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
    for value in values.iter().filter(|value| !value.is_nan()) {
        let single = *value as f32;
        is_exact &= f64::from(single) == *value;
        is_whole &= single.trunc() == single;
        least = least.min(*value);
        most = most.max(*value);
    }
    !is_exact && least < most && (is_whole || is_narrow(least, most))
}

/// Whether numbers from `least` to `most` lie so close together, beside their size, that few digits of single precision are left to
/// tell them apart.
#[must_use]
pub fn is_narrow(least: f64, most: f64) -> bool {
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
            (&[0.0, 1_700_000_000.25, 1_700_000_009.75], true),
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
    fn the_range_is_that_of_the_numbers() {
        for (values, expected) in [
            (&[][..], (f32::INFINITY, f32::NEG_INFINITY)),
            (&[f32::NAN; 40], (f32::INFINITY, f32::NEG_INFINITY)),
            (&[-0.5, 3.0, -2.5], (-2.5, 3.0)),
            (&[1e30; 33], (1e30, 1e30)),
        ] {
            assert_eq!(range(values), expected, "{values:?}");
        }
        let mut values: Vec<f32> = (0..100)
            .map(|value| (value * 37 % 100) as f32 - 40.0)
            .collect();
        assert_eq!(range(&values), (-40.0, 59.0));
        values[3] = f32::NAN;
        values[99] = -f32::NAN;
        assert_eq!(range(&values).0, -40.0);
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
