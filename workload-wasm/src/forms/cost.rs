//! What a prediction takes, and which columns it depends on: how a permutation importance plans its work.

use super::{Form, Machines, Split};

/// What a level of a tree takes beside a multiplication and an addition.
const LEVEL: f64 = 4.5;
/// And what a kernel's exponential takes.
const EXPONENTIAL: u64 = 10;

impl Form {
    /// How much work it is to predict a row, in multiplications and additions, roughly. It is counted, never timed, so that
    /// equal models say the same everywhere.
    #[must_use]
    pub fn cost(&self) -> u64 {
        match self {
            Form::Linear(linear) => linear.coefficients.iter().map(Vec::len).sum::<usize>() as u64,
            Form::Trees(trees) => {
                let count = trees.roots.len().max(1) as f64;
                // Trees are deeper than balanced ones.
                let levels = (trees.split.len() as f64 / count + 1.0).log2();
                (count * levels * LEVEL) as u64
            }
            Form::NaiveBayes(bayes) => 2 * bayes.means.iter().map(Vec::len).sum::<usize>() as u64,
            Form::Neighbors(neighbors) => neighbors.rows.values.len() as u64,
            Form::Kernel(kernel) => {
                let sums = match &kernel.machines {
                    Machines::Classification { pairs, .. } => {
                        pairs.iter().map(|pair| pair.machine.vectors.len()).sum()
                    }
                    Machines::Regression(machine) => machine.vectors.len(),
                };
                let vectors = kernel.vectors.iter().len() as u64;
                kernel.vectors.values.len() as u64 + vectors * EXPONENTIAL + sums as u64
            }
            Form::Network(network) => {
                let weights = network.layers.iter().map(|layer| layer.weights.len());
                weights.sum::<usize>() as u64
            }
        }
    }

    /// How much each of `features` columns moves a prediction, roughly: 0 if not at all. `None` where the form's numbers do
    /// not tell.
    #[must_use]
    pub fn influence(&self, features: usize) -> Option<Vec<f64>> {
        let mut influence = vec![0.0; features];
        let mut add = |column: usize, value: f64| {
            if let Some(sum) = influence.get_mut(column) {
                *sum += value;
            }
        };
        match self {
            Form::Linear(linear) => {
                for coefficients in &linear.coefficients {
                    for (column, coefficient) in coefficients.iter().enumerate() {
                        add(column, coefficient.abs());
                    }
                }
            }
            Form::Trees(trees) => {
                let splits = trees.split.iter().zip(&trees.feature);
                for (_, column) in splits.filter(|(split, _)| **split != Split::Leaf) {
                    add(*column as usize, 1.0);
                }
            }
            Form::Network(network) => {
                let first = network.layers.first()?;
                let outputs = first.biases.len().max(1);
                for (column, weights) in first.weights.chunks(outputs).enumerate() {
                    add(
                        column,
                        weights.iter().map(|weight| f64::from(weight.abs())).sum(),
                    );
                }
            }
            Form::NaiveBayes(_) | Form::Neighbors(_) | Form::Kernel(_) => return None,
        }
        Some(influence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forms::{Aggregate, Linear, Link, Node, Trees};

    #[test]
    fn a_column_that_no_split_and_no_coefficient_looks_at_has_no_influence() {
        let mut trees = Trees::new(Link::Identity, Aggregate::Mean, vec![0.0], 1);
        let split = Node::Threshold {
            feature: 2,
            threshold: 0.5,
            missing_left: false,
            left: 1,
            right: 2,
        };
        trees.push(0, &[split, Node::Leaf(vec![1.0]), Node::Leaf(vec![2.0])]);
        let trees = Form::Trees(trees);
        assert_eq!(trees.influence(3), Some(vec![0.0, 0.0, 1.0]));
        let linear = Form::Linear(Linear {
            link: Link::Softmax,
            coefficients: vec![vec![0.0, -2.0], vec![0.0, 3.0]],
            intercepts: vec![0.0; 2],
        });
        assert_eq!(linear.influence(2), Some(vec![0.0, 5.0]));
        assert_eq!(linear.cost(), 4);
        assert!(trees.cost() > 0);
    }
}
