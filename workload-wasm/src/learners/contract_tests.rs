//! One suite for all learners: what every one of them promises, whatever engine fits it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use contract::Task;

use super::configure::{Entry, LEARNERS};
use super::*;
use crate::forms::Predictions;

const TASKS: [Task; 3] = [Task::Binary, Task::Multiclass, Task::Regression];

/// Runs `check` with every learner of every engine, for every task that it learns.
fn for_every_learner(check: impl Fn(&dyn Learner, Task)) {
    for Entry {
        algorithm,
        engine,
        tasks,
        ..
    } in LEARNERS
    {
        for task in TASKS.into_iter().filter(|task| tasks.hold(*task)) {
            let learner = configure(
                algorithm,
                Some(engine),
                task,
                &params(algorithm),
                Defaults::default(),
            )
            .unwrap();
            check(learner.as_ref(), task);
        }
    }
}

/// Defaults, but for shrinkage that is made for larger targets than the ones here.
fn params(algorithm: &str) -> toml::Table {
    match algorithm {
        "lasso" | "elastic_net" => "alpha = 0.01".parse().unwrap(),
        _ => toml::Table::new(),
    }
}

/// Numbers from a linear congruential generator, evenly spread over -1..1.
fn noise(seed: u64, rows: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    (0..rows)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            ((state >> 40) as f64 / f64::from(1_u32 << 23) - 1.0) as f32
        })
        .collect()
}

/// Raw columns: two numbers that matter (one with gaps), a category that matters, a number that does not.
fn raw(seed: u64, rows: usize) -> Vec<Feature> {
    let mut gaps = noise(seed + 1, rows);
    gaps.iter_mut()
        .step_by(10)
        .for_each(|value| *value = f32::NAN);
    let category = noise(seed + 2, rows)
        .iter()
        .map(|value| ((value + 1.0) * 1.5).floor().min(2.0))
        .collect();
    vec![
        number("x", noise(seed, rows)),
        number("gaps", gaps),
        Feature {
            name: "category".to_owned(),
            kind: Kind::Category { categories: 3 },
            values: category,
        },
        number("noise", noise(seed + 3, rows)),
    ]
}

fn number(name: &str, values: Vec<f32>) -> Feature {
    Feature {
        name: name.to_owned(),
        kind: Kind::Number,
        values,
    }
}

/// The columns as a learner wants them.
fn prepare(raw: &[Feature], wants: Wants) -> Features {
    let mut columns = Vec::new();
    for column in raw {
        match column.kind {
            Kind::Category { categories } if wants.one_hot => {
                for category in 0..categories {
                    let hot = column
                        .values
                        .iter()
                        .map(|value| f32::from(u8::from(*value == category as f32)))
                        .collect();
                    columns.push(number(&format!("{}={category}", column.name), hot));
                }
            }
            Kind::Category { .. } => columns.push(column.clone()),
            Kind::Number => columns.push(prepare_number(column, wants)),
        }
    }
    Features {
        rows: raw[0].values.len(),
        columns,
    }
}

fn prepare_number(column: &Feature, wants: Wants) -> Feature {
    let mut values: Vec<f64> = column.values.iter().copied().map(f64::from).collect();
    let present: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).collect();
    let mean = present.iter().sum::<f64>() / present.len() as f64;
    if wants.imputed {
        values
            .iter_mut()
            .filter(|value| value.is_nan())
            .for_each(|value| *value = mean);
    }
    if wants.scaled {
        let variance =
            present.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / present.len() as f64;
        let deviation = if variance > 0.0 { variance.sqrt() } else { 1.0 };
        values
            .iter_mut()
            .for_each(|value| *value = (*value - mean) / deviation);
    }
    number(
        &column.name,
        values.into_iter().map(|value| value as f32).collect(),
    )
}

/// A target that follows from the raw columns.
fn target(raw: &[Feature], task: Task) -> Target {
    let scores: Vec<f32> = (0..raw[0].values.len())
        .map(|row| {
            let gaps = raw[1].values[row];
            2.0 * raw[0].values[row] + if gaps.is_nan() { 0.0 } else { gaps } + raw[2].values[row]
        })
        .collect();
    let codes = |thresholds: &[f32]| {
        scores
            .iter()
            .map(|score| thresholds.iter().filter(|t| score > t).count() as u32)
            .collect()
    };
    match task {
        Task::Binary => Target::Classes {
            codes: codes(&[1.0]),
            classes: 2,
        },
        Task::Multiclass => Target::Classes {
            codes: codes(&[0.0, 1.5]),
            classes: 3,
        },
        Task::Regression => Target::Number(scores),
    }
}

