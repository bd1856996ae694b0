//! Gradient boosting (Friedman 2001) of trees that are grown leaf by leaf from histograms (Ke et al. 2017, "LightGBM: a
//! highly efficient gradient boosting decision tree").

use contract::{Task, Warning};

use super::bins::Bins;
use super::boosting::{Categories, Ground, Grower, Limits, Objective, Quantum, Tree};
use crate::forms::{Aggregate, Form, Trees};
use crate::learners::class_weight::weigh;
use crate::learners::configure::{Defaults, Method};
use crate::learners::parameters::Parameters;
use crate::learners::progress::Steps;
use crate::learners::random::Random;
use crate::learners::{Cause, Fitted, ParameterError, Training, Wants};

/// Streams of random numbers besides those of the rounds.
const BINNING: u64 = u64::MAX;
const VALIDATION: u64 = u64::MAX - 1;
/// A Newton step of a class goes so far, in log odds: where nearly all rows of a leaf are certain, its Hessian is close to
/// 0 and says nothing of how far to go. Without a bound the loss of rare classes grows from tree to tree.
const MAX_STEP_OF_CLASSES: f64 = 10.0;

struct Boosting {
    n_estimators: u32,
    learning_rate: f64,
    limits: Limits,
    /// No leaf of a tree says more than this, before it is shrunk; 0 bounds nothing.
    max_delta_step: f64,
    subsample: f64,
    subsample_freq: u32,
    colsample_bytree: f64,
    early_stopping_rounds: Option<u32>,
    validation_fraction: f64,
}

pub(in crate::learners) fn make(
    parameters: &mut Parameters<'_>,
    task: Task,
    _: Defaults,
) -> Result<Box<dyn Method>, ParameterError> {
    let early_stopping_rounds =
        parameters.optional_integer("early_stopping_rounds", 1..=1_000_000)?;
    let boosting = Boosting {
        n_estimators: parameters.integer("n_estimators", 100, 1..=100_000)?,
        learning_rate: parameters.number("learning_rate", 0.1, 1e-6..=1.0)?,
        limits: Limits {
            num_leaves: parameters.integer("num_leaves", 31, 2..=131_072)? as usize,
            max_depth: parameters.optional_integer("max_depth", 1..=u32::MAX)?,
            min_child_samples: parameters.integer("min_child_samples", 20, 0..=u32::MAX)? as usize,
            min_child_weight: parameters.number("min_child_weight", 1e-3, 0.0..=1e30)?,
            min_split_gain: parameters.number("min_split_gain", 0.0, 0.0..=1e30)?,
            reg_lambda: parameters.number("reg_lambda", 0.0, 0.0..=1e30)?,
            categories: Categories {
                max_cat_to_onehot: parameters.integer("max_cat_to_onehot", 4, 1..=256)? as usize,
                max_cat_threshold: parameters.integer("max_cat_threshold", 32, 1..=256)? as usize,
                cat_smooth: parameters.number("cat_smooth", 10.0, 0.0..=1e30)?,
                cat_l2: parameters.number("cat_l2", 10.0, 0.0..=1e30)?,
                min_data_per_group: parameters.integer("min_data_per_group", 100, 1..=u32::MAX)?
                    as usize,
            },
        },
        max_delta_step: parameters.number(
            "max_delta_step",
            match task {
                Task::Binary | Task::Multiclass => MAX_STEP_OF_CLASSES,
                Task::Regression => 0.0,
            },
            0.0..=1e30,
        )?,
        subsample: parameters.number("subsample", 1.0, 1e-3..=1.0)?,
        subsample_freq: parameters.integer("subsample_freq", 1, 0..=100_000)?,
        colsample_bytree: parameters.number("colsample_bytree", 1.0, 1e-3..=1.0)?,
        early_stopping_rounds,
        validation_fraction: parameters.number("validation_fraction", 0.1, 0.01..=0.5)?,
    };
    weigh(parameters, task, Box::new(boosting))
}

impl Method for Boosting {
    fn wants(&self) -> Wants {
        Wants {
            // Missing values have a bin of their own and go where they gain most.
            imputed: false,
            scaled: false,
            one_hot: false,
        }
    }

    fn weighted(&self) -> bool {
        true
    }

    fn fit(&self, training: Training<'_>) -> Result<Fitted, Cause> {
        let features = training.features;
        let bins = Bins::new(features, &mut Random::new(training.seed, BINNING));
        let mut run = Run {
            boosting: self,
            bins: &bins,
            objective: Objective::new(training.target, training.weights),
            grower: Grower::new(&bins, features.rows, self.limits),
            seed: training.seed,
            rows: (0..features.rows as u32).collect(),
            validation: Vec::new(),
            sample: Vec::new(),
        };
        let warnings = run.hold_out();
        let rounds = u64::from(self.n_estimators);
        let cells = training.cells() * run.objective.outputs as u64;
        let trees = run.rounds(training.progress.steps("rounds", rounds, cells));
        let total: f64 = run.grower.importance.iter().sum();
        Ok(Fitted {
            form: Form::Trees(trees),
            warnings,
            importance: (total > 0.0).then(|| {
                let gains = run.grower.importance.iter();
                gains.map(|gain| gain / total).collect()
            }),
        })
    }
}

/// A fit under way.
struct Run<'a> {
    boosting: &'a Boosting,
    bins: &'a Bins,
    objective: Objective<'a>,
    grower: Grower<'a>,
    seed: u64,
    /// Rows that trees are grown on, ascending.
    rows: Vec<u32>,
    /// Rows that tell when to stop.
    validation: Vec<u32>,
    /// Of `rows`, those of the current sample.
    sample: Vec<u32>,
}

