//! The list of learners, and the checks that hold for all of them.

use std::collections::BTreeMap;

use contract::Task;

use super::names::{nearest, synonym};
use super::parameters::Parameters;
use super::{
    Cause, FitError, Fitted, Kind, Learner, ParameterError, Target, Training, Wants, builtin,
    smartcore,
};

/// What the run says besides the specification's `[params]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Defaults {
    pub batch_size: Option<u32>,
    pub epochs: Option<u32>,
}

/// A method of fitting, as a learner's file makes it. What holds for all learners is checked around it.
pub(super) trait Method {
    fn wants(&self) -> Wants;
    /// Whether it takes row weights other than 1.
    fn weighted(&self) -> bool {
        false
    }
    fn fit(&self, training: Training<'_>) -> Result<Fitted, Cause>;
}

type Make = fn(&mut Parameters<'_>, Task, Defaults) -> Result<Box<dyn Method>, ParameterError>;

/// One learner of one engine.
pub(super) struct Entry {
    pub algorithm: &'static str,
    pub engine: &'static str,
    pub tasks: Tasks,
    make: Make,
}

impl Entry {
    const fn new(algorithm: &'static str, engine: &'static str, tasks: Tasks, make: Make) -> Self {
        Entry {
            algorithm,
            engine,
            tasks,
            make,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tasks {
    Classification,
    Regression,
    Both,
}

impl Tasks {
    pub fn hold(self, task: Task) -> bool {
        match task {
            Task::Binary | Task::Multiclass => self != Tasks::Regression,
            Task::Regression => self != Tasks::Classification,
        }
    }
}

/// Every learner. The first engine of a name is its default.
#[rustfmt::skip] // A table, one learner a line.
pub(super) const LEARNERS: &[Entry] = &[
    Entry::new("logistic_regression", "builtin", Tasks::Classification, builtin::logistic_regression::make),
    Entry::new("logistic_regression", "smartcore", Tasks::Classification, smartcore::logistic_regression::make),
    Entry::new("random_forest", "builtin", Tasks::Both, builtin::random_forest::make),
    Entry::new("random_forest", "smartcore", Tasks::Both, smartcore::random_forest::make),
    Entry::new("decision_tree", "builtin", Tasks::Both, builtin::decision_tree::make),
    Entry::new("decision_tree", "smartcore", Tasks::Both, smartcore::decision_tree::make),
    Entry::new("extra_trees", "builtin", Tasks::Both, builtin::extra_trees::make),
    Entry::new("extra_trees", "smartcore", Tasks::Regression, smartcore::extra_trees::make),
    Entry::new("gradient_boosting", "builtin", Tasks::Both, builtin::gradient_boosting::make),
    Entry::new("xgboost", "smartcore", Tasks::Regression, smartcore::xgboost::make),
    Entry::new("knn", "builtin", Tasks::Both, builtin::knn::make),
    Entry::new("gaussian_nb", "builtin", Tasks::Classification, builtin::gaussian_nb::make),
    Entry::new("svc", "builtin", Tasks::Classification, builtin::svc::make),
    Entry::new("svc", "smartcore", Tasks::Classification, smartcore::svc::make),
    Entry::new("svr", "builtin", Tasks::Regression, builtin::svr::make),
    Entry::new("svr", "smartcore", Tasks::Regression, smartcore::svr::make),
    Entry::new("mlp", "builtin", Tasks::Both, builtin::mlp::make),
    Entry::new("linear", "builtin", Tasks::Regression, builtin::linear::make),
    Entry::new("linear", "smartcore", Tasks::Regression, smartcore::linear::make),
    Entry::new("ridge", "builtin", Tasks::Regression, builtin::ridge::make),
    Entry::new("ridge", "smartcore", Tasks::Regression, smartcore::ridge::make),
    Entry::new("lasso", "smartcore", Tasks::Regression, smartcore::lasso::make),
    Entry::new("elastic_net", "smartcore", Tasks::Regression, smartcore::elastic_net::make),
];

/// Algorithm and engine of every learner, once for each task that it is for.
pub fn list() -> impl Iterator<Item = (&'static str, &'static str, Task)> {
    LEARNERS.iter().flat_map(|entry| {
        [Task::Binary, Task::Multiclass, Task::Regression]
            .into_iter()
            .filter(|task| entry.tasks.hold(*task))
            .map(|task| (entry.algorithm, entry.engine, task))
    })
}

/// The algorithm of a specification that names none.
#[must_use]
pub fn default_algorithm(task: Task) -> &'static str {
    match task {
        Task::Binary | Task::Multiclass | Task::Regression => "random_forest",
    }
}

/// Finds the learner and checks its parameters.
///
/// `algorithm` is a name in `docs/learners.md`, `engine` one of its engines (its first one when `None`), `params` the
/// specification's table of that name. `defaults` count where `params` says nothing, for learners that know them.
///
/// # Errors
/// When the algorithm, the engine or a parameter is unknown or out of range, or the algorithm is for another task.
pub fn configure(
    algorithm: &str,
    engine: Option<&str>,
    task: Task,
    params: &toml::Table,
    defaults: Defaults,
) -> Result<Box<dyn Learner>, ParameterError> {
    let entry = find(algorithm, engine, task)?;
    let mut parameters = Parameters::new(entry.algorithm, entry.engine, params);
    let method = (entry.make)(&mut parameters, task, defaults)?;
    Ok(Box::new(Configured {
        algorithm: entry.algorithm,
        engine: entry.engine,
        task,
        parameters: parameters.finish()?,
        method,
    }))
}

fn find(
    algorithm: &str,
    engine: Option<&str>,
    task: Task,
) -> Result<&'static Entry, ParameterError> {
    let mut known: Vec<&'static str> = LEARNERS
        .iter()
        .filter(|entry| entry.tasks.hold(task))
        .map(|entry| entry.algorithm)
        .collect();
    known.dedup();
    let named: Vec<&Entry> = LEARNERS
        .iter()
        .filter(|entry| entry.algorithm == algorithm)
        .collect();
    let Some(any) = named.first() else {
        return Err(ParameterError::UnknownAlgorithm {
            name: algorithm.to_owned(),
            nearest: nearest(algorithm, &known),
            known,
        });
    };
    let fitting: Vec<&Entry> = named
        .iter()
        .copied()
        .filter(|entry| entry.tasks.hold(task))
        .collect();
    let Some(first) = fitting.first() else {
        return Err(ParameterError::WrongTask {
            algorithm: any.algorithm,
            does: match any.tasks {
                Tasks::Classification => "classes",
                Tasks::Regression => "numbers",
                Tasks::Both => "classes and numbers",
            },
            nearest: synonym(any.algorithm, &known),
            known,
        });
    };
    match engine {
        None => Ok(first),
        Some(engine) => fitting
            .iter()
            .copied()
            .find(|entry| entry.engine == engine)
            .ok_or_else(|| {
                let known: Vec<&'static str> = fitting.iter().map(|entry| entry.engine).collect();
                ParameterError::UnknownEngine {
                    algorithm: first.algorithm,
                    engine: engine.to_owned(),
                    nearest: nearest(engine, &known),
                    known,
                }
            }),
    }
}

struct Configured {
    algorithm: &'static str,
    engine: &'static str,
    task: Task,
    parameters: BTreeMap<String, serde_json::Value>,
    method: Box<dyn Method>,
}

impl Learner for Configured {
    fn algorithm(&self) -> &'static str {
        self.algorithm
    }

    fn engine(&self) -> &'static str {
        self.engine
    }

    fn parameters(&self) -> BTreeMap<String, serde_json::Value> {
        self.parameters.clone()
    }

    fn wants(&self) -> Wants {
        self.method.wants()
    }

    fn fit(&self, training: Training<'_>) -> Result<Fitted, FitError> {
        self.checked_fit(training).map_err(|cause| FitError {
            algorithm: self.algorithm,
            engine: self.engine,
            cause,
        })
    }
}

impl Configured {
    fn checked_fit(&self, mut training: Training<'_>) -> Result<Fitted, Cause> {
        self.check_features(training)?;
        check_target(training.target, training.features.rows, self.task)?;
        if let Some(weights) = training.weights {
            check_weights(weights, training.features.rows)?;
            if weights.iter().all(|weight| *weight == 1.0) {
                training.weights = None;
            } else if !self.method.weighted() {
                return Err(Cause::Weights);
            }
        }
        let fitted = self.method.fit(training)?;
        fitted.form.check(training.features.columns.len())?;
        Ok(fitted)
    }

