//! What gradient boosting promises beyond the contract that all learners keep.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use contract::Task;

use crate::forms::{Form, Predictions, Split, Trees};
use crate::learners::random::Random;
use crate::learners::{
    Defaults, Feature, Features, Fitted, Kind, Progress, Target, Training, configure,
};

fn number(values: Vec<f32>) -> Feature {
    Feature {
        name: "number".to_owned(),
        kind: Kind::Number,
        values,
    }
}

fn category(categories: u32, values: Vec<f32>) -> Feature {
    Feature {
        name: "category".to_owned(),
        kind: Kind::Category { categories },
        values,
    }
}

fn features(columns: Vec<Feature>) -> Features {
    Features {
        rows: columns[0].values.len(),
        columns,
    }
}

fn noise(seed: u64, rows: usize) -> Vec<f32> {
    let mut random = Random::new(seed, 0);
    (0..rows)
        .map(|_| random.unit() as f32 * 2.0 - 1.0)
        .collect()
}

fn fit_weighted(
    params: &str,
    features: &Features,
    target: &Target,
    weights: Option<&[f32]>,
) -> Fitted {
    let task = match target {
        Target::Classes { classes: 2, .. } => Task::Binary,
        Target::Classes { .. } => Task::Multiclass,
        Target::Number(_) => Task::Regression,
    };
    let params = params.parse().unwrap();
    let learner = configure(
        "gradient_boosting",
        None,
        task,
        &params,
        Defaults::default(),
    )
    .unwrap();
    learner
        .fit(Training {
            features,
            target,
            weights,
            seed: 1,
            progress: Progress::default(),
        })
        .unwrap()
}

fn fit(params: &str, features: &Features, target: &Target) -> Fitted {
    fit_weighted(params, features, target, None)
}

fn trees(fitted: &Fitted) -> &Trees {
    match &fitted.form {
        Form::Trees(trees) => trees,
        _ => panic!("no trees"),
    }
}

fn values(fitted: &Fitted, features: &Features) -> Vec<f32> {
    match fitted.form.predict(features) {
        Predictions::Values(values) => values,
        Predictions::Probabilities { values, .. } => values,
    }
}

fn leaves(trees: &Trees) -> usize {
    trees
        .split
        .iter()
        .filter(|split| **split == Split::Leaf)
        .count()
}

#[test]
fn a_tree_without_shrinkage_says_the_means_of_its_leaves() {
    // Two steps: the best two splits of the squared error are at the steps.
    let features = features(vec![number((0..100).map(|row| row as f32).collect())]);
    let step = |row: u32| match row {
        0..=39 => 1.0,
        40..=69 => 5.0,
        _ => -2.5,
    };
    let target = Target::Number((0..100).map(step).collect());
    let fitted = fit(
        "n_estimators = 1\nlearning_rate = 1.0\nnum_leaves = 3",
        &features,
        &target,
    );
    for (row, value) in (0..100).zip(values(&fitted, &features)) {
        assert!((value - step(row)).abs() < 1e-3, "{row}: {value}");
    }
    assert_eq!(trees(&fitted).threshold[..1], [69.5]);
    assert_eq!(fitted.importance, Some(vec![1.0]));
}

#[test]
fn l2_draws_leaves_to_the_base() {
    let features = features(vec![number(
        (0..100).map(|row| (row / 50) as f32).collect(),
    )]);
    let target = Target::Number((0..100).map(|row| (row / 50) as f32).collect());
    let fitted = fit(
        "n_estimators = 1\nlearning_rate = 1.0\nreg_lambda = 50.0",
        &features,
        &target,
    );
    // 50 rows and 50 of lambda: half of the way from 0.5.
    let said = values(&fitted, &features);
    assert!(
        (said[0] - 0.25).abs() < 1e-4 && (said[99] - 0.75).abs() < 1e-4,
        "{said:?}"
    );
}

