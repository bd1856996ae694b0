use std::collections::BTreeMap;

use contract::{ErrorReport, Gate, Importance, Metrics};

use super::PipelineError;
use super::files::{Outputs, specification};
use super::fit::{FittedModel, Recipe};
use super::learner::{check_gates, idle_flags, learner};
use super::measure::{cross_validate, measure};
use super::outputs::{model, write, write_onnx};
use super::prepare::prepare;
use super::too_good::too_good;
use crate::environment::{Environment, Setting};
use crate::learners::Progress;
use crate::log::Log;

/// What came of a training.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained {
    pub metrics: Metrics,
}

impl Trained {
    /// What `error.json` says when a gate was not met.
    #[must_use]
    pub fn missed_gates(&self) -> Option<ErrorReport> {
        let missed: Vec<String> = self
            .metrics
            .gates
            .iter()
            .filter(|gate| !gate.met)
            .map(describe_gate)
            .collect();
        (!missed.is_empty()).then(|| ErrorReport {
            message: format!("the model misses its gate: {}", missed.join("; ")),
            remedy: Some(
                "give it more rows or better columns, try another algorithm, or lower [gate]"
                    .to_owned(),
            ),
            ..ErrorReport::default()
        })
    }
}

/// Mode `train`: reads the dataset, fits features and model, tests them on held-out rows, and writes the contract's
/// files into `/model`. A model that misses a gate is written, too.
///
/// # Errors
/// When specification or data are bad, nothing can be fitted, or a file cannot be written. Then there is no model.
pub fn train(environment: &Environment, log: &mut Log<'_>) -> Result<Trained, PipelineError> {
    let specification = specification(environment)?;
    let prepared = prepare(environment, &specification, log)?;
    let task = prepared.target.model.task;
    check_gates(&specification, task)?;
    let learner = learner(&specification, environment, task)?;
    let seed = Setting::or_specified(environment.seed, specification.seed).unwrap_or(0);
    let recipe = Recipe {
        table: &prepared.table,
        target: &prepared.target,
        sources: &prepared.sources,
        max_categories: specification.features.max_categories as usize,
        learner: learner.as_ref(),
        seed,
    };
    log.say(format_args!(
        "fitting {} (engine {}, seed {seed})",
        learner.algorithm(),
        learner.engine()
    ));
    let hear = log.hearing();
    let mut fitted = recipe.fit(&prepared.parts.train, Progress::of("fitting", &hear))?;
    drop(hear);
    log.warn(std::mem::take(&mut fitted.warnings));
    for encoder in &mut fitted.encoders {
        encoder.expect_unknown(&prepared.table, &prepared.parts.held_out);
    }
    log.warn(idle_flags(environment, learner.as_ref()));
    let impurity_importance = impurity_importance(&fitted);
    let own_importance = fitted.importance.take();
    let folds = cross_validate(&recipe, &prepared, &specification, log)?;
    let model = model(&prepared, fitted, learner.as_ref());
    let predictions = model.predict(&prepared.table, &prepared.parts.held_out);
    let mut outputs = Outputs::default();
    let not_exported = write_onnx(environment, &prepared, &model, &predictions, &mut outputs)?;
    let (cross_validation, cross_validation_spread) = match folds {
        Some(folds) => (Some(folds.means), folds.spread),
        None => (None, BTreeMap::new()),
    };
    let mut metrics = Metrics {
        learner: Some(contract::Learner {
            algorithm: learner.algorithm().to_owned(),
            engine: learner.engine().to_owned(),
            parameters: learner.parameters(),
        }),
        seed: Some(seed),
        cross_validation,
        cross_validation_spread,
        impurity_importance,
        ..measure(
            &prepared,
            &specification,
            &model,
            own_importance.as_deref(),
            &predictions,
            log,
        )?
    };
    let folds = metrics.cross_validation.as_ref();
    let mean = folds.and_then(|folds| folds.scores.get(&metrics.primary.name));
    metrics.primary.validation = metrics.primary.validation.or(mean.copied());
    log.warn(too_good(&metrics, &prepared, &specification));
    metrics.set_warnings(log.warnings().to_vec());
    metrics.onnx_left_out = not_exported.map(|reason| reason.to_string());
    describe(&metrics, log);
    write(
        environment,
        &prepared,
        &model,
        &predictions,
        &metrics,
        outputs,
    )?;
    Ok(Trained { metrics })
}

/// Each feature's share of what the splits gained, largest first.
fn impurity_importance(fitted: &FittedModel) -> Vec<Importance> {
    let shares = fitted.importance.iter().flatten();
    let mut importance: Vec<Importance> = fitted
        .encoders
        .iter()
        .zip(shares)
        .map(|(encoder, share)| Importance {
            column: encoder.name.clone(),
            importance: *share,
        })
        .collect();
    importance.sort_by(|left, right| right.importance.total_cmp(&left.importance));
    importance
}

fn describe(metrics: &Metrics, log: &mut Log<'_>) {
    if let Some(reason) = &metrics.onnx_left_out {
        log.say(format_args!("no {}: {reason}", contract::files::MODEL_ONNX));
    }
    for (name, value) in &metrics.held_out.scores {
        let trivial = metrics
            .baseline
            .scores
            .get(name)
            .map_or(String::new(), |value| format!(" (baseline {value:.4})"));
        log.say(format_args!("held out: {name} {value:.4}{trivial}"));
    }
    for gate in &metrics.gates {
        log.say(format_args!("gate: {}", describe_gate(gate)));
    }
}

fn describe_gate(gate: &Gate) -> String {
    let (threshold, value) = gate.shown(4);
    format!(
        "{} is {value}, {} {threshold}: {}",
        gate.metric,
        if gate.higher_is_better {
            "wanted at least"
        } else {
            "wanted at most"
        },
        if gate.met { "met" } else { "not met" }
    )
}
