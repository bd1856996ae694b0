//! How good a fitted model is: everything in `metrics.json`.

use std::collections::BTreeMap;

use contract::{Evaluation, Feature, FeatureKind, Metrics, Primary, Warning};

use super::PipelineError;
use super::fit::Recipe;
use super::prepare::Prepared;
use crate::evaluation::{
    Importances, Question, Score, baseline, evaluate, judge, permutation_importance, primary,
};
use crate::export::Model;
use crate::forms::Predictions;
use crate::learners::Progress;
use crate::log::Log;
use crate::specification::Specification;
use crate::split::folds;
use crate::table::{DataError, Type};

/// The scores of the folds of the training rows.
#[derive(Default)]
pub(super) struct CrossValidation {
    pub means: Evaluation,
    /// The standard deviation of each score among the folds.
    pub spread: BTreeMap<String, f64>,
}

/// Mean, and standard deviation with one degree of freedom less; 0 for a single value.
fn mean_and_spread(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (count - 1.0).max(1.0)).sqrt())
}

/// Fits and scores every fold of the training rows.
pub(super) fn cross_validate(
    recipe: &Recipe<'_>,
    prepared: &Prepared,
    specification: &Specification,
    log: &mut Log<'_>,
) -> Result<Option<CrossValidation>, PipelineError> {
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
    for (number, fold) in (1..).zip(&folds) {
        let name = format!("fold {number} of {}", folds.len());
        let hear = log.hearing();
        let fitted = recipe.fit(&fold.train, Progress::of(&name, &hear))?;
        let predictions = fitted.predict(&prepared.table, &fold.test);
        let evaluation = evaluate(
            prepared.target.model.task,
            &predictions,
            &prepared.target.select(&fold.test),
        );
        for (name, value) in evaluation.scores {
            scores.entry(name).or_default().push(value);
        }
    }
    let mut summary = CrossValidation::default();
    for (name, values) in scores {
        let (mean, spread) = mean_and_spread(&values);
        summary.means.scores.insert(name.clone(), mean);
        summary.spread.insert(name, spread);
    }
    Ok(Some(summary))
}

/// Everything that is measured once the model is fitted.
pub(super) fn measure(
    prepared: &Prepared,
    specification: &Specification,
    model: &Model,
    own_importance: Option<&[f64]>,
    predictions: &Predictions,
    log: &mut Log<'_>,
) -> Result<Metrics, PipelineError> {
    let target = &prepared.target;
    let task = target.model.task;
    let parts = &prepared.parts;
    let actual = target.select(&parts.held_out);
    let held_out = evaluate(task, predictions, &actual);
    let trivial = baseline(&target.select(&parts.train), parts.held_out.len());
    let trivial = evaluate(task, &trivial, &actual);
    let validation = (!parts.validation.is_empty()).then(|| {
        let predictions = model.predict(&prepared.table, &parts.validation);
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
        own: own_importance,
        form: &model.model,
        score,
    };
    let importances = match specification.importance {
        0 => Importances::default(),
        repeats => permutation_importance(question, &inputs, repeats, specification.split.seed),
    };
    describe_effort(&importances, log);
    let directions = held_out.scores.keys().filter_map(|name| {
        let score = crate::evaluation::score(name)?;
        Some((name.clone(), score.higher_is_better))
    });
    let higher_is_better = directions.collect();
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
            duplicates: prepared.duplicates as u64,
        },
        features: features(model),
        left_out: prepared.left_out.clone(),
        held_out,
        baseline: trivial,
        validation,
        cross_validation: None,
        cross_validation_spread: BTreeMap::new(),
        primary,
        higher_is_better,
        gates,
        importance: importances.columns,
        impurity_importance: Vec::new(),
        onnx_left_out: None,
        warnings: Vec::new(),
        warning_details: Vec::new(),
    })
}

/// Says what the budget left out of the importances.
fn describe_effort(importances: &Importances, log: &mut Log<'_>) {
    let Some((asked, made)) = importances.efforts else {
        return;
    };
    if (made.rows, made.repeats) != (asked.rows, asked.repeats) {
        log.say(format_args!(
            "importance: columns are shuffled {} time(s) among {} held-out rows, not {} among {}: this model takes long to predict",
            made.repeats, made.rows, asked.repeats, asked.rows
        ));
    }
    if made.columns < asked.columns {
        let message = format!(
            "importance: only the {} columns {} were shuffled; the other {} would take long and have none (`importance = 0` leaves all out)",
            made.columns,
            match importances.ordered {
                true => "that matter most to the learner",
                false => "that come first in the data",
            },
            asked.columns - made.columns
        );
        log.warn([Warning::new("importance_left_out", message)]);
    }
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
