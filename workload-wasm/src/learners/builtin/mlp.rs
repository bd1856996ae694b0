//! A small neural network: dense layers with rectifiers, trained on mini-batches by Adam (Kingma and Ba 2015), with
//! early stopping on a part of the training rows. Weights start as in Glorot and Bengio 2010.

use contract::{Task, Warning};

use super::backpropagation::{Batch, Trainer};
use crate::forms::{Form, Layer, Link, Network};
use crate::learners::configure::{Defaults, Method};
use crate::learners::parameters::Parameters;
use crate::learners::progress::Steps;
use crate::learners::random::Random;
use crate::learners::{Cause, Features, Fitted, ParameterError, Target, Training, Wants};

/// With fewer rows than this none are set aside: the training loss says when to stop.
const LEAST_ROWS_TO_VALIDATE: usize = 50;
/// scikit-learn's `auto`.
const BATCH_SIZE: u32 = 200;

struct Configured {
    hidden_layer_sizes: Vec<u32>,
    batch_size: u32,
    epochs: u32,
    learning_rate_init: f64,
    alpha: f64,
    early_stopping: bool,
    validation_fraction: f64,
    n_iter_no_change: u32,
    tol: f64,
}

pub(in crate::learners) fn make(
    parameters: &mut Parameters<'_>,
    _: Task,
    defaults: Defaults,
) -> Result<Box<dyn Method>, ParameterError> {
    let batch_size = defaults.batch_size.unwrap_or(BATCH_SIZE);
    let epochs = defaults.epochs.unwrap_or(200);
    Ok(Box::new(Configured {
        hidden_layer_sizes: parameters.integers("hidden_layer_sizes", &[100], 1..=10_000)?,
        batch_size: parameters.integer("batch_size", batch_size, 1..=10_000_000)?,
        epochs: parameters.integer("epochs", epochs, 1..=1_000_000)?,
        learning_rate_init: parameters.number("learning_rate_init", 0.001, 1e-8..=10.0)?,
        alpha: parameters.number("alpha", 0.0001, 0.0..=1e6)?,
        early_stopping: parameters.boolean("early_stopping", true)?,
        validation_fraction: parameters.number("validation_fraction", 0.1, 0.01..=0.5)?,
        n_iter_no_change: parameters.integer("n_iter_no_change", 10, 1..=1_000_000)?,
        tol: parameters.number("tol", 1e-4, 0.0..=1e6)?,
    }))
}

impl Method for Configured {
    fn wants(&self) -> Wants {
        Wants {
            imputed: true,
            scaled: true,
            one_hot: true,
        }
    }

    fn weighted(&self) -> bool {
        true
    }

    fn fit(&self, training: Training<'_>) -> Result<Fitted, Cause> {
        let goal = Goal::new(training.target);
        let mut random = Random::new(training.seed, 0);
        let mut rows: Vec<u32> = (0..training.features.rows as u32).collect();
        random.shuffle(&mut rows);
        let held = match self.early_stopping && rows.len() >= LEAST_ROWS_TO_VALIDATE {
            true => (rows.len() as f64 * self.validation_fraction).ceil() as usize,
            false => 0,
        };
        let (validation, rows) = rows.split_at_mut(held);
        let inputs = row_major(training.features);
        let all = Batch {
            inputs: &inputs,
            width: training.features.columns.len(),
            rows: &[],
            targets: &goal.targets,
            outputs: goal.outputs,
            weights: training.weights,
        };
        let mut trainer = Trainer::new(
            all.width,
            &self.hidden_layer_sizes,
            goal.outputs,
            goal.link,
            &mut random,
        );
        trainer.learning_rate = self.learning_rate_init as f32;
        trainer.alpha = self.alpha as f32;
        // A weight takes some tenth of what a cell of a histogram takes.
        let weights = trainer.weights() as u64;
        let cells = (rows.len() as u64).saturating_mul(weights) / 10;
        let steps = training
            .progress
            .steps("epochs", u64::from(self.epochs), cells);
        let (layers, warnings) =
            self.train(&mut trainer, all, rows, validation, &mut random, steps)?;
        let mut network = Network {
            link: goal.link,
            layers,
        };
        goal.unscale(&mut network);
        Ok(Fitted {
            form: Form::Network(network),
            warnings,
            importance: None,
        })
    }
}

