//! What decision trees, random forests and extra trees share: parameters, bootstrap, and the form.

use contract::Task;

use super::bins::Bins;
use super::bundles::Bundles;
use super::goal::{Classes, Criterion, Goal, Numbers, TwoClasses};
use super::grow::{Grower, Limits};
use crate::forms::{Aggregate, Form, Link, Trees};
use crate::learners::configure::Method;
use crate::learners::parameters::{MaxFeatures, Parameters};
use crate::learners::random::Random;
use crate::learners::{Cause, Fitted, ParameterError, Target, Training, Wants};

/// A forest; a decision tree is one of a single tree.
pub(super) struct Forest {
    pub n_estimators: u32,
    pub criterion: Criterion,
    pub max_depth: Option<u32>,
    pub min_samples_split: usize,
    pub min_samples_leaf: usize,
    pub max_features: MaxFeatures,
    /// Each tree is grown on as many rows as there are, drawn with replacement.
    pub bootstrap: bool,
    pub random_thresholds: bool,
}

impl Forest {
    /// Asks for all that scikit-learn's trees and forests know. A single tree knows neither `n_estimators` nor
    /// `bootstrap`.
    pub fn ask(
        parameters: &mut Parameters<'_>,
        task: Task,
        bootstrap: Option<bool>,
        max_features: MaxFeatures,
        random_thresholds: bool,
    ) -> Result<Self, ParameterError> {
        let n_estimators = match bootstrap {
            Some(_) => parameters.integer("n_estimators", 100, 1..=100_000)?,
            None => 1,
        };
        let bootstrap = match bootstrap {
            Some(default) => parameters.boolean("bootstrap", default)?,
            None => false,
        };
        Ok(Forest {
            n_estimators,
            criterion: match task {
                Task::Regression => Criterion::Gini,
                Task::Binary | Task::Multiclass => {
                    match parameters.choice("criterion", "gini", &["gini", "entropy"])? {
                        "entropy" => Criterion::Entropy,
                        _ => Criterion::Gini,
                    }
                }
            },
            max_depth: parameters.optional_integer("max_depth", 1..=u32::MAX)?,
            min_samples_split: parameters.integer("min_samples_split", 2, 2..=u32::MAX)? as usize,
            min_samples_leaf: parameters.integer("min_samples_leaf", 1, 1..=u32::MAX)? as usize,
            max_features: parameters.max_features(max_features)?,
            bootstrap,
            random_thresholds,
        })
    }

    fn classify<'a, const N: usize, G: Goal>(
        &self,
        training: Training<'_>,
        (codes, classes): (&'a [u32], usize),
        goal: impl FnOnce(Classes<'a, N>) -> G,
    ) -> Fitted {
        let goal = goal(Classes {
            codes,
            classes,
            criterion: self.criterion,
        });
        let base_score = vec![0.0; classes];
        let trees = Trees::new(Link::Shares, Aggregate::Mean, base_score, classes as u32);
        self.grow(training, &goal, trees)
    }

    fn grow<G: Goal>(&self, training: Training<'_>, goal: &G, mut trees: Trees) -> Fitted {
        let features = training.features;
        let bins = Bins::new(features, &mut Random::new(training.seed, u64::MAX));
        let bundles = Bundles::new(&bins);
        let limits = Limits {
            max_depth: self.max_depth,
            min_samples_split: self.min_samples_split,
            min_samples_leaf: self.min_samples_leaf,
            max_features: self.max_features.of(features.columns.len()),
            random_thresholds: self.random_thresholds,
        };
        let mut grower = Grower::new(features, (&bins, &bundles), goal, limits);
        let all = training
            .weights
            .map_or_else(|| vec![1.0; features.rows], <[f32]>::to_vec);
        let trees_to_grow = u64::from(self.n_estimators);
        let mut steps = training
            .progress
            .steps("trees", trees_to_grow, training.cells());
        for tree in 0..self.n_estimators {
            let mut random = Random::new(training.seed, u64::from(tree));
            let nodes = match self.bootstrap {
                true => grower.grow(&bootstrap(&all, &mut random), &mut random),
                false => grower.grow(&all, &mut random),
            };
            trees.push(0, &nodes);
            steps.step();
        }
        let total: f64 = grower.importance.iter().sum();
        Fitted {
            form: Form::Trees(trees),
            warnings: Vec::new(),
            importance: (total > 0.0)
                .then(|| grower.importance.iter().map(|part| part / total).collect()),
        }
    }
}

/// The weights of as many rows as there are, drawn with replacement. At least one is above 0.
fn bootstrap(weights: &[f32], random: &mut Random) -> Vec<f32> {
    let mut drawn = vec![0.0; weights.len()];
    // All drawn rows may weigh nothing: draw again.
    while drawn.iter().all(|weight| *weight == 0.0) {
        for _ in 0..weights.len() {
            let row = random.below(weights.len() as u32) as usize;
            drawn[row] += weights[row];
        }
    }
    drawn
}

impl Method for Forest {
    fn wants(&self) -> Wants {
        Wants {
            // Missing values have a bin of their own and go where they fit best.
            imputed: false,
            scaled: false,
            one_hot: true,
        }
    }

    fn weighted(&self) -> bool {
        true
    }

    fn fit(&self, training: Training<'_>) -> Result<Fitted, Cause> {
        Ok(match training.target {
            // Sums whose number the compiler knows are the fastest: the next larger one will do.
            Target::Classes { codes, classes } => match classes {
                ..=2 => self.classify(training, (codes, *classes), TwoClasses),
                3 => self.classify::<3, _>(training, (codes, *classes), |goal| goal),
                4 => self.classify::<4, _>(training, (codes, *classes), |goal| goal),
                5..=8 => self.classify::<8, _>(training, (codes, *classes), |goal| goal),
                9..=16 => self.classify::<16, _>(training, (codes, *classes), |goal| goal),
                17..=64 => self.classify::<64, _>(training, (codes, *classes), |goal| goal),
                65..=256 => self.classify::<256, _>(training, (codes, *classes), |goal| goal),
                257.. => {
                    return Err(Cause::Unsuited {
                        what: format!("the target has {classes} classes, and it takes up to 256"),
                        remedy: "join rare classes, or choose engine = \"smartcore\"",
                    });
                }
            },
            Target::Number(values) => {
                let goal = Numbers::new(values, training.weights);
                let trees = Trees::new(Link::Identity, Aggregate::Mean, vec![0.0], 1);
                self.grow(training, &goal, trees)
            }
        })
    }
}
