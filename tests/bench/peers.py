"""What people use in our place, each run as a process of its own. Prints one JSON object: seconds of the fit, score.

    python peers.py sample DATA.json FOLDER TREES SEED     the sample pipeline: data to stored model
    python peers.py table DATA.csv FOLDER                  logistic regression on a table: data to stored model
    python peers.py fit LEARNER TRAIN.npy TEST.npy SEED    a fit alone
    python peers.py read DATA.csv                          pandas alone
    python peers.py score TEST.npy PREDICTIONS…            the scores of predictions of ours
"""

import json
import sys
import time
from pathlib import Path


def store(folder, model, scores, predictions):
    """Model, metrics and held-out predictions in a folder that appears as a whole."""
    import joblib

    folder = Path(folder)
    hidden = folder.with_name(f".{folder.name}")
    hidden.mkdir(parents=True)
    joblib.dump(model, hidden / "model.joblib")
    (hidden / "metrics.json").write_text(json.dumps(scores, indent=1), encoding="utf-8")
    predictions.to_csv(hidden / "predictions.csv", index_label="row")
    hidden.rename(folder)


def scores_of(actual, probabilities):
    from sklearn import metrics

    labels = (probabilities >= 0.5).astype(int)
    return {
        "roc_auc": metrics.roc_auc_score(actual, probabilities),
        "pr_auc": metrics.average_precision_score(actual, probabilities),
        "log_loss": metrics.log_loss(actual, probabilities),
        "brier": metrics.brier_score_loss(actual, probabilities),
        "accuracy": metrics.accuracy_score(actual, labels),
        "balanced_accuracy": metrics.balanced_accuracy_score(actual, labels),
        "precision": metrics.precision_score(actual, labels),
        "recall": metrics.recall_score(actual, labels),
        "f1": metrics.f1_score(actual, labels),
        "confusion": metrics.confusion_matrix(actual, labels).tolist(),
    }


def fit_and_store(model, x_train, y_train, x_test, y_test, folder):
    import pandas as pd

    start = time.perf_counter()
    model.fit(x_train, y_train)
    took = time.perf_counter() - start
    probabilities = model.predict_proba(x_test)[:, 1]
    scores = scores_of(y_test, probabilities)
    predictions = pd.DataFrame({"actual": y_test, "p": probabilities}, index=x_test.index)
    store(folder, model, scores, predictions)
    return {"fit": took, "score": scores["roc_auc"]}


def sample(data, folder, trees, seed):
    """tests/data/pipeline.toml in pandas and scikit-learn."""
    import pandas as pd
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    rows = pd.json_normalize(json.loads(Path(data).read_text(encoding="utf-8")))
    rows = rows[rows["IsClosed"]].reset_index(drop=True)
    closed = pd.to_datetime(rows["CloseDate"], utc=True)
    created = pd.to_datetime(rows["CreatedDate"], utc=True)
    rows["days_open"] = (closed - created).dt.total_seconds() / 86400
    rows["amount_per_employee"] = rows["Amount"] / rows["Account.NumberOfEmployees"].where(lambda count: count != 0)
    rows["day"] = (closed - pd.Timestamp(0, tz="UTC")).dt.days
    rows["month"], rows["day_of_month"], rows["weekday"] = closed.dt.month, closed.dt.day, closed.dt.day_of_week
    numbers = ["Amount", "PushCount", "Activities__c", "Account.NumberOfEmployees", "days_open", "amount_per_employee",
               "day", "month", "day_of_month", "weekday"]
    categories = ["Account.Industry", "OwnerId", "Type", "LeadSource", "Competitor__c"]
    encode = make_column_transformer(
        ("passthrough", numbers),  # trees take missing numbers
        (OneHotEncoder(max_categories=21, handle_unknown="infrequent_if_exist", sparse_output=False), categories),
    )
    order = closed.argsort(kind="stable")
    cut = len(rows) - round(0.2 * len(rows))
    train, test = order[:cut], order[cut:]
    won = rows["IsWon"].astype(int)
    forest = RandomForestClassifier(int(trees), min_samples_leaf=10, random_state=int(seed), n_jobs=1)
    model = make_pipeline(encode, forest)
    x = rows[numbers + categories]
    return fit_and_store(model, x.iloc[train], won.iloc[train], x.iloc[test], won.iloc[test], folder)


