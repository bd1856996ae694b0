//! Decimal text to the nearest f32 or f64.

/// Powers of ten that an f64 holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];
const POWERS_U64: [u64; 9] = [
    1,
    10,
    100,
    1_000,
    10_000,
    100_000,
    1_000_000,
    10_000_000,
    100_000_000,
];

/// The number at the start of `bytes`, and how long it is: digits with at most one point and a sign, as nearly
/// every number of a dataset is written. `None` is any other text, which [`parse`] may still understand.
///
/// The value is the nearest f32. `bytes` must go on for eight bytes behind the number.
#[inline(always)]
pub(crate) fn plain(bytes: &[u8]) -> Option<(f32, usize)> {
    let (digits, decimals, negative, length) = parts(bytes)?;
    let value = nearest(digits, decimals)?;
    Some((if negative { -value } else { value }, length))
}

/// The same as the nearest f64.
#[inline]
pub(crate) fn plain_double(bytes: &[u8]) -> Option<(f64, usize)> {
    let (digits, decimals, negative, length) = parts(bytes)?;
    let value = nearest_double(digits, decimals)?;
    Some((if negative { -value } else { value }, length))
}

/// Digits, how many of them are decimals, whether there is a minus before them, and the length of all.
#[inline(always)]
fn parts(bytes: &[u8]) -> Option<(u64, usize, bool, usize)> {
    let negative = *bytes.first()? == b'-';
    let mut at = usize::from(negative);
    // A 0 and two more digits may be a code. Told by one comparison before the digits are counted: a branch that waits for
    // their count costs a fifth of the time.
    let start = u32::from_le_bytes(*bytes.get(at..)?.first_chunk::<4>()?);
    if start & 0x00f0_f0ff == 0x0030_3030 && is_code_at(bytes, at) {
        return None;
    }
    let (mut digits, whole) = leading_digits(bytes, at, 0)?;
    at += whole;
    let mut count = whole;
    let mut decimals = 0;
    if bytes[at] == b'.' {
        (digits, decimals) = leading_digits(bytes, at + 1, digits)?;
        at += 1 + decimals;
        count += decimals;
    }
    // Nineteen digits always fit a u64.
    if count == 0 || count > 19 {
        return None;
    }
    Some((digits, decimals, negative, at))
}

/// Whether there are three digits from `at` on; the first is 0.
#[cold]
#[inline(never)]
fn is_code_at(bytes: &[u8], at: usize) -> bool {
    bytes
        .get(at..at + 3)
        .is_some_and(|digits| digits.iter().all(u8::is_ascii_digit))
}

/// Appends the digits from `at` on to `before`; wraps around when there are more than fit, which the caller
/// refuses by their count.
#[inline(always)]
fn leading_digits(bytes: &[u8], at: usize, before: u64) -> Option<(u64, usize)> {
    let mut all = before;
    let mut length = 0;
    loop {
        let chunk = u64::from_le_bytes(*bytes.get(at + length..)?.first_chunk::<8>()?);
        // Digits become 0..=9, all other bytes more.
        let digits = chunk ^ 0x3030_3030_3030_3030;
        let others = (digits.wrapping_add(0x7676_7676_7676_7676) | digits) & 0x8080_8080_8080_8080;
        let count = (others.trailing_zeros() / 8) as usize;
        if count == 8 {
            all = all
                .wrapping_mul(100_000_000)
                .wrapping_add(eight_digits(digits));
            length += 8;
            continue;
        }
        // Moves the digits to the end of the eight, behind zeros.
        let aligned = (digits << 8) << (56 - 8 * count);
        all = all
            .wrapping_mul(POWERS_U64[count])
            .wrapping_add(eight_digits(aligned));
        return Some((all, length + count));
    }
}

/// Eight digits, one a byte, the first in the lowest byte.
#[inline(always)]
fn eight_digits(digits: u64) -> u64 {
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let low = (pairs & 0x0000_00ff_0000_00ff).wrapping_mul(0x000f_4240_0000_0064);
    let high = ((pairs >> 16) & 0x0000_00ff_0000_00ff).wrapping_mul(0x0000_2710_0000_0001);
    low.wrapping_add(high) >> 32
}