    fn check_features(&self, training: Training<'_>) -> Result<(), Cause> {
        let features = training.features;
        if features.rows == 0 {
            return Err(Cause::NoRows);
        }
        if features.columns.is_empty() {
            return Err(Cause::NoFeatures);
        }
        let wants = self.method.wants();
        for column in &features.columns {
            let name = || column.name.clone();
            if column.values.len() != features.rows {
                return Err(Cause::Lengths {
                    column: name(),
                    values: column.values.len(),
                    rows: features.rows,
                });
            }
            if wants.one_hot && column.kind != Kind::Number {
                return Err(Cause::Categories { column: name() });
            }
            let bad = |value: &f32| value.is_infinite() || (wants.imputed && value.is_nan());
            if column.values.iter().any(bad) {
                return Err(Cause::Missing { column: name() });
            }
        }
        Ok(())
    }
}

fn check_target(target: &Target, rows: usize, task: Task) -> Result<(), Cause> {
    let values = match target {
        Target::Classes { codes, .. } => codes.len(),
        Target::Number(values) => values.len(),
    };
    if values != rows {
        return Err(Cause::Lengths {
            column: "of the target".to_owned(),
            values,
            rows,
        });
    }
    match (target, task) {
        (Target::Number(values), Task::Regression) => {
            if values.iter().all(|value| value.is_finite()) {
                Ok(())
            } else {
                Err(Cause::Target)
            }
        }
        (Target::Classes { codes, classes }, Task::Binary | Task::Multiclass) => {
            let mut seen = vec![false; *classes];
            for code in codes {
                *seen.get_mut(*code as usize).ok_or(Cause::Target)? = true;
            }
            if *classes < 2 {
                return Err(Cause::OneClass);
            }
            match seen.iter().position(|seen| !seen) {
                None => Ok(()),
                Some(class) => Err(Cause::EmptyClass { class }),
            }
        }
        (Target::Number(_), Task::Binary | Task::Multiclass)
        | (Target::Classes { .. }, Task::Regression) => Err(Cause::Task),
    }
}

fn check_weights(weights: &[f32], rows: usize) -> Result<(), Cause> {
    if weights.len() != rows {
        return Err(Cause::Lengths {
            column: "of the weights".to_owned(),
            values: weights.len(),
            rows,
        });
    }
    let sound = weights
        .iter()
        .all(|weight| weight.is_finite() && *weight >= 0.0);
    if sound && weights.iter().any(|weight| *weight > 0.0) {
        Ok(())
    } else {
        Err(Cause::BadWeights)
    }
}
