//! Limited-memory BFGS (Liu and Nocedal 1989) for smooth convex functions.

use std::collections::VecDeque;

/// Pairs of steps and gradient changes that stand in for the Hessian.
const MEMORY: usize = 10;
/// The share of the promised descent that a step has to bring (Armijo).
const SUFFICIENT: f64 = 1e-4;
const BACKTRACKS: usize = 40;

/// Where the search ended.
pub(super) struct Minimum {
    pub at: Vec<f64>,
    pub converged: bool,
}

/// Minimizes a function that says its value and fills in its gradient, from `at` on, until no part of the gradient is
/// above `tol`, or for `max_iter` steps.
pub(super) fn minimize(
    mut at: Vec<f64>,
    tol: f64,
    max_iter: u32,
    mut function: impl FnMut(&[f64], &mut [f64]) -> f64,
) -> Minimum {
    let mut gradient = vec![0.0; at.len()];
    let mut value = function(&at, &mut gradient);
    let mut memory: VecDeque<Pair> = VecDeque::with_capacity(MEMORY);
    let mut next = at.clone();
    let mut next_gradient = gradient.clone();
    for _ in 0..max_iter {
        if largest(&gradient) <= tol {
            return Minimum {
                at,
                converged: true,
            };
        }
        let direction = descend(&gradient, &memory);
        let slope = dot(&direction, &gradient);
        let mut length = match memory.is_empty() {
            // Nothing is known of the curvature yet.
            true => 1.0_f64.min(1.0 / largest(&gradient)),
            false => 1.0,
        };
        let mut found = None;
        for _ in 0..BACKTRACKS {
            for ((next, from), step) in next.iter_mut().zip(&at).zip(&direction) {
                *next = from + length * step;
            }
            let reached = function(&next, &mut next_gradient);
            if reached <= value + SUFFICIENT * length * slope {
                found = Some(reached);
                break;
            }
            length *= 0.5;
        }
        let Some(reached) = found else {
            // No step brings anything more: as close as the arithmetic allows, or a stale memory.
            if memory.is_empty() {
                break;
            }
            memory.clear();
            continue;
        };
        remember(
            &mut memory,
            Pair::new(&at, &next, &gradient, &next_gradient),
        );
        std::mem::swap(&mut at, &mut next);
        std::mem::swap(&mut gradient, &mut next_gradient);
        value = reached;
    }
    let converged = largest(&gradient) <= tol;
    Minimum { at, converged }
}

/// A step, the change of the gradient over it, and 1 / their product.
struct Pair {
    step: Vec<f64>,
    change: Vec<f64>,
    inverse: f64,
}

impl Pair {
    fn new(at: &[f64], next: &[f64], gradient: &[f64], next_gradient: &[f64]) -> Self {
        let step: Vec<f64> = next.iter().zip(at).map(|(next, at)| next - at).collect();
        let change: Vec<f64> = next_gradient
            .iter()
            .zip(gradient)
            .map(|(next, gradient)| next - gradient)
            .collect();
        let inverse = 1.0 / dot(&step, &change);
        Pair {
            step,
            change,
            inverse,
        }
    }
}

fn remember(memory: &mut VecDeque<Pair>, pair: Pair) {
    // A pair without positive curvature would turn the direction uphill.
    if pair.inverse.is_finite() && pair.inverse > 0.0 {
        if memory.len() == MEMORY {
            memory.pop_front();
        }
        memory.push_back(pair);
    }
}

/// Minus the gradient times what the memory knows of the inverse Hessian.
fn descend(gradient: &[f64], memory: &VecDeque<Pair>) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|part| -part).collect();
    let mut shares = Vec::with_capacity(memory.len());
    for pair in memory.iter().rev() {
        let share = pair.inverse * dot(&pair.step, &direction);
        add_scaled(&mut direction, -share, &pair.change);
        shares.push(share);
    }
    if let Some(last) = memory.back() {
        let scale = 1.0 / (last.inverse * dot(&last.change, &last.change));
        direction.iter_mut().for_each(|part| *part *= scale);
    }
    for (pair, share) in memory.iter().zip(shares.iter().rev()) {
        let back = pair.inverse * dot(&pair.change, &direction);
        add_scaled(&mut direction, share - back, &pair.step);
    }
    direction
}

fn largest(gradient: &[f64]) -> f64 {
    gradient.iter().fold(0.0, |most, part| part.abs().max(most))
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add_scaled(sums: &mut [f64], scale: f64, values: &[f64]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += scale * value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrow_valley_is_walked_down() {
        // A badly scaled bowl whose lowest point is (3, -2, 1).
        let minimum = minimize(vec![0.0; 3], 1e-9, 200, |at, gradient| {
            let mut value = 0.0;
            for (index, (scale, lowest)) in
                [(1.0, 3.0), (100.0, -2.0), (1e4, 1.0)].iter().enumerate()
            {
                let away = at[index] - lowest;
                value += 0.5 * scale * away * away;
                gradient[index] = scale * away;
            }
            value
        });
        assert!(minimum.converged);
        for (found, expected) in minimum.at.iter().zip([3.0, -2.0, 1.0]) {
            assert!((found - expected).abs() < 1e-8, "{found}");
        }
    }

    #[test]
    fn steps_that_run_out_are_no_convergence() {
        let minimum = minimize(vec![0.0], 1e-12, 1, |at, gradient| {
            gradient[0] = 4.0 * (at[0] - 5.0).powi(3);
            (at[0] - 5.0).powi(4)
        });
        assert!(!minimum.converged);
    }
}