/// `digits / 10^decimals` as the nearest f32.
///
/// The quotient in f64 is at most one unit in its last place from the true one, so rounding it on to f32 is right
/// unless it lies that near to the middle between two of them; then `None`.
#[inline(always)]
pub(crate) fn nearest(digits: u64, decimals: usize) -> Option<f32> {
    let quotient = digits as f64 / POWERS.get(decimals)?;
    let below = quotient.to_bits() & 0x1fff_ffff;
    if below.wrapping_sub(0x1000_0000 - 2) <= 4 {
        return None;
    }
    Some(quotient as f32)
}

/// `digits / 10^decimals` as the nearest f64: both are exact, and so their quotient is rounded once. `None` where they are
/// not.
#[inline]
pub(crate) fn nearest_double(digits: u64, decimals: usize) -> Option<f64> {
    (digits <= 1 << 53)
        .then(|| POWERS.get(decimals).map(|power| digits as f64 / power))
        .flatten()
}

/// What a text is as a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Parsed<T = f32> {
    Finite(T),
    /// Larger than an f32 holds, or an infinity.
    Unfit,
    NotANumber,
}

/// A precision.
pub(crate) trait Real: Copy + fast_float2::FastFloat {
    fn of_single(value: f32) -> Self;
    fn of_double(value: f64) -> Self;
    fn double(self) -> f64;
}

impl Real for f32 {
    fn of_single(value: f32) -> Self {
        value
    }

    fn of_double(value: f64) -> Self {
        value as f32
    }

    fn double(self) -> f64 {
        self.into()
    }
}

impl Real for f64 {
    fn of_single(value: f32) -> Self {
        value.into()
    }

    fn of_double(value: f64) -> Self {
        value
    }

    fn double(self) -> f64 {
        self
    }
}

/// Parses all of `text`: decimal with an optional exponent, or an infinity. Features are single precision in the end, and so
/// what is beyond it is unfit in either.
pub(crate) fn parse<T: Real>(text: &[u8]) -> Parsed<T> {
    match fast_float2::parse::<T, _>(text) {
        Ok(value) if value.double().is_nan() => Parsed::NotANumber,
        Ok(value) if (value.double() as f32).is_finite() => Parsed::Finite(value),
        Ok(_) => Parsed::Unfit,
        Err(_) => Parsed::NotANumber,
    }
}