/// `rows` of class 0, 1, 2, … in turn, or the numbers 0, 1, 2, ….
fn turns(task: Task, rows: usize) -> Target {
    let classes = match task {
        Task::Binary => 2,
        Task::Multiclass => 3,
        Task::Regression => return Target::Number((0..rows).map(|row| row as f32).collect()),
    };
    Target::Classes {
        codes: (0..rows).map(|row| (row % classes) as u32).collect(),
        classes,
    }
}

fn fit(learner: &dyn Learner, features: &Features, target: &Target) -> Fitted {
    learner
        .fit(Training {
            features,
            target,
            weights: None,
            seed: 42,
            progress: Progress::default(),
        })
        .unwrap()
}

/// The share of right labels, or R².
fn score(predictions: &Predictions, target: &Target) -> f64 {
    match (predictions, target) {
        (Predictions::Probabilities { values, classes }, Target::Classes { codes, .. }) => {
            let right = values
                .chunks_exact(*classes)
                .zip(codes)
                .filter(|(row, code)| row.iter().all(|share| *share <= row[**code as usize]));
            right.count() as f64 / codes.len() as f64
        }
        (Predictions::Values(values), Target::Number(actual)) => {
            let mean = actual.iter().map(|a| f64::from(*a)).sum::<f64>() / actual.len() as f64;
            let square = |a: f64| a * a;
            let errors: f64 = values
                .iter()
                .zip(actual)
                .map(|(p, a)| square(f64::from(*p) - f64::from(*a)))
                .sum();
            let spread: f64 = actual.iter().map(|a| square(f64::from(*a) - mean)).sum();
            1.0 - errors / spread
        }
        _ => panic!("predictions of another kind than the target"),
    }
}

/// Checks what holds for all predictions: as many as rows, finite, and shares that sum to 1.
fn assert_sound(predictions: &Predictions, rows: usize, who: &str) {
    match predictions {
        Predictions::Probabilities { values, classes } => {
            assert_eq!(values.len(), rows * classes, "{who}");
            for row in values.chunks_exact(*classes) {
                assert!(
                    row.iter().all(|p| (0.0..=1.0).contains(p)),
                    "{who}: {row:?}"
                );
                let sum: f32 = row.iter().sum();
                assert!((sum - 1.0).abs() < 1e-5, "{who}: {row:?}");
            }
        }
        Predictions::Values(values) => {
            assert_eq!(values.len(), rows, "{who}");
            assert!(values.iter().all(|value| value.is_finite()), "{who}");
        }
    }
}

fn who(learner: &dyn Learner, task: Task) -> String {
    format!(
        "{} of {} for {task:?}",
        learner.algorithm(),
        learner.engine()
    )
}

#[test]
fn every_learner_learns_what_it_is_shown() {
    for_every_learner(|learner, task| {
        let who = who(learner, task);
        let (train, test) = (raw(1, 600), raw(1000, 300));
        let fitted = fit(
            learner,
            &prepare(&train, learner.wants()),
            &target(&train, task),
        );
        let predictions = fitted.form.predict(&prepare(&test, learner.wants()));
        assert_sound(&predictions, 300, &who);
        let score = score(&predictions, &target(&test, task));
        assert!(score > 0.75, "{who}: {score}");
    });
}

#[test]
fn every_learner_repeats_itself_byte_for_byte() {
    for_every_learner(|learner, task| {
        let raw = raw(7, 200);
        let features = prepare(&raw, learner.wants());
        let target = target(&raw, task);
        let bytes = || serde_json::to_string(&fit(learner, &features, &target).form).unwrap();
        assert_eq!(bytes(), bytes(), "{}", who(learner, task));
    });
}

#[test]
fn every_form_predicts_from_model_json_what_it_predicted_when_fitted() {
    for_every_learner(|learner, task| {
        let raw = raw(11, 300);
        let features = prepare(&raw, learner.wants());
        let form = fit(learner, &features, &target(&raw, task)).form;
        let text = serde_json::to_string(&form).unwrap();
        let read: Form = serde_json::from_str(&text).unwrap();
        read.check(features.columns.len()).unwrap();
        assert_eq!(read, form, "{}", who(learner, task));
        assert_eq!(
            read.predict(&features),
            form.predict(&features),
            "{}",
            who(learner, task)
        );
    });
}

#[test]
fn every_learner_survives_one_feature() {
    for_every_learner(|learner, task| {
        let raw = [number("x", noise(3, 60))];
        let features = prepare(&raw, learner.wants());
        let fitted = fit(learner, &features, &turns(task, 60));
        assert_sound(&fitted.form.predict(&features), 60, &who(learner, task));
    });
}

#[test]
fn every_learner_survives_one_row_per_class() {
    for_every_learner(|learner, task| {
        let rows = if task == Task::Binary { 2 } else { 3 };
        let raw = raw(5, rows);
        let features = prepare(&raw, learner.wants());
        let fitted = fit(learner, &features, &turns(task, rows));
        assert_sound(&fitted.form.predict(&features), rows, &who(learner, task));
    });
}

