//! k nearest neighbors (Cover and Hart 1967), classification and regression: the fit keeps the training rows, all else
//! is the form's. There is nothing that an engine could do here; a test holds the form against smartcore's.

use contract::{Task, Warning};

use crate::forms::{Distance, Form, Neighbors, Rows, Targets, Weighting};
use crate::learners::configure::{Defaults, Method};
use crate::learners::parameters::Parameters;
use crate::learners::{Cause, Fitted, ParameterError, Target, Training, Wants};

struct Configured {
    n_neighbors: u32,
    weighting: Weighting,
    distance: Distance,
}

pub(in crate::learners) fn make(
    parameters: &mut Parameters<'_>,
    _: Task,
    _: Defaults,
) -> Result<Box<dyn Method>, ParameterError> {
    Ok(Box::new(Configured {
        n_neighbors: parameters.integer("n_neighbors", 5, 1..=100_000)?,
        weighting: match parameters.choice("weights", "uniform", &["uniform", "distance"])? {
            "distance" => Weighting::Distance,
            _ => Weighting::Uniform,
        },
        distance: match parameters.choice("metric", "euclidean", &["euclidean", "manhattan"])? {
            "manhattan" => Distance::Manhattan,
            _ => Distance::Euclidean,
        },
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

    fn fit(&self, training: Training<'_>) -> Result<Fitted, Cause> {
        let rows = training.features.rows;
        let k = (self.n_neighbors as usize).min(rows);
        let mut warnings = Vec::new();
        if k < self.n_neighbors as usize {
            let message = format!(
                "n_neighbors = {} was cut to {k}: there are no more training rows",
                self.n_neighbors
            );
            warnings.push(Warning::new("parameter_cut", message));
        }
        Ok(Fitted {
            form: Form::Neighbors(Neighbors {
                k: k as u32,
                weighting: self.weighting,
                distance: self.distance,
                rows: Rows::gather(training.features, 0..rows),
                targets: match training.target {
                    Target::Classes { codes, classes } => Targets::Classes {
                        codes: codes.clone(),
                        classes: *classes as u32,
                    },
                    Target::Number(values) => Targets::Numbers(values.clone()),
                },
            }),
            warnings,
            importance: None,
        })
    }
}
