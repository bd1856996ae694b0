//! What is read from smartcore's models predicts what they predict: a new release that hides it elsewhere fails here.

#![allow(clippy::unwrap_used, clippy::panic)]

use ::smartcore::ensemble::random_forest_regressor::{
    RandomForestRegressor, RandomForestRegressorParameters,
};
use ::smartcore::linalg::basic::arrays::Array;
use ::smartcore::svm::Kernels;
use ::smartcore::svm::svr::{SVR, SVRParameters};
use ::smartcore::tree::decision_tree_classifier::DecisionTreeClassifier;
use ::smartcore::xgboost::{XGRegressor, XGRegressorParameters};
use contract::Task;

use super::{Matrix, matrix};
use crate::forms::Predictions;
use crate::learners::random::Random;
use crate::learners::{Defaults, Feature, Features, Kind, Progress, Target, Training, configure};

fn features() -> Features {
    let mut random = Random::new(5, 0);
    let columns = ["a", "b", "c"].map(|name| Feature {
        name: name.to_owned(),
        kind: Kind::Number,
        values: (0..120).map(|_| random.unit() as f32).collect(),
    });
    Features {
        columns: columns.to_vec(),
        rows: 120,
    }
}

fn numbers(features: &Features) -> Vec<f32> {
    let [a, b, c] = features.columns.as_slice() else {
        panic!("three columns");
    };
    (0..features.rows)
        .map(|row| a.values[row] * 3.0 + b.values[row] * c.values[row])
        .collect()
}

/// What the form of `algorithm` predicts of the rows that it was fitted on.
fn ours(algorithm: &str, params: &str, task: Task, target: &Target) -> Vec<f32> {
    let features = features();
    let params = params.parse().unwrap();
    let learner = configure(
        algorithm,
        Some("smartcore"),
        task,
        &params,
        Defaults::default(),
    );
    let training = Training {
        features: &features,
        target,
        weights: None,
        seed: 9,
        progress: Progress::default(),
    };
    match learner
        .unwrap()
        .fit(training)
        .unwrap()
        .form
        .predict(&features)
    {
        Predictions::Values(values) => values,
        Predictions::Probabilities { values, classes } => values
            .chunks_exact(classes)
            .map(|row| f32::from(u8::from(row[1] > row[0])))
            .collect(),
    }
}

fn assert_equal(ours: &[f32], theirs: &[f64]) {
    assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.iter().zip(theirs) {
        assert!((f64::from(*ours) - theirs).abs() < 1e-5, "{ours} {theirs}");
    }
}

fn doubles(values: &[f32]) -> Vec<f64> {
    values.iter().map(|value| f64::from(*value)).collect()
}

#[test]
fn a_forest_of_numbers_predicts_what_smartcore_predicts() {
    let features = features();
    let (x, y) = (matrix(&features).unwrap(), numbers(&features));
    let parameters = RandomForestRegressorParameters {
        n_trees: 20,
        m: Some(3),
        seed: 9,
        ..Default::default()
    };
    let theirs: RandomForestRegressor<f64, f64, Matrix, Vec<f64>> =
        RandomForestRegressor::fit(&x, &doubles(&y), parameters).unwrap();
    let ours = ours(
        "random_forest",
        "n_estimators = 20",
        Task::Regression,
        &Target::Number(y),
    );
    assert_equal(&ours, &theirs.predict(&x).unwrap());
}

#[test]
fn boosted_trees_predict_what_smartcore_predicts() {
    let features = features();
    let (x, y) = (matrix(&features).unwrap(), numbers(&features));
    let mean = doubles(&y).iter().sum::<f64>() / y.len() as f64;
    let parameters = XGRegressorParameters::default()
        .with_base_score(mean)
        .with_seed(9);
    let theirs: XGRegressor<f64, f64, Matrix, Vec<f64>> =
        XGRegressor::fit(&x, &doubles(&y), parameters).unwrap();
    let ours = ours("xgboost", "", Task::Regression, &Target::Number(y));
    assert_equal(&ours, &theirs.predict(&x).unwrap());
}

#[test]
fn a_tree_of_classes_labels_as_smartcore_labels() {
    let features = features();
    let x = matrix(&features).unwrap();
    let codes: Vec<u32> = numbers(&features)
        .iter()
        .map(|y| u32::from(*y > 1.8))
        .collect();
    let theirs: DecisionTreeClassifier<f64, u32, Matrix, Vec<u32>> =
        DecisionTreeClassifier::fit(&x, &codes, Default::default()).unwrap();
    let labels = theirs.predict(&x).unwrap();
    let target = Target::Classes { codes, classes: 2 };
    let ours = ours("decision_tree", "", Task::Binary, &target);
    assert_equal(
        &ours,
        &labels.iter().map(|l| f64::from(*l)).collect::<Vec<_>>(),
    );
}

#[test]
fn support_vectors_predict_what_smartcore_predicts() {
    let features = features();
    let (x, y) = (matrix(&features).unwrap(), numbers(&features));
    assert_eq!(x.shape(), (120, 3));
    let target = doubles(&y);
    let parameters = SVRParameters::default().with_kernel(Kernels::rbf().with_gamma(0.5));
    let theirs: SVR<'_, f64, Matrix, Vec<f64>> = SVR::fit(&x, &target, &parameters).unwrap();
    let ours = ours("svr", "gamma = 0.5", Task::Regression, &Target::Number(y));
    assert_equal(&ours, &theirs.predict(&x).unwrap());
}
