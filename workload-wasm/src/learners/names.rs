//! Which known name an unknown one was probably meant to be.

/// What other libraries call a learner or a parameter of ours.
#[rustfmt::skip] // A table, one of our names a line.
const SYNONYMS: &[(&str, &[&str])] = &[
    ("gradient_boosting", &["xgboost", "xgb", "lightgbm", "lgbm", "catboost", "gbdt", "gbm", "hist_gradient_boosting"]),
    ("random_forest", &["rf", "randomForest", "ranger"]),
    ("logistic_regression", &["logit", "glm"]),
    ("linear", &["ols", "lm", "linear_regression"]),
    ("mlp", &["neural_network", "nn"]),
    ("knn", &["k_neighbors", "nearest_neighbors"]),
    ("n_estimators", &["num_iterations", "num_boost_round", "num_trees", "max_iter", "iterations"]),
    ("num_leaves", &["max_leaf_nodes", "max_leaves"]),
    ("min_child_samples", &["min_data_in_leaf", "min_samples_leaf"]),
    ("min_child_weight", &["min_sum_hessian_in_leaf"]),
    ("reg_lambda", &["lambda_l2", "lambda", "l2_regularization", "l2_leaf_reg"]),
    ("min_split_gain", &["min_gain_to_split", "gamma"]),
    ("max_delta_step", &["max_tree_output", "max_leaf_output"]),
    ("learning_rate", &["eta", "shrinkage_rate"]),
    ("subsample", &["bagging_fraction"]),
    ("subsample_freq", &["bagging_freq"]),
    ("colsample_bytree", &["feature_fraction"]),
    ("early_stopping_rounds", &["early_stopping_round", "n_iter_no_change"]),
];

/// The known name that `name` was probably meant to be.
pub(super) fn nearest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    let similar = known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(name, candidate), *candidate))
        .filter(|(similarity, _)| *similarity > 0.7)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate);
    synonym(name, known).or(similar)
}

/// The known name of what others call `name`.
pub(super) fn synonym(name: &str, known: &[&'static str]) -> Option<&'static str> {
    SYNONYMS
        .iter()
        .find(|(ours, theirs)| known.contains(ours) && theirs.contains(&name))
        .map(|(ours, _)| *ours)
}
