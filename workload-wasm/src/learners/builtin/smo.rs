//! Sequential minimal optimization for support vectors, with the working set chosen by second-order information (Fan,
//! Chen and Lin 2005, "Working set selection using second order information for training support vector machines"):
//! the method of LIBSVM, which is scikit-learn's, without its shrinking.

use std::collections::VecDeque;

use crate::forms::{KernelFunction, Rows};
use crate::learners::progress::Progress;

/// Kernels of this many pairs are kept: 128 MiB of f32.
const CACHED_KERNELS: usize = 32 << 20;
/// Stands in for a curvature that is not positive.
const TAU: f64 = 1e-12;

/// Minimize `½ aᵀQa + linearᵀa` where `signsᵀa = 0` and `0 <= a <= c`.
///
/// There may be more variables than rows: variable `v` belongs to row `v % rows`, and `Q[v][w]` is the kernel of their
/// rows times their signs.
pub(super) struct Dual<'a> {
    pub rows: &'a Rows,
    pub function: KernelFunction,
    /// 1 or -1, one a variable.
    pub signs: Vec<f64>,
    pub linear: Vec<f64>,
    pub c: f64,
    /// How far from optimal the worst pair of variables may be.
    pub tol: f64,
    /// Steps, at most.
    pub max_iter: u64,
    pub progress: Progress<'a>,
}

pub(super) struct Optimum {
    pub alphas: Vec<f64>,
    /// The sum's intercept.
    pub intercept: f64,
    pub converged: bool,
}

impl Dual<'_> {
    pub fn solve(self) -> Optimum {
        let mut kernels = Kernels::new(self.rows, self.function);
        let mut state = State {
            alphas: vec![0.0; self.signs.len()],
            gradient: self.linear.clone(),
            dual: &self,
        };
        let mut converged = false;
        // A step is the kernel of a row with all others: each cell some tenth of what one of a histogram takes.
        let cells = self.rows.values.len() as u64 / 10;
        let mut steps = self.progress.steps("steps", self.max_iter, cells);
        for _ in 0..self.max_iter {
            let Some((i, j)) = state.select(&mut kernels) else {
                converged = true;
                break;
            };
            state.step(i, j, &mut kernels);
            steps.step();
        }
        Optimum {
            intercept: state.intercept(),
            alphas: state.alphas,
            converged,
        }
    }
}

struct State<'a> {
    dual: &'a Dual<'a>,
    alphas: Vec<f64>,
    gradient: Vec<f64>,
}