#[test]
fn every_learner_survives_constant_features_and_a_constant_target() {
    for_every_learner(|learner, task| {
        let raw = [number("one", vec![1.0; 30]), number("zero", vec![0.0; 30])];
        let features = prepare(&raw, learner.wants());
        let target = match turns(task, 30) {
            Target::Number(values) => Target::Number(vec![7.5; values.len()]),
            classes @ Target::Classes { .. } => classes,
        };
        let predictions = fit(learner, &features, &target).form.predict(&features);
        assert_sound(&predictions, 30, &who(learner, task));
        if let Predictions::Values(values) = predictions {
            for value in values {
                assert!(
                    (value - 7.5).abs() < 1e-3,
                    "{}: {value}",
                    who(learner, task)
                );
            }
        }
    });
}

#[test]
fn every_learner_survives_values_near_the_ends_of_f32() {
    for_every_learner(|learner, task| {
        let mut large = noise(9, 60);
        large.iter_mut().for_each(|value| *value *= f32::MAX);
        let mut small = noise(10, 60);
        small
            .iter_mut()
            .for_each(|value| *value *= f32::MIN_POSITIVE);
        let mut ends = noise(11, 60);
        ends.iter_mut()
            .for_each(|value| *value = f32::MAX.copysign(*value));
        let raw = [
            number("large", large),
            number("small", small),
            number("ends", ends),
        ];
        let features = prepare(&raw, learner.wants());
        let fitted = fit(learner, &features, &turns(task, 60));
        assert_sound(&fitted.form.predict(&features), 60, &who(learner, task));
    });
}

#[test]
fn no_learner_takes_what_it_did_not_ask_for() {
    for_every_learner(|learner, task| {
        let target = turns(task, 30);
        let try_fit = |features: &Features, target: &Target| {
            learner
                .fit(Training {
                    features,
                    target,
                    weights: None,
                    seed: 1,
                    progress: Progress::default(),
                })
                .map_err(|error| error.cause)
                .err()
        };
        let who = who(learner, task);
        let none = Features {
            columns: Vec::new(),
            rows: 30,
        };
        assert_eq!(try_fit(&none, &target), Some(Cause::NoFeatures), "{who}");
        let infinite = Features {
            columns: vec![number("x", vec![f32::INFINITY; 30])],
            rows: 30,
        };
        let missing = Some(Cause::Missing {
            column: "x".to_owned(),
        });
        assert_eq!(try_fit(&infinite, &target), missing, "{who}");
        let features = prepare(&raw(1, 30), learner.wants());
        let unsuited = match target {
            Target::Classes { classes, .. } => Target::Classes {
                codes: vec![0; 30],
                classes,
            },
            Target::Number(_) => Target::Number(vec![f32::NAN; 30]),
        };
        let expected = match task {
            Task::Regression => Cause::Target,
            Task::Binary | Task::Multiclass => Cause::EmptyClass { class: 1 },
        };
        assert_eq!(try_fit(&features, &unsuited), Some(expected), "{who}");
    });
}

#[test]
fn the_docs_name_every_learner_engine_and_parameter() {
    let docs = include_str!("../../../docs/learners.md");
    for_every_learner(|learner, task| {
        let who = who(learner, task);
        let row = docs
            .lines()
            .find(|line| line.starts_with(&format!("| `{}` |", learner.algorithm())))
            .unwrap_or_else(|| panic!("{who} has no row"));
        assert!(row.contains(learner.engine()), "{who}: {row}");
        for parameter in learner.parameters().keys() {
            assert!(
                docs.contains(&format!("`{parameter}`")),
                "{who}: {parameter}"
            );
        }
    });
}

#[test]
fn a_name_that_is_not_known_is_answered_with_the_nearest() {
    let refusal = |algorithm: &str, engine: Option<&str>, task: Task, params: &str| {
        let params = params.parse().unwrap();
        match configure(algorithm, engine, task, &params, Defaults::default()) {
            Ok(learner) => panic!("{} was accepted", learner.algorithm()),
            Err(error) => error.to_string(),
        }
    };
    let message = refusal("random_forrest", None, Task::Binary, "");
    assert!(
        message.contains("did you mean `random_forest`?"),
        "{message}"
    );
    let message = refusal("lasso", None, Task::Binary, "");
    assert!(
        message.starts_with("`lasso` learns numbers only"),
        "{message}"
    );
    let message = refusal("knn", Some("smartcore"), Task::Binary, "");
    assert!(message.ends_with("it has: builtin"), "{message}");
    let message = refusal("svc", None, Task::Binary, "gama = 1.0");
    assert!(message.contains("did you mean `gamma`?"), "{message}");
}
