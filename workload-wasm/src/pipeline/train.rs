use std::collections::BTreeMap;

use contract::{ErrorReport, Evaluation, Feature, FeatureKind, Gate, Metrics, Primary};

use super::PipelineError;
use super::files::{Outputs, specification};
use super::fit::{FittedModel, Recipe};
use super::prepare::{Prepared, prepare};
use crate::environment::{Environment, Setting};
use crate::evaluation::{
    Question, Score, baseline, evaluate, judge, permutation_importance, primary,
};
use crate::export::{Model, check, predictions_csv};
use crate::features::Input;
use crate::forms::Predictions;
use crate::learners::{Defaults, Learner, configure, default_algorithm};
use crate::log::Log;
use crate::specification::{Specification, SpecificationError};
use crate::split::folds;
use crate::table::{DataError, TargetValues, Type};

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
            row: None,
            column: None,
            remedy: Some(
                "give it more rows or better columns, try another algorithm, or lower [gate]"
                    .to_owned(),
            ),
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
    let mut prepared = prepare(environment, &specification, log)?;
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
    let fitted = recipe.fit(&prepared.parts.train)?;
    prepared.warnings.extend(fitted.warnings.iter().cloned());
    prepared
        .warnings
        .extend(idle_flags(environment, learner.as_ref()));
    let cross_validation = cross_validate(&recipe, &prepared, &specification)?;
    let model = model(&prepared, &fitted);
    let predictions = fitted.predict(&prepared.table, &prepared.parts.held_out);
    let mut metrics = Metrics {
        learner: Some(contract::Learner {
            algorithm: learner.algorithm().to_owned(),
            engine: learner.engine().to_owned(),
            parameters: learner.parameters(),
        }),
        seed: Some(seed),
        cross_validation,
        ..measure(&prepared, &specification, &fitted, &model, &predictions)?
    };
    let folds = metrics.cross_validation.as_ref();
    let mean = folds.and_then(|folds| folds.scores.get(&metrics.primary.name));
    metrics.primary.validation = metrics.primary.validation.or(mean.copied());
    describe(&metrics, log);
    write(environment, &prepared, &model, &predictions, &metrics)?;
    Ok(Trained { metrics })
}