impl Run<'_> {
    /// Sets rows aside that tell when to stop, where that is wanted.
    fn hold_out(&mut self) -> Vec<Warning> {
        if self.boosting.early_stopping_rounds.is_none() {
            return Vec::new();
        }
        let random = &mut Random::new(self.seed, VALIDATION);
        let share = 1.0 - self.boosting.validation_fraction;
        let (kept, validation) = draw(&self.rows, share, random);
        if kept.is_empty() || validation.is_empty() {
            return vec![Warning::new(
                "no_early_stopping",
                "too few rows to set some aside for early stopping; all trees are kept",
            )];
        }
        (self.rows, self.validation) = (kept, validation);
        Vec::new()
    }

    fn rounds(&mut self, mut steps: Steps<'_>) -> Trees {
        let outputs = self.objective.outputs;
        let base = self.objective.base.clone();
        let mut trees = Trees::new(self.objective.link(), Aggregate::Sum, base, 1);
        // The loss, and the trees that it takes.
        let mut best = (self.objective.loss(&self.validation), 0);
        let mut grown = Vec::new();
        let sampled = self.boosting.subsample < 1.0 && self.boosting.subsample_freq > 0;
        let chance = sampled || self.boosting.colsample_bytree < 1.0;
        for round in 0..self.boosting.n_estimators {
            let mut random = Random::new(self.seed, u64::from(round));
            if sampled && round % self.boosting.subsample_freq == 0 {
                (self.sample, _) = draw(&self.rows, self.boosting.subsample, &mut random);
            }
            let mut stumps = 0;
            for output in 0..outputs {
                let used = self.columns(&mut random);
                let nodes = self.add_tree(output, &used, sampled);
                stumps += usize::from(nodes.len() == 1);
                grown.push((output as u32, nodes));
            }
            steps.step();
            if stumps == outputs && !chance {
                // Nor would any tree after these tell rows apart.
                break;
            }
            if !self.validation.is_empty() {
                let loss = self.objective.loss(&self.validation);
                if loss < best.0 {
                    best = (loss, grown.len());
                }
                let since = (grown.len() - best.1) / outputs;
                let patience = self.boosting.early_stopping_rounds.unwrap_or(u32::MAX);
                if since >= patience as usize {
                    break;
                }
            }
        }
        if !self.validation.is_empty() {
            grown.truncate(best.1);
        }
        for (output, nodes) in grown {
            trees.push(output, &nodes);
        }
        trees
    }

    /// Grows a tree, adds it to the sums of all rows, and says its nodes.
    fn add_tree(&mut self, output: usize, used: &[bool], sampled: bool) -> Vec<crate::forms::Node> {
        let quantum = self.objective.differentiate(output);
        let rows = if sampled { &self.sample } else { &self.rows };
        let tree = self.grower.grow(Ground {
            rows,
            used,
            packed: &self.objective.packed,
            quantum,
        });
        let values = self.values(&tree, quantum);
        let sums = self.objective.sums(output);
        for (leaf, value) in tree.leaves.iter().zip(&values) {
            let value = *value as f32;
            for row in self.grower.rows_of(leaf) {
                sums[*row as usize] += value;
            }
        }
        // What the tree was not grown on goes down it.
        let mut walk = |row: u32| sums[row as usize] += values[tree.leaf_of(self.bins, row)] as f32;
        self.validation.iter().copied().for_each(&mut walk);
        if sampled {
            let mut sample = self.sample.iter().copied().peekable();
            for row in self.rows.iter().copied() {
                match sample.peek() == Some(&row) {
                    true => _ = sample.next(),
                    false => walk(row),
                }
            }
        }
        let unit = self.objective.unit;
        let values: Vec<f32> = values.iter().map(|value| (value * unit) as f32).collect();
        tree.nodes(self.bins, &values)
    }

    /// What each leaf says, shrunk. A tree without a split found nothing and says nothing, as in LightGBM.
    fn values(&self, tree: &Tree, quantum: Quantum) -> Vec<f64> {
        if tree.leaves.len() < 2 {
            return vec![0.0; tree.leaves.len()];
        }
        let Boosting {
            learning_rate,
            max_delta_step,
            ref limits,
            ..
        } = *self.boosting;
        let bound = match max_delta_step {
            0.0 => f64::INFINITY,
            // Sums are in units of the target.
            bound => bound / self.objective.unit,
        };
        let leaves = tree.leaves.iter();
        leaves
            .map(|leaf| {
                let step = self.objective.step(leaf.sums, quantum, limits.reg_lambda);
                learning_rate * step.clamp(-bound, bound)
            })
            .collect()
    }

    /// Which columns the next tree may split by.
    fn columns(&self, random: &mut Random) -> Vec<bool> {
        let columns = self.bins.columns.len();
        let wanted = (self.boosting.colsample_bytree * columns as f64).round() as usize;
        let wanted = wanted.clamp(1, columns.max(1));
        let mut used = vec![wanted == columns; columns];
        if wanted < columns {
            let mut order: Vec<usize> = (0..columns).collect();
            random.shuffle(&mut order);
            for column in &order[..wanted] {
                used[*column] = true;
            }
        }
        used
    }
}

/// A share of `rows`, at least one, and the others, both in order.
fn draw(rows: &[u32], share: f64, random: &mut Random) -> (Vec<u32>, Vec<u32>) {
    let mut wanted = ((share * rows.len() as f64).round() as usize).max(1);
    let (mut taken, mut others) = (Vec::with_capacity(wanted), Vec::new());
    for (passed, row) in rows.iter().enumerate() {
        // Each row is taken with the chance that fills what is still wanted.
        if (random.below((rows.len() - passed) as u32) as usize) < wanted {
            taken.push(*row);
            wanted -= 1;
        } else {
            others.push(*row);
        }
    }
    (taken, others)
}