#[test]
fn trees_grow_leaf_by_leaf_within_their_limits() {
    let features = features(vec![number(noise(1, 2000)), number(noise(2, 2000))]);
    let of = &features.columns;
    let target = Target::Number(
        (0..2000)
            .map(|row| (3.0 * of[0].values[row]).exp() + of[1].values[row])
            .collect(),
    );
    let one = |params: &str| {
        let fitted = fit(&format!("n_estimators = 1\n{params}"), &features, &target);
        leaves(trees(&fitted))
    };
    assert_eq!(one(""), 31);
    assert_eq!(one("num_leaves = 7"), 7);
    assert_eq!(one("max_depth = 3"), 8);
    assert_eq!(one("min_child_samples = 1001"), 1);
    assert_eq!(one("min_child_weight = 1001.0"), 1);
    assert_eq!(one("min_split_gain = 1e9"), 1);
}

#[test]
fn no_leaf_has_fewer_rows_than_asked_for_whatever_they_weigh_in_hessians() {
    let rows = 3000;
    let features = features(vec![number(noise(3, rows)), number(noise(4, rows))]);
    // Nearly all of a class, but for one side: Hessians differ by far.
    let codes = (0..rows)
        .map(|row| u32::from(features.columns[0].values[row] > 0.9 && row % 3 == 0))
        .collect();
    let target = Target::Classes { codes, classes: 2 };
    let fitted = fit(
        "n_estimators = 20\nmin_child_samples = 50",
        &features,
        &target,
    );
    let trees = trees(&fitted);
    let mut reached = vec![0; trees.values.len()];
    trees.visit(&features, |_, _, leaf| reached[leaf] += 1);
    assert!(trees.roots.len() > 1);
    assert!(reached.iter().all(|rows| *rows >= 50), "{reached:?}");
}

/// Groups of 24 rows; 25 groups in a row are of one of two classes, but for the first group: three of its rows are all that there are of a third.
fn rare(rows: usize) -> (Features, Target) {
    let group = |row: usize| row / 24;
    let codes = (0..rows).map(|row| match row {
        0..3 => 2,
        _ => group(row) as u32 / 25 % 2,
    });
    let target = Target::Classes {
        codes: codes.collect(),
        classes: 3,
    };
    let groups = (0..rows).map(|row| group(row) as f32).collect();
    (features(vec![number(groups)]), target)
}

#[test]
fn rare_classes_do_not_make_the_loss_grow() {
    let (features, target) = rare(6000);
    let Target::Classes { codes, .. } = &target else {
        panic!("classes")
    };
    let loss = |params: &str| {
        let said = values(&fit(params, &features, &target), &features);
        let rows = said.chunks_exact(3).zip(codes);
        let losses = rows.map(|(row, code)| -f64::from(row[*code as usize].max(1e-15)).ln());
        losses.sum::<f64>() / codes.len() as f64
    };
    let mut last = loss("n_estimators = 1");
    for trees in [10, 100] {
        let now = loss(&format!("n_estimators = {trees}"));
        assert!(now < last, "{trees}: {now}, {last} before");
        last = now;
    }
    // What LightGBM does: no bound.
    let unbounded = loss("n_estimators = 100\nmax_delta_step = 0");
    assert!(unbounded > 10.0 * last, "{unbounded} {last}");
}

#[test]
fn no_leaf_says_more_than_the_bound() {
    let training = features(vec![number((0..100).map(|row| row as f32).collect())]);
    let target = Target::Number((0..100).map(|row| (row / 50 * 100) as f32).collect());
    let fitted = fit(
        "n_estimators = 1\nlearning_rate = 0.5\nmax_delta_step = 20.0",
        &training,
        &target,
    );
    // 50 on both sides of the mean: cut to 20, and halved.
    let said = values(&fitted, &training);
    assert!((said[0] - 40.0).abs() < 1e-4 && (said[99] - 60.0).abs() < 1e-4);
}

