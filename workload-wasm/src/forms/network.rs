use serde::{Deserialize, Serialize};

use super::rows::for_each_row;
use super::{FormError, Link, Predictions};
use crate::learners::Features;

/// Dense layers, the rectifier `max(0, x)` between them, and a link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Network {
    pub link: Link,
    /// From the features to the outputs; at least one.
    pub layers: Vec<Layer>,
}

/// `weights * x + biases`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Layer {
    /// Row-major, inputs x outputs.
    pub weights: Vec<f32>,
    /// One an output.
    pub biases: Vec<f32>,
}

impl Layer {
    /// How many inputs the layer has, if its weights are whole rows.
    fn inputs(&self) -> Option<usize> {
        let outputs = self.biases.len();
        let whole = outputs > 0 && self.weights.len().is_multiple_of(outputs);
        whole.then(|| self.weights.len() / outputs)
    }
}

impl Network {
    pub(super) fn predict(&self, features: &Features) -> Predictions {
        let outputs = self.layers.last().map_or(0, |layer| layer.biases.len());
        let mut sums = Vec::with_capacity(features.rows * outputs);
        let mut inputs: Vec<f64> = Vec::new();
        let mut values: Vec<f64> = Vec::new();
        for_each_row(features, |_, row| {
            values.clear();
            values.extend(row.iter().map(|value| f64::from(*value)));
            for (index, layer) in self.layers.iter().enumerate() {
                if index > 0 {
                    values.iter_mut().for_each(|value| *value = value.max(0.0));
                }
                std::mem::swap(&mut inputs, &mut values);
                values.clear();
                values.extend(layer.biases.iter().map(|bias| f64::from(*bias)));
                let rows = layer.weights.chunks_exact(values.len());
                for (input, weights) in inputs.iter().zip(rows) {
                    for (value, weight) in values.iter_mut().zip(weights) {
                        *value += input * f64::from(*weight);
                    }
                }
            }
            sums.extend_from_slice(&values);
        });
        self.link.apply(sums, outputs)
    }

    pub(super) fn check(&self, features: usize) -> Result<(), FormError> {
        let mut width = features;
        for layer in &self.layers {
            if layer.inputs() != Some(width) {
                return Err(FormError::Lengths { what: "layers" });
            }
            let finite = |values: &[f32]| values.iter().all(|value| value.is_finite());
            if !finite(&layer.weights) || !finite(&layer.biases) {
                return Err(FormError::NotFinite);
            }
            width = layer.biases.len();
        }
        if self.layers.is_empty() || self.link == Link::Shares {
            return Err(FormError::Lengths { what: "layers" });
        }
        self.link.check(width)
    }
}
