//! Platt scaling: a sigmoid that turns the sums of a machine into probabilities (Platt 1999), fitted by Newton's method
//! as in Lin, Lin and Weng 2007 ("A note on Platt's probabilistic outputs for support vector machines").

use crate::forms::sigmoid;

const ITERATIONS: usize = 100;
/// Added to the Hessian's diagonal, which may vanish.
const RIDGE: f64 = 1e-12;
const LEAST_STEP: f64 = 1e-10;
const LEAST_GRADIENT: f64 = 1e-5;

/// The slope and offset of `1 / (1 + exp(-(slope * sum + offset)))`, the probability that a row is `second`.
///
/// Targets are a little off 0 and 1, as few as the rows are, so that perfectly parted rows don't end in certainty.
pub(super) fn fit(sums: &[f64], second: &[bool]) -> (f64, f64) {
    let positives = second.iter().filter(|second| **second).count() as f64;
    let negatives = second.len() as f64 - positives;
    let high = (positives + 1.0) / (positives + 2.0);
    let low = 1.0 / (negatives + 2.0);
    let targets: Vec<f64> = second.iter().map(|s| if *s { high } else { low }).collect();
    let mut slope = 0.0;
    let mut offset = ((positives + 1.0) / (negatives + 1.0)).ln();
    let mut loss = log_loss(sums, &targets, slope, offset);
    for _ in 0..ITERATIONS {
        let step = Newton::new(sums, &targets, slope, offset);
        if step.slope.abs() < LEAST_GRADIENT && step.offset.abs() < LEAST_GRADIENT {
            break;
        }
        let (slope_step, offset_step) = step.solve();
        let descent = step.slope * slope_step + step.offset * offset_step;
        let mut length = 1.0;
        while length >= LEAST_STEP {
            let (new_slope, new_offset) =
                (slope + length * slope_step, offset + length * offset_step);
            let new_loss = log_loss(sums, &targets, new_slope, new_offset);
            if new_loss < loss + 1e-4 * length * descent {
                (slope, offset, loss) = (new_slope, new_offset, new_loss);
                break;
            }
            length /= 2.0;
        }
        if length < LEAST_STEP {
            break;
        }
    }
    (slope, offset)
}

fn log_loss(sums: &[f64], targets: &[f64], slope: f64, offset: f64) -> f64 {
    sums.iter()
        .zip(targets)
        .map(|(sum, target)| {
            let z = slope * sum + offset;
            // ln(1 + exp(z)) - target z, without an overflow.
            z.max(0.0) - target * z + (-z.abs()).exp().ln_1p()
        })
        .sum()
}

/// Gradient and Hessian of the loss.
struct Newton {
    slope: f64,
    offset: f64,
    slope_slope: f64,
    slope_offset: f64,
    offset_offset: f64,
}

impl Newton {
    fn new(sums: &[f64], targets: &[f64], slope: f64, offset: f64) -> Self {
        let mut newton = Newton {
            slope: 0.0,
            offset: 0.0,
            slope_slope: RIDGE,
            slope_offset: 0.0,
            offset_offset: RIDGE,
        };
        for (sum, target) in sums.iter().zip(targets) {
            let probability = sigmoid(slope * sum + offset);
            let error = probability - target;
            let curvature = probability * (1.0 - probability);
            newton.slope += error * sum;
            newton.offset += error;
            newton.slope_slope += curvature * sum * sum;
            newton.slope_offset += curvature * sum;
            newton.offset_offset += curvature;
        }
        newton
    }

    /// The step down: minus the inverse Hessian times the gradient.
    fn solve(&self) -> (f64, f64) {
        let determinant =
            self.slope_slope * self.offset_offset - self.slope_offset * self.slope_offset;
        (
            -(self.offset_offset * self.slope - self.slope_offset * self.offset) / determinant,
            -(self.slope_slope * self.offset - self.slope_offset * self.slope) / determinant,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_sigmoid_is_found_again() {
        // Rows at each sum are second as often as a sigmoid of slope 2 and offset -1 says.
        let mut sums = Vec::new();
        let mut second = Vec::new();
        for step in -20..=20 {
            let sum = f64::from(step) / 10.0;
            let share = sigmoid(2.0 * sum - 1.0);
            for row in 0..1000 {
                sums.push(sum);
                second.push(f64::from(row) < share * 1000.0);
            }
        }
        let (slope, offset) = fit(&sums, &second);
        assert!((slope - 2.0).abs() < 0.01, "{slope}");
        assert!((offset + 1.0).abs() < 0.01, "{offset}");
    }

    #[test]
    fn parted_rows_do_not_end_in_certainty() {
        let (slope, offset) = fit(&[-1.0, 1.0], &[false, true]);
        let probability = sigmoid(slope + offset);
        assert!((probability - 2.0 / 3.0).abs() < 1e-3, "{probability}");
    }
}