fn check_gates(
    specification: &Specification,
    task: contract::Task,
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

fn learner(
    specification: &Specification,
    environment: &Environment,
    task: contract::Task,
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
fn idle_flags(environment: &Environment, learner: &dyn Learner) -> Vec<String> {
    let parameters = learner.parameters();
    [
        ("batch_size", environment.batch_size),
        ("epochs", environment.epochs),
    ]
    .into_iter()
    .filter(|(name, setting)| {
        setting.is_some_and(|setting| setting.flag) && !parameters.contains_key(*name)
    })
    .map(|(name, _)| format!("{} has no use for {name}", learner.algorithm()))
    .collect()
}

/// The mean of each score over the folds of the training rows.
fn cross_validate(
    recipe: &Recipe<'_>,
    prepared: &Prepared,
    specification: &Specification,
) -> Result<Option<Evaluation>, PipelineError> {
    if specification.split.folds == 0 {
        return Ok(None);
    }
    let train = &prepared.parts.train;
    let folds = folds(
        &prepared.table,
        train,
        &prepared.target,
        &specification.split,
    )?;
    let mut scores: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for fold in &folds {
        let rest: Vec<u32> = train
            .iter()
            .copied()
            .filter(|row| fold.binary_search(row).is_err())
            .collect();
        let fitted = recipe.fit(&rest)?;
        let predictions = fitted.predict(&prepared.table, fold);
        let evaluation = evaluate(
            prepared.target.model.task,
            &predictions,
            &prepared.target.select(fold),
        );
        for (name, value) in evaluation.scores {
            scores.entry(name).or_default().push(value);
        }
    }
    let means = scores
        .into_iter()
        .map(|(name, values)| (name, values.iter().sum::<f64>() / values.len() as f64))
        .collect();
    Ok(Some(Evaluation {
        scores: means,
        confusion: Vec::new(),
    }))
}

fn model(prepared: &Prepared, fitted: &FittedModel) -> Model {
    let inputs = prepared
        .table
        .columns
        .iter()
        .filter(|column| {
            fitted
                .encoders
                .iter()
                .any(|encoder| encoder.source.columns().contains(&column.name.as_str()))
        })
        .map(|column| Input {
            name: column.name.clone(),
            kind: column.kind,
        })
        .collect();
    Model {
        format: Model::FORMAT,
        target: prepared.target.model.clone(),
        inputs,
        features: fitted.encoders.clone(),
        model: fitted.form.clone(),
    }
}

/// Everything that is measured once the model is fitted.
fn measure(
    prepared: &Prepared,
    specification: &Specification,
    fitted: &FittedModel,
    model: &Model,
    predictions: &Predictions,
) -> Result<Metrics, PipelineError> {
    let target = &prepared.target;
    let task = target.model.task;
    let parts = &prepared.parts;
    let actual = target.select(&parts.held_out);
    let held_out = evaluate(task, predictions, &actual);
    let trivial = baseline(&target.select(&parts.train), parts.held_out.len());
    let trivial = evaluate(task, &trivial, &actual);
    let validation = (!parts.validation.is_empty()).then(|| {
        let predictions = fitted.predict(&prepared.table, &parts.validation);
        evaluate(task, &predictions, &target.select(&parts.validation))
    });
    let score = primary(task);
    let primary = primary_of(score, &held_out, validation.as_ref())?;
    let gates = judge(&specification.gate, &primary, &held_out, &trivial)?;
    let inputs: Vec<&str> = model
        .inputs
        .iter()
        .map(|input| input.name.as_str())
        .collect();
    let question = Question {
        table: &prepared.table,
        target,
        held_out: &parts.held_out,
        encoders: &model.features,
        form: &model.model,
        score,
    };
    let importance = if specification.importance > 0 {
        permutation_importance(
            question,
            &inputs,
            specification.importance,
            specification.split.seed,
        )
    } else {
        Vec::new()
    };
    Ok(Metrics {
        contract: contract::CONTRACT,
        task,
        target: Some(target.model.column.clone()),
        classes: target.model.classes.clone(),
        positive: target.model.positive().map(str::to_owned),
        learner: None,
        seed: None,
        rows: contract::Rows {
            read: prepared.read as u64,
            kept: prepared.kept as u64,
            train: parts.train.len() as u64,
            validation: parts.validation.len() as u64,
            held_out: parts.held_out.len() as u64,
        },
        features: features(model),
        left_out: prepared.left_out.clone(),
        held_out,
        baseline: trivial,
        validation,
        cross_validation: None,
        primary,
        gates,
        importance,
        warnings: prepared.warnings.clone(),
    })
}

fn primary_of(
    score: Score,
    held_out: &Evaluation,
    validation: Option<&Evaluation>,
) -> Result<Primary, DataError> {
    let value_of = |evaluation: &Evaluation| evaluation.scores.get(score.name).copied();
    Ok(Primary {
        name: score.name.to_owned(),
        higher_is_better: score.higher_is_better,
        held_out: value_of(held_out).ok_or_else(|| DataError::UndefinedScore {
            score: score.name.to_owned(),
        })?,
        validation: validation.and_then(value_of),
    })
}

fn features(model: &Model) -> Vec<Feature> {
    model
        .inputs
        .iter()
        .map(|input| Feature {
            name: input.name.clone(),
            kind: match input.kind {
                Type::Number => FeatureKind::Number,
                Type::Boolean => FeatureKind::Boolean,
                Type::Date => FeatureKind::Date,
                Type::Timestamp => FeatureKind::Timestamp,
                Type::Category => FeatureKind::Category,
            },
            encoded: model
                .features
                .iter()
                .filter(|encoder| encoder.source.columns().contains(&input.name.as_str()))
                .map(|encoder| encoder.encoding.width() as u32)
                .sum(),
        })
        .collect()
}

fn describe(metrics: &Metrics, log: &mut Log<'_>) {
    for warning in &metrics.warnings {
        log.say(format_args!("warning: {warning}"));
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
    format!(
        "{} is {:.4}, {} {:.4}: {}",
        gate.metric,
        gate.value,
        if gate.higher_is_better {
            "wanted at least"
        } else {
            "wanted at most"
        },
        gate.threshold,
        if gate.met { "met" } else { "not met" }
    )
}

fn write(
    environment: &Environment,
    prepared: &Prepared,
    model: &Model,
    predictions: &Predictions,
    metrics: &Metrics,
) -> Result<(), PipelineError> {
    let held_out = &prepared.parts.held_out;
    let folder = environment.resolve(contract::files::MODEL);
    let actual = actual(prepared, held_out);
    let csv = predictions_csv(held_out, Some(&actual), predictions, &model.target.classes);
    let mut outputs = Outputs::default();
    outputs.add(
        folder.join(contract::files::MODEL_JSON),
        model.to_json().map_err(|reason| PipelineError::Json {
            file: contract::files::MODEL_JSON,
            reason,
        })?,
    );
    outputs.add_json(&folder, contract::files::METRICS_JSON, metrics)?;
    outputs.add(
        environment.resolve(&environment.prediction_path),
        csv.into_bytes(),
    );
    outputs.add_json(
        &folder,
        contract::files::CHECK_JSON,
        &check(&prepared.table, model, held_out),
    )?;
    outputs.write()
}

/// The targets of rows as people write them.
fn actual(prepared: &Prepared, rows: &[u32]) -> Vec<String> {
    match &prepared.target.values {
        TargetValues::Classes(codes) => rows
            .iter()
            .map(|row| prepared.target.model.classes[codes[*row as usize] as usize].clone())
            .collect(),
        TargetValues::Numbers(values) => rows
            .iter()
            .map(|row| values[*row as usize].to_string())
            .collect(),
    }
}
