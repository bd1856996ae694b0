//! Gradients of a network's loss, and the steps that Adam makes of them. In f32, row-major throughout.

use super::matrix::{multiply_add, multiply_transposed_add, transpose};
use crate::forms::{Layer, Link, sigmoid};
use crate::learners::random::Random;

/// Adam's decay rates and the number that keeps it from dividing by 0, as in its paper.
const FIRST_DECAY: f32 = 0.9;
const SECOND_DECAY: f32 = 0.999;
const EPSILON: f32 = 1e-8;

/// Some rows to learn from.
#[derive(Clone, Copy)]
pub(super) struct Batch<'a> {
    /// All rows, rows x `width`.
    pub inputs: &'a [f32],
    pub width: usize,
    /// Indices of the rows that belong to the batch.
    pub rows: &'a [u32],
    /// All targets, rows x `outputs`.
    pub targets: &'a [f32],
    pub outputs: usize,
    /// One for each of all rows.
    pub weights: Option<&'a [f32]>,
}

/// A network in training.
pub(super) struct Trainer {
    link: Link,
    weights: Vec<Learned>,
    biases: Vec<Learned>,
    /// Values of each layer for the rows of a batch; the first are the inputs.
    values: Vec<Vec<f32>>,
    /// The loss's derivatives by the values of a layer, and of the layer before.
    deltas: Vec<f32>,
    deltas_before: Vec<f32>,
    /// A layer's weights, transposed.
    transposed: Vec<f32>,
    steps: i32,
    pub learning_rate: f32,
    /// Weight of the squared weights in the loss (L2), spread over the rows of a batch.
    pub alpha: f32,
}

/// Parameters, their gradient and Adam's two moments of it.
struct Learned {
    values: Vec<f32>,
    gradient: Vec<f32>,
    first: Vec<f32>,
    second: Vec<f32>,
}

impl Learned {
    fn new(values: Vec<f32>) -> Self {
        let zeros = vec![0.0; values.len()];
        Learned {
            values,
            gradient: zeros.clone(),
            first: zeros.clone(),
            second: zeros,
        }
    }

    fn adam(&mut self, rate: f32) {
        let moments = self.first.iter_mut().zip(&mut self.second);
        let both = self.values.iter_mut().zip(&self.gradient);
        for ((value, gradient), (first, second)) in both.zip(moments) {
            *first = FIRST_DECAY * *first + (1.0 - FIRST_DECAY) * gradient;
            *second = SECOND_DECAY * *second + (1.0 - SECOND_DECAY) * gradient * gradient;
            *value -= rate * *first / (second.sqrt() + EPSILON);
        }
    }
}

impl Trainer {
    pub fn new(
        inputs: usize,
        hidden: &[u32],
        outputs: usize,
        link: Link,
        random: &mut Random,
    ) -> Self {
        let mut weights = Vec::new();
        let mut biases = Vec::new();
        let mut before = inputs;
        for width in hidden.iter().map(|width| *width as usize).chain([outputs]) {
            let bound = (6.0 / (before + width) as f64).sqrt();
            let mut draw = |count| {
                let values = (0..count).map(|_| ((2.0 * random.unit() - 1.0) * bound) as f32);
                Learned::new(values.collect())
            };
            weights.push(draw(before * width));
            biases.push(draw(width));
            before = width;
        }
        Trainer {
            link,
            values: vec![Vec::new(); weights.len() + 1],
            weights,
            biases,
            deltas: Vec::new(),
            deltas_before: Vec::new(),
            transposed: Vec::new(),
            steps: 0,
            learning_rate: 0.001,
            alpha: 0.0,
        }
    }

    /// The layers as they are now.
    /// How many weights the layers have.
    pub fn weights(&self) -> usize {
        self.weights
            .iter()
            .map(|weights| weights.values.len())
            .sum()
    }

    pub fn layers(&self) -> Vec<Layer> {
        let both = self.weights.iter().zip(&self.biases);
        both.map(|(weights, biases)| Layer {
            weights: weights.values.clone(),
            biases: biases.values.clone(),
        })
        .collect()
    }

    /// Learns from a batch; says the sum of its rows' losses before that.
    pub fn step(&mut self, batch: Batch<'_>) -> f64 {
        let loss = self.loss(batch);
        let count = batch.rows.len() as f32;
        for layer in (0..self.weights.len()).rev() {
            self.gradients(layer, count);
        }
        self.steps = self.steps.saturating_add(1);
        let corrected =
            (1.0 - SECOND_DECAY.powi(self.steps)).sqrt() / (1.0 - FIRST_DECAY.powi(self.steps));
        let rate = self.learning_rate * corrected;
        for learned in self.weights.iter_mut().chain(&mut self.biases) {
            learned.adam(rate);
        }
        loss
    }