#[test]
fn a_tree_that_finds_no_split_says_nothing() {
    let (features, target) = noisy(300, 2);
    let fitted = fit(
        "n_estimators = 3\nmin_child_samples = 400\nsubsample = 0.5",
        &features,
        &target,
    );
    let said = values(&fitted, &features);
    let Target::Classes { codes, .. } = &target else {
        panic!("classes")
    };
    let share = codes.iter().sum::<u32>() as f32 / 300.0;
    assert!((said[1] - share).abs() < 1e-6, "{} {share}", said[1]);
}

#[test]
fn missing_values_go_where_they_gain_most() {
    let mut column: Vec<f32> = (0..300).map(|row| (row % 100) as f32).collect();
    column
        .iter_mut()
        .step_by(3)
        .for_each(|value| *value = f32::NAN);
    for missing in [0.0, 10.0] {
        let target = column.iter().map(|value| match value.is_nan() {
            true => missing,
            false => f32::from(u8::from(*value >= 50.0)) * 10.0,
        });
        let target = Target::Number(target.collect());
        let features = features(vec![number(column.clone())]);
        let fitted = fit(
            "n_estimators = 1\nlearning_rate = 1.0\nnum_leaves = 2",
            &features,
            &target,
        );
        let Target::Number(target) = target else {
            panic!("numbers")
        };
        for (said, actual) in values(&fitted, &features).iter().zip(&target) {
            assert!((said - actual).abs() < 1e-3, "{said} {actual}");
        }
    }
}

#[test]
fn categories_are_split_by_sets_in_any_order() {
    // Which of 30 categories are high follows no order of their codes.
    let rows = 6000;
    let codes: Vec<f32> = (0..rows).map(|row| (row % 30) as f32).collect();
    let high = |code: f32| (code as u32 * 7 + 3) % 5 < 2;
    let target = Target::Number(
        codes
            .iter()
            .map(|c| f32::from(u8::from(high(*c))))
            .collect(),
    );
    let training = features(vec![category(31, codes)]);
    let params =
        "n_estimators = 1\nlearning_rate = 1.0\nnum_leaves = 2\ncat_l2 = 0.0\ncat_smooth = 0.0";
    let fitted = fit(params, &training, &target);
    let trees = trees(&fitted);
    assert_eq!(trees.category_sets.len(), 1);
    // Code 30 (all further values) was never shown: it counts as missing.
    assert_eq!(trees.category_sets[0].categories, 30);
    let asked = features(vec![category(
        31,
        (0..31).map(|code| code as f32).collect(),
    )]);
    let said = values(&fitted, &asked);
    for (code, value) in said.iter().enumerate().take(30) {
        let expected = f32::from(u8::from(high(code as f32)));
        assert!((value - expected).abs() < 1e-3, "{code}");
    }
    let unknown = features(vec![category(31, vec![f32::NAN])]);
    assert_eq!(said[30], values(&fitted, &unknown)[0]);
}

#[test]
fn one_of_few_categories_is_split_from_the_rest_and_missing_is_one_of_them() {
    let codes: Vec<f32> = (0..400)
        .map(|row| [0.0, 1.0, 2.0, f32::NAN][row % 4])
        .collect();
    for lone in [1.0, f32::NAN] {
        let hit = |code: f32| code == lone || (code.is_nan() && lone.is_nan());
        let target = Target::Number(codes.iter().map(|c| f32::from(u8::from(hit(*c)))).collect());
        let features = features(vec![category(3, codes.clone())]);
        let fitted = fit(
            "n_estimators = 1\nlearning_rate = 1.0\nnum_leaves = 2",
            &features,
            &target,
        );
        for (said, code) in values(&fitted, &features).iter().zip(&codes) {
            assert!(
                (said - f32::from(u8::from(hit(*code)))).abs() < 1e-3,
                "{code}: {said}"
            );
        }
    }
}

