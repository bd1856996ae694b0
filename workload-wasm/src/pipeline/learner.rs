//! The learner and the gates, as specification and environment have them.

use contract::{Task, Warning};

use crate::environment::Environment;
use crate::learners::{Defaults, Learner, configure, default_algorithm};
use crate::specification::{Specification, SpecificationError};

pub(super) fn learner(
    specification: &Specification,
    environment: &Environment,
    task: Task,
) -> Result<Box<dyn Learner>, SpecificationError> {
    let algorithm = specification
        .algorithm
        .as_deref()
        .unwrap_or_else(|| default_algorithm(task));
    let mut params = specification.params.clone();
    for (name, setting) in [
        ("batch_size", environment.batch_size),
        ("epochs", environment.epochs),
    ] {
        // The learner takes what the specification does not say from the defaults.
        if setting.is_some_and(|setting| setting.flag) {
            params.remove(name);
        }
    }
    let defaults = Defaults {
        batch_size: environment.batch_size.map(|setting| setting.value),
        epochs: environment.epochs.map(|setting| setting.value),
    };
    Ok(configure(
        algorithm,
        specification.engine.as_deref(),
        task,
        &params,
        defaults,
    )?)
}

/// Flags that the learner has no use for.
pub(super) fn idle_flags(environment: &Environment, learner: &dyn Learner) -> Vec<Warning> {
    let parameters = learner.parameters();
    [
        ("batch_size", environment.batch_size),
        ("epochs", environment.epochs),
    ]
    .into_iter()
    .filter(|(name, setting)| {
        setting.is_some_and(|setting| setting.flag) && !parameters.contains_key(*name)
    })
    .map(|(name, _)| {
        let message = format!("{} has no use for {name}", learner.algorithm());
        Warning::new("idle_flag", message)
    })
    .collect()
}

/// Refuses gates on scores that the task does not have.
pub(super) fn check_gates(
    specification: &Specification,
    task: Task,
) -> Result<(), SpecificationError> {
    match specification
        .gate
        .thresholds
        .iter()
        .find(|threshold| !threshold.score.fits(task))
    {
        Some(threshold) => Err(SpecificationError::Unusable {
            line: threshold.line,
            key: format!("gate.{}", threshold.score.name),
            reason: if threshold.score.regression {
                "it is a score of numbers, and the target has classes".to_owned()
            } else {
                "it is a score of classes, and the target is a number".to_owned()
            },
            remedy: "use a score of this task, or set `task`".to_owned(),
        }),
        None => Ok(()),
    }
}