def table(data, folder):
    import pandas as pd
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import train_test_split
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows = pd.read_csv(data)
    x, y = rows.drop(columns="y"), rows["y"]
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.2, stratify=y, random_state=0)
    model = make_pipeline(StandardScaler(), LogisticRegression())
    return fit_and_store(model, x_train, y_train, x_test, y_test, folder)


def lightgbm(x, y, seed):
    import lightgbm

    parameters = {"objective": "binary", "num_leaves": 31, "learning_rate": 0.1, "seed": seed, "num_threads": 1,
                  "verbosity": -1, "deterministic": True, "force_row_wise": True}
    start = time.perf_counter()
    model = lightgbm.train(parameters, lightgbm.Dataset(x, y), num_boost_round=100)
    return time.perf_counter() - start, model.predict


def scikit(learner, x, y, seed):
    from sklearn import ensemble, linear_model, naive_bayes, neural_network, svm, tree

    model = {
        "random_forest": lambda: ensemble.RandomForestClassifier(50, random_state=seed),
        "extra_trees": lambda: ensemble.ExtraTreesClassifier(50, random_state=seed),
        "decision_tree": lambda: tree.DecisionTreeClassifier(min_samples_leaf=5, random_state=seed),
        "logistic_regression": linear_model.LogisticRegression,
        "linear": linear_model.LinearRegression,
        "ridge": linear_model.Ridge,
        "gaussian_nb": naive_bayes.GaussianNB,
        "svc": svm.SVC,
        "mlp": lambda: neural_network.MLPClassifier((32, 16), max_iter=10, random_state=seed),
    }[learner]()
    start = time.perf_counter()
    model.fit(x, y)
    took = time.perf_counter() - start
    if hasattr(model, "predict_proba"):
        return took, lambda rows: model.predict_proba(rows)[:, 1]
    return took, getattr(model, "decision_function", model.predict)


def read_bare(path):
    import numpy as np

    values = np.load(path)
    return np.ascontiguousarray(values[:, :-1]), values[:, -1]


def score(actual, predicted):
    """ROC AUC of two classes, R² of numbers."""
    from sklearn import metrics

    two_classes = set(actual[:1000]) <= {0, 1}
    return (metrics.roc_auc_score if two_classes else metrics.r2_score)(actual, predicted)


def fit(learner, train, test, seed):
    import warnings

    warnings.filterwarnings("ignore")  # the network is told to stop early
    (x, y), (x_test, actual) = read_bare(train), read_bare(test)
    seed = int(seed)
    took, predict = lightgbm(x, y, seed) if learner == "gradient_boosting" else scikit(learner, x, y, seed)
    return {"fit": took, "score": float(score(actual, predict(x_test)))}


def read(data):
    import pandas as pd

    start = time.perf_counter()
    rows = pd.read_csv(data)
    return {"fit": time.perf_counter() - start, "score": None, "rows": len(rows)}


def score_predictions(test, *predictions):
    """What `examples/fit.rs` prints: the fit's seconds, then a row of probabilities or a value for each row."""
    import numpy as np

    _, actual = read_bare(test)
    values = (np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2)[:, -1] for path in predictions)
    return [float(score(actual, each)) for each in values]


VERBS = {"sample": sample, "table": table, "fit": fit, "read": read, "score": score_predictions}

if __name__ == "__main__":
    print(json.dumps(VERBS[sys.argv[1]](*sys.argv[2:])))