#[test]
fn more_categories_than_bins_share_one_with_the_missing() {
    let codes: Vec<f32> = (0..8000).map(|row| (row % 400) as f32).collect();
    let target = Target::Number(codes.iter().map(|code| code % 2.0).collect());
    let features = features(vec![category(401, codes)]);
    let fitted = fit("min_data_per_group = 1", &features, &target);
    let said = values(&fitted, &features);
    assert!(said.iter().all(|value| value.is_finite()));
    assert_eq!(said[300], said[399]);
    assert!(said[1] > said[0]);
}

/// Two columns and classes that follow from the first, with some noise.
fn noisy(rows: usize, classes: usize) -> (Features, Target) {
    let features = features(vec![number(noise(5, rows)), number(noise(6, rows))]);
    let chance = noise(7, rows);
    let codes = (0..rows)
        .map(|row| {
            let place = (features.columns[0].values[row] + 0.5 * chance[row] + 1.5) / 3.0;
            ((place * classes as f32) as u32).min(classes as u32 - 1)
        })
        .collect();
    (features, Target::Classes { codes, classes })
}

#[test]
fn it_stops_when_the_rows_set_aside_say_so() {
    for classes in [2, 3] {
        let (features, target) = noisy(1500, classes);
        let params = "n_estimators = 500\nlearning_rate = 0.3\nearly_stopping_rounds = 5";
        let fitted = fit(params, &features, &target);
        let outputs = if classes == 2 { 1 } else { classes };
        let rounds = trees(&fitted).roots.len() / outputs;
        assert_eq!(trees(&fitted).roots.len() % outputs, 0);
        assert!((1..200).contains(&rounds), "{rounds}");
        assert!(fitted.warnings.is_empty());
    }
    let two = features(vec![number(vec![0.0, 1.0])]);
    let target = Target::Classes {
        codes: vec![0, 1],
        classes: 2,
    };
    let fitted = fit("early_stopping_rounds = 5", &two, &target);
    assert_eq!(fitted.warnings.len(), 1, "{:?}", fitted.warnings);
}

#[test]
fn samples_of_rows_and_columns_follow_the_seed_and_change_the_trees() {
    let (features, target) = noisy(1000, 3);
    let whole = fit("n_estimators = 10", &features, &target).form;
    for params in [
        "subsample = 0.5",
        "colsample_bytree = 0.5",
        "subsample = 0.5\nsubsample_freq = 3",
    ] {
        let params = format!("n_estimators = 10\n{params}");
        let sampled = fit(&params, &features, &target);
        assert_ne!(sampled.form, whole, "{params}");
        assert_eq!(
            sampled.form,
            fit(&params, &features, &target).form,
            "{params}"
        );
    }
    // As in LightGBM: never drawn, so that all rows are there.
    let off = fit(
        "n_estimators = 10\nsubsample = 0.5\nsubsample_freq = 0",
        &features,
        &target,
    );
    assert_eq!(off.form, whole);
}

#[test]
fn a_row_that_weighs_twice_is_a_row_that_is_there_twice() {
    let (features, target) = noisy(400, 2);
    let Target::Classes { codes, classes } = &target else {
        panic!("classes")
    };
    let rows: Vec<usize> = (0..400)
        .chain((0..400).filter(|row| row % 4 == 0))
        .collect();
    let doubled = Features {
        rows: rows.len(),
        columns: features
            .columns
            .iter()
            .map(|column| number(rows.iter().map(|row| column.values[*row]).collect()))
            .collect(),
    };
    let target_of_doubled = Target::Classes {
        codes: rows.iter().map(|row| codes[*row]).collect(),
        classes: *classes,
    };
    let weights: Vec<f32> = (0..400)
        .map(|row| if row % 4 == 0 { 2.0 } else { 1.0 })
        .collect();
    // No limit that counts rows, and as many bins as values would be others: compare what they say.
    let params = "n_estimators = 5\nmin_child_samples = 1\nmin_child_weight = 20.0\nnum_leaves = 4";
    let one = values(
        &fit_weighted(params, &features, &target, Some(&weights)),
        &features,
    );
    let other = values(&fit(params, &doubled, &target_of_doubled), &features);
    let apart = one
        .iter()
        .zip(&other)
        .map(|(a, b)| f64::from((a - b).abs()))
        .sum::<f64>()
        / 800.0;
    assert!(apart < 0.01, "{apart}");
}