impl Configured {
    /// Trains on `rows` until the loss on `validation`, or on `rows` where that is empty, stops falling. Says the
    /// layers of the best epoch, of the last one without validation, and warnings.
    fn train(
        &self,
        trainer: &mut Trainer,
        all: Batch<'_>,
        rows: &mut [u32],
        validation: &[u32],
        random: &mut Random,
        mut steps: Steps<'_>,
    ) -> Result<(Vec<Layer>, Vec<Warning>), Cause> {
        let mut patience = Patience::new(self.n_iter_no_change, self.tol);
        let mut best = trainer.layers();
        for epoch in 1..=self.epochs {
            random.shuffle(rows);
            let mut loss = 0.0;
            for part in rows.chunks(self.batch_size as usize) {
                loss += trainer.step(Batch { rows: part, ..all });
            }
            loss /= rows.len() as f64;
            if !validation.is_empty() {
                let rows = validation;
                loss = trainer.loss(Batch { rows, ..all }) / rows.len() as f64;
            }
            if !loss.is_finite() {
                return Err(Cause::Unsuited {
                    what: format!("the loss overflowed in epoch {epoch}"),
                    remedy: "lower learning_rate_init, or scale the columns",
                });
            }
            if patience.improved(loss) || validation.is_empty() {
                best = trainer.layers();
            }
            steps.step();
            if patience.exhausted() {
                return Ok((best, Vec::new()));
            }
        }
        let message = format!(
            "the network was still learning after {} epochs; more may help",
            self.epochs
        );
        Ok((best, vec![Warning::new("still_learning", message)]))
    }
}

/// What the network's outputs are to be, rows x outputs.
struct Goal {
    link: Link,
    outputs: usize,
    targets: Vec<f32>,
    /// A regression learns its target in standard deviations from the mean.
    mean: f64,
    deviation: f64,
}

impl Goal {
    fn new(target: &Target) -> Self {
        match target {
            Target::Classes { codes, classes: 2 } => Goal {
                link: Link::Logistic,
                outputs: 1,
                targets: codes.iter().map(|code| *code as f32).collect(),
                mean: 0.0,
                deviation: 1.0,
            },
            Target::Classes { codes, classes } => Goal {
                link: Link::Softmax,
                outputs: *classes,
                targets: codes
                    .iter()
                    .flat_map(|code| {
                        (0..*classes as u32).map(move |class| f32::from(u8::from(class == *code)))
                    })
                    .collect(),
                mean: 0.0,
                deviation: 1.0,
            },
            Target::Number(values) => {
                let count = values.len() as f64;
                let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / count;
                let squares = values.iter().map(|v| (f64::from(*v) - mean).powi(2));
                let deviation = (squares.sum::<f64>() / count).sqrt();
                // Of a constant target nothing is left to learn, and the deviation of 0 undoes the outputs.
                let divisor = if deviation > 0.0 { deviation } else { 1.0 };
                Goal {
                    link: Link::Identity,
                    outputs: 1,
                    targets: values
                        .iter()
                        .map(|value| ((f64::from(*value) - mean) / divisor) as f32)
                        .collect(),
                    mean,
                    deviation,
                }
            }
        }
    }

    /// Makes a regression's last layer speak in the target's own units.
    fn unscale(&self, network: &mut Network) {
        if let (Link::Identity, Some(last)) = (self.link, network.layers.last_mut()) {
            for weight in &mut last.weights {
                *weight = (f64::from(*weight) * self.deviation) as f32;
            }
            for bias in &mut last.biases {
                *bias = (f64::from(*bias) * self.deviation + self.mean) as f32;
            }
        }
    }
}

/// Counts the epochs in a row that did not improve the loss by more than the tolerance.
struct Patience {
    limit: u32,
    tol: f64,
    best: f64,
    lowest: f64,
    waited: u32,
}

impl Patience {
    fn new(limit: u32, tol: f64) -> Self {
        Patience {
            limit,
            tol,
            best: f64::INFINITY,
            lowest: f64::INFINITY,
            waited: 0,
        }
    }

    /// Whether this is the lowest loss so far.
    fn improved(&mut self, loss: f64) -> bool {
        if loss > self.best - self.tol {
            self.waited += 1;
        } else {
            self.waited = 0;
            self.best = loss;
        }
        let lowest = loss < self.lowest;
        self.lowest = self.lowest.min(loss);
        lowest
    }

    fn exhausted(&self) -> bool {
        self.waited >= self.limit
    }
}

fn row_major(features: &Features) -> Vec<f32> {
    let width = features.columns.len();
    let mut values = vec![0.0; features.rows * width];
    for (index, column) in features.columns.iter().enumerate() {
        for (value, from) in values
            .iter_mut()
            .skip(index)
            .step_by(width)
            .zip(&column.values)
        {
            *value = *from;
        }
    }
    values
}