    /// The sum of the rows' losses; leaves the last layer's deltas behind.
    pub fn loss(&mut self, batch: Batch<'_>) -> f64 {
        self.forward(batch);
        self.deltas.clear();
        let mut loss = 0.0;
        let outputs = batch.outputs;
        let values = self.values.last().map_or(&[] as &[f32], Vec::as_slice);
        for (place, row) in batch.rows.iter().enumerate() {
            let row = *row as usize;
            let targets = &batch.targets[row * outputs..(row + 1) * outputs];
            let values = &values[place * outputs..(place + 1) * outputs];
            let weight = batch.weights.map_or(1.0, |weights| weights[row]);
            loss +=
                f64::from(weight) * deltas(self.link, values, targets, weight, &mut self.deltas);
        }
        loss
    }

    fn forward(&mut self, batch: Batch<'_>) {
        let width = batch.width;
        self.values[0].clear();
        for row in batch.rows {
            let start = *row as usize * width;
            self.values[0].extend_from_slice(&batch.inputs[start..start + width]);
        }
        let last = self.weights.len() - 1;
        for layer in 0..=last {
            let biases = &self.biases[layer].values;
            let (before, after) = self.values.split_at_mut(layer + 1);
            let (inputs, outputs) = (&before[layer], &mut after[0]);
            let width = biases.len();
            let in_width = self.weights[layer].values.len() / width;
            outputs.clear();
            for _ in batch.rows {
                outputs.extend_from_slice(biases);
            }
            multiply_add(
                outputs,
                inputs,
                &self.weights[layer].values,
                in_width,
                width,
            );
            if layer < last {
                outputs.iter_mut().for_each(|value| {
                    *value = if *value > 0.0 { *value } else { 0.0 };
                });
            }
        }
    }

    /// The gradients of a layer from its deltas; then `deltas` are those of the layer before.
    fn gradients(&mut self, layer: usize, count: f32) {
        let Learned {
            values: weights,
            gradient: weight_gradient,
            ..
        } = &mut self.weights[layer];
        let bias_gradient = &mut self.biases[layer].gradient;
        let width = bias_gradient.len();
        let in_width = weights.len() / width;
        let (inputs, deltas) = (self.values[layer].as_slice(), self.deltas.as_slice());
        let decay = self.alpha / count;
        weight_gradient.fill(0.0);
        multiply_transposed_add(weight_gradient, inputs, deltas, in_width, width);
        for (gradient, weight) in weight_gradient.iter_mut().zip(weights.iter()) {
            *gradient = *gradient / count + decay * weight;
        }
        bias_gradient.fill(0.0);
        for deltas in deltas.chunks_exact(width) {
            add_scaled(bias_gradient, 1.0 / count, deltas);
        }
        if layer > 0 {
            transpose(weights, width, &mut self.transposed);
            self.deltas_before.clear();
            self.deltas_before.resize(inputs.len(), 0.0);
            multiply_add(
                &mut self.deltas_before,
                deltas,
                &self.transposed,
                width,
                in_width,
            );
            // The rectifier passes on what came from values above 0 only.
            for (delta, input) in self.deltas_before.iter_mut().zip(inputs) {
                *delta = if *input > 0.0 { *delta } else { 0.0 };
            }
        }
        std::mem::swap(&mut self.deltas, &mut self.deltas_before);
    }
}

/// The loss of a row whose outputs are `values`; appends its derivatives, times `weight`, to `deltas`.
fn deltas(link: Link, values: &[f32], targets: &[f32], weight: f32, deltas: &mut Vec<f32>) -> f64 {
    let pairs = values.iter().zip(targets);
    match link {
        Link::Logistic => pairs
            .map(|(value, target)| {
                let (value, target) = (f64::from(*value), f64::from(*target));
                deltas.push(weight * (sigmoid(value) - target) as f32);
                value.max(0.0) - target * value + (-value.abs()).exp().ln_1p()
            })
            .sum(),
        Link::Identity => pairs
            .map(|(value, target)| {
                deltas.push(weight * (value - target));
                0.5 * f64::from(value - target).powi(2)
            })
            .sum(),
        Link::Softmax | Link::Shares => {
            let largest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let exp = |value: &f32| f64::from(value - largest).exp();
            let total: f64 = values.iter().map(exp).sum();
            pairs
                .map(|(value, target)| {
                    deltas.push(weight * ((exp(value) / total) as f32 - target));
                    f64::from(*target) * (total.ln() - f64::from(value - largest))
                })
                .sum()
        }
    }
}

fn add_scaled(sums: &mut [f32], scale: f32, values: &[f32]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += scale * value;
    }
}