#[test]
fn balanced_classes_count_the_same() {
    for algorithm in [
        "gradient_boosting",
        "random_forest",
        "decision_tree",
        "extra_trees",
        "logistic_regression",
    ] {
        let features = features(vec![number(noise(8, 1000))]);
        // One in ten, and nothing tells which.
        let codes = (0..1000).map(|row| u32::from(row % 10 == 0)).collect();
        let target = Target::Classes { codes, classes: 2 };
        let mean = |params: &str| {
            let params = match algorithm {
                "gradient_boosting" => format!("n_estimators = 5\n{params}"),
                "logistic_regression" => params.to_owned(),
                _ => format!("max_depth = 1\n{params}"),
            };
            let learner = configure(
                algorithm,
                None,
                Task::Binary,
                &params.parse().unwrap(),
                Defaults::default(),
            )
            .unwrap();
            let fitted = learner.fit(Training {
                features: &features,
                target: &target,
                weights: None,
                seed: 1,
                progress: Progress::default(),
            });
            let said = values(&fitted.unwrap(), &features);
            said.iter().skip(1).step_by(2).sum::<f32>() / 1000.0
        };
        let cases = [
            ("", 0.1),
            ("class_weight = \"balanced\"", 0.5),
            ("class_weight = [1, 3]", 0.25),
        ];
        for (params, expected) in cases {
            let said = mean(params);
            assert!(
                (said - expected).abs() < 0.03,
                "{algorithm} {params}: {said}"
            );
        }
    }
}

#[test]
fn class_weights_are_one_a_class() {
    let (features, target) = noisy(100, 3);
    let params = "class_weight = [1.0, 2.0]".parse().unwrap();
    let learner = configure(
        "random_forest",
        None,
        Task::Multiclass,
        &params,
        Defaults::default(),
    );
    let refused = learner.unwrap().fit(Training {
        features: &features,
        target: &target,
        weights: None,
        seed: 1,
        progress: Progress::default(),
    });
    let message = refused.unwrap_err().to_string();
    assert!(
        message.contains("class_weight has 2 weights, and the target has 3 classes"),
        "{message}"
    );
    for params in [
        "class_weight = \"balance\"",
        "class_weight = [0, 0]",
        "class_weight = [-1, 1]",
    ] {
        let params = params.parse().unwrap();
        assert!(
            configure(
                "random_forest",
                None,
                Task::Binary,
                &params,
                Defaults::default()
            )
            .is_err()
        );
    }
}

#[test]
fn names_of_other_libraries_are_answered_with_ours() {
    let refusal = |algorithm: &str, params: &str| {
        let params = params.parse().unwrap();
        match configure(algorithm, None, Task::Binary, &params, Defaults::default()) {
            Ok(learner) => panic!("{} was accepted", learner.algorithm()),
            Err(error) => error.to_string(),
        }
    };
    for name in ["xgboost", "lightgbm", "catboost", "gbm"] {
        let message = refusal(name, "");
        assert!(
            message.contains("did you mean `gradient_boosting`?"),
            "{message}"
        );
    }
    for (name, ours) in [
        ("lambda_l2", "reg_lambda"),
        ("min_data_in_leaf", "min_child_samples"),
    ] {
        let message = refusal("gradient_boosting", &format!("{name} = 1"));
        assert!(
            message.contains(&format!("did you mean `{ours}`?")),
            "{message}"
        );
    }
}