impl State<'_> {
    /// Whether the variable may move so that `sign * alpha` grows.
    fn can_rise(&self, v: usize) -> bool {
        match self.dual.signs[v] > 0.0 {
            true => self.alphas[v] < self.dual.c,
            false => self.alphas[v] > 0.0,
        }
    }

    fn can_fall(&self, v: usize) -> bool {
        match self.dual.signs[v] > 0.0 {
            true => self.alphas[v] > 0.0,
            false => self.alphas[v] < self.dual.c,
        }
    }

    /// The pair that promises most, or none when all are within the tolerance.
    fn select(&self, kernels: &mut Kernels<'_>) -> Option<(usize, usize)> {
        let signs = &self.dual.signs;
        let mut highest = f64::NEG_INFINITY;
        let mut first = None;
        for (v, gradient) in self.gradient.iter().enumerate() {
            let value = -signs[v] * gradient;
            if value >= highest && self.can_rise(v) {
                highest = value;
                first = Some(v);
            }
        }
        let i = first?;
        let rows = kernels.diagonal.len();
        let i_row = i % rows;
        kernels.fill(i_row);
        let with_i = kernels.row(i_row);
        let mut lowest = f64::INFINITY;
        let mut best = 0.0;
        let mut second = None;
        for (v, gradient) in self.gradient.iter().enumerate() {
            if !self.can_fall(v) {
                continue;
            }
            let value = -signs[v] * gradient;
            lowest = lowest.min(value);
            let difference = highest - value;
            if difference > 0.0 {
                let v_row = v % rows;
                let gain = difference * difference / kernels.curvature(i_row, v_row, with_i);
                if gain > best {
                    best = gain;
                    second = Some(v);
                }
            }
        }
        if highest - lowest < self.dual.tol {
            return None;
        }
        second.map(|j| (i, j))
    }

    /// Moves two variables to the optimum of both, and the gradient along.
    fn step(&mut self, i: usize, j: usize, kernels: &mut Kernels<'_>) {
        let rows = kernels.diagonal.len();
        let (i_row, j_row) = (i % rows, j % rows);
        // Filling one may drop the other where few rows fit; `fill` keeps the last two.
        kernels.fill(i_row);
        kernels.fill(j_row);
        let (with_i, with_j) = (kernels.row(i_row), kernels.row(j_row));
        let signs = &self.dual.signs;
        let (i_sign, j_sign) = (signs[i], signs[j]);
        // Along the direction that raises sign * alpha of i and lowers that of j by the same amount.
        let slope = -i_sign * self.gradient[i] + j_sign * self.gradient[j];
        let mut amount = slope / kernels.curvature(i_row, j_row, with_i);
        let room = |sign: f64, alpha: f64| match sign > 0.0 {
            true => self.dual.c - alpha,
            false => alpha,
        };
        let i_room = room(i_sign, self.alphas[i]);
        let j_room = room(-j_sign, self.alphas[j]);
        amount = amount.min(i_room).min(j_room);
        for (v, sign, room) in [(i, i_sign, i_room), (j, -j_sign, j_room)] {
            // Exactly on the bound, not beside it by a rounding.
            self.alphas[v] = match (amount >= room, sign > 0.0) {
                (true, true) => self.dual.c,
                (true, false) => 0.0,
                (false, _) => self.alphas[v] + sign * amount,
            };
        }
        for (v, gradient) in self.gradient.iter_mut().enumerate() {
            let row = v % rows;
            *gradient += signs[v] * amount * (f64::from(with_i[row]) - f64::from(with_j[row]));
        }
    }

    /// The mean over the variables off their bounds, else the middle of what the others allow.
    fn intercept(&self) -> f64 {
        let mut free = 0.0;
        let mut total = 0.0;
        let mut lowest = f64::NEG_INFINITY;
        let mut highest = f64::INFINITY;
        for (v, gradient) in self.gradient.iter().enumerate() {
            let value = -self.dual.signs[v] * gradient;
            match (self.can_rise(v), self.can_fall(v)) {
                (true, true) => {
                    free += 1.0;
                    total += value;
                }
                (true, false) => lowest = lowest.max(value),
                (false, true) => highest = highest.min(value),
                (false, false) => {}
            }
        }
        if free > 0.0 {
            total / free
        } else if lowest.is_finite() && highest.is_finite() {
            (lowest + highest) / 2.0
        } else {
            0.0
        }
    }
}

/// Rows of the kernel matrix, made when they are asked for; the oldest give way.
struct Kernels<'a> {
    rows: &'a Rows,
    function: KernelFunction,
    diagonal: Vec<f64>,
    kept: Vec<Vec<f32>>,
    order: VecDeque<usize>,
    capacity: usize,
}

impl<'a> Kernels<'a> {
    fn new(rows: &'a Rows, function: KernelFunction) -> Self {
        let count = rows.iter().len();
        Kernels {
            rows,
            function,
            diagonal: rows.iter().map(|row| function.apply(row, row)).collect(),
            kept: vec![Vec::new(); count],
            order: VecDeque::new(),
            capacity: (CACHED_KERNELS / count.max(1)).max(2),
        }
    }

    /// Makes sure that the kernels of `row` are there, beside those of the row that was asked for before.
    fn fill(&mut self, row: usize) {
        if !self.kept[row].is_empty() {
            if self.order.len() == self.capacity {
                // Full: make it the youngest, so that it outlives the next one.
                self.order.retain(|other| *other != row);
                self.order.push_back(row);
            }
            return;
        }
        if self.order.len() == self.capacity
            && let Some(oldest) = self.order.pop_front()
        {
            self.kept[oldest] = Vec::new();
        }
        let width = self.rows.width as usize;
        let own = &self.rows.values[row * width..(row + 1) * width];
        self.kept[row] = self
            .rows
            .iter()
            .map(|other| self.function.apply(own, other) as f32)
            .collect();
        self.order.push_back(row);
    }

    /// The kernels of a row that was filled.
    fn row(&self, row: usize) -> &[f32] {
        &self.kept[row]
    }

    /// `K(i, i) + K(j, j) - 2 K(i, j)`, or a little where that is not positive.
    fn curvature(&self, i: usize, j: usize, with_i: &[f32]) -> f64 {
        let curvature = self.diagonal[i] + self.diagonal[j] - 2.0 * f64::from(with_i[j]);
        if curvature > 0.0 { curvature } else { TAU }
    }
}
