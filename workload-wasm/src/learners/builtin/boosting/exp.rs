//! The exponential function in single precision, of additions and multiplications alone: the compiler makes vectors of
//! it, and it has the same bits everywhere.

/// Added to a number below 2^22 it leaves no room for a fraction.
const ROUND: f32 = 12_582_912.0;

/// Rounds to the nearest whole number; beyond 2^22 the result means nothing.
#[inline(always)]
pub(super) fn round(number: f32) -> i32 {
    ((number + ROUND).to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32)
}

/// `e^x` for `x` up to 87, with an error below 2e-7 of it; what is below -87 counts as -87.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    // Neither `max` nor `clamp`: they ask about NaN, and there is none.
    let x = if x < -87.0 { -87.0 } else { x };
    let power = (x * std::f32::consts::LOG2_E + ROUND) - ROUND;
    // ln 2 in two parts, the first of which has few bits: their products with `power` are exact.
    let rest = (x - power * 0.693_359_4) + power * 2.121_944_4e-4;
    // Cephes' polynomial for exp(x) - 1 - x on -ln 2 / 2 ..= ln 2 / 2 (Moshier 1992).
    let mut sum = 1.987_569_1e-4;
    for coefficient in [
        1.398_199_9e-3,
        8.333_452e-3,
        4.166_579_6e-2,
        1.666_666_6e-1,
        0.5,
    ] {
        sum = sum * rest + coefficient;
    }
    let near_one = sum * rest * rest + rest + 1.0;
    near_one * f32::from_bits(((round(power) + 127) << 23) as u32)
}

/// `1 / (1 + e^-x)`.
#[inline(always)]
pub(super) fn sigmoid(x: f32) -> f32 {
    let x = if x < -80.0 { -80.0 } else { x };
    let x = if x > 80.0 { 80.0 } else { x };
    1.0 / (1.0 + exp(-x))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_close_to_the_exponential_function() {
        for step in -87_000..=87_000 {
            let x = step as f32 / 1000.0;
            let expected = f64::from(x).exp();
            let error = (f64::from(exp(x)) - expected).abs() / expected;
            assert!(error < 2e-7, "{x}: {error:e}");
        }
        assert_eq!(exp(-1e30), exp(-87.0));
    }

    #[test]
    fn the_sigmoid_stays_between_0_and_1() {
        assert_eq!(sigmoid(0.0), 0.5);
        assert!(sigmoid(-1e30) > 0.0 && sigmoid(-1e30) < 1e-30);
        assert_eq!(sigmoid(1e30), 1.0);
    }

    #[test]
    fn rounding_goes_to_the_nearest() {
        let cases = [
            (0.4, 0),
            (-0.6, -1),
            (262_143.4, 262_143),
            (-262_143.0, -262_143),
        ];
        for (number, expected) in cases {
            assert_eq!(round(number), expected);
        }
    }
}