/// Whether `text` is a whole number in digits that no f64 is sure to hold: an id rather than a quantity.
pub(crate) fn is_beyond_double(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    if digits.len() < 16 || !digits.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let value = std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| digits.parse::<u64>().ok());
    value.is_none_or(|value| value > 1 << 53)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    /// What the short way gives for `text`, and how long it found the number to be.
    fn plain_of(text: &str) -> Option<(f32, usize)> {
        let mut bytes = text.as_bytes().to_vec();
        bytes.extend([0; 16]);
        plain(&bytes)
    }

    #[test]
    fn the_short_way_gives_the_nearest_f64() {
        let mut state = 13;
        let mut taken = 0;
        for _ in 0..100_000 {
            let digits = 1 + random(&mut state) as usize % 18;
            let mut text = format!("{:018}", random(&mut state) % 1_000_000_000_000_000_000);
            text.truncate(digits);
            text.insert(random(&mut state) as usize % (digits + 1), '.');
            let mut bytes = text.as_bytes().to_vec();
            bytes.extend([0; 16]);
            if let Some((value, length)) = plain_double(&bytes) {
                taken += 1;
                assert_eq!(length, text.len(), "{text}");
                assert_eq!(
                    value.to_bits(),
                    text.parse::<f64>().unwrap().to_bits(),
                    "{text}"
                );
            }
        }
        assert!(taken > 60_000, "{taken}");
    }

    #[test]
    fn whole_numbers_beyond_double_precision_are_ids() {
        for (text, expected) in [
            ("9007199254740992", false),
            ("9007199254740993", true),
            ("-9007199254740993", true),
            ("12345678901234567890123", true),
            ("0000000000000000001", false),
            ("1e20", false),
            ("9007199254740993.0", false),
            ("", false),
        ] {
            assert_eq!(is_beyond_double(text.as_bytes()), expected, "{text}");
        }
    }

    /// SplitMix64 (Steele, Lea and Flood 2014), so that the cases are the same on every run.
    fn random(state: &mut u64) -> u64 {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = *state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    #[test]
    fn the_short_way_gives_the_nearest_f32() {
        let mut state = 7;
        let mut taken = 0;
        for _ in 0..300_000 {
            let digits = 1 + random(&mut state) as usize % 19;
            let mut text = format!("{:019}", random(&mut state) % 10_000_000_000_000_000_000);
            text.truncate(digits);
            text.insert(random(&mut state) as usize % (digits + 1), '.');
            if random(&mut state).is_multiple_of(2) {
                text.insert(0, '-');
            }
            if let Some((value, length)) = plain_of(&text) {
                taken += 1;
                assert_eq!(length, text.len(), "{text}");
                assert_eq!(
                    value.to_bits(),
                    text.parse::<f32>().unwrap().to_bits(),
                    "{text}"
                );
            }
        }
        // Those that begin with zeros are left to the long way.
        assert!(taken > 265_000, "{taken}");
    }

    #[test]
    fn decimals_next_to_the_middle_of_two_f32_are_rounded_right() {
        let mut state = 11;
        for _ in 0..100_000 {
            let low = f32::from_bits(0x3f80_0000 + (random(&mut state) % 0x0c00_0000) as u32);
            let high = f32::from_bits(low.to_bits() + 1);
            let middle = (f64::from(low) + f64::from(high)) / 2.0;
            for text in [
                format!("{middle}"),
                format!("{middle:.17}"),
                format!("{:.9}", low),
            ] {
                let expected = text.parse::<f32>().unwrap();
                if let Some((value, _)) = plain_of(&text) {
                    assert_eq!(value.to_bits(), expected.to_bits(), "{text}");
                }
                assert_eq!(parse(text.as_bytes()), Parsed::Finite(expected), "{text}");
            }
        }
    }

    #[test]
    fn the_short_way_takes_usual_numbers_and_nothing_else() {
        for (text, expected) in [
            ("0", Some((0.0, 1))),
            ("-0.5,", Some((-0.5, 4))),
            ("12345678,9", Some((12_345_678.0, 8))),
            ("123456789.125\n", Some((123_456_790.0, 13))),
            ("5.", Some((5.0, 2))),
            (".5", Some((0.5, 2))),
            ("1e5", Some((1.0, 1))),
            ("", None),
            ("-", None),
            (".", None),
            ("-.", None),
            ("x", None),
            ("12345678901234567890", None),
            ("007", None),
            ("07", Some((7.0, 2))),
            ("0.00000000000000000001", None),
        ] {
            assert_eq!(plain_of(text), expected, "{text}");
        }
    }

    #[test]
    fn other_ways_to_write_numbers_are_understood() {
        for (text, expected) in [
            ("1e5", Parsed::Finite(100_000.0)),
            ("-1.5E-3", Parsed::Finite(-0.0015)),
            ("+7", Parsed::Finite(7.0)),
            ("12345678901234567890", Parsed::Finite(1.234_567_9e19)),
            ("1e39", Parsed::Unfit),
            ("-inf", Parsed::Unfit),
            ("Infinity", Parsed::Unfit),
            ("", Parsed::NotANumber),
            ("1,000", Parsed::NotANumber),
            ("1_000", Parsed::NotANumber),
            ("0x10", Parsed::NotANumber),
            ("12 EUR", Parsed::NotANumber),
            ("1e", Parsed::NotANumber),
        ] {
            assert_eq!(parse::<f32>(text.as_bytes()), expected, "{text}");
        }
    }
}
