"""The same rows and columns through scikit-learn (LightGBM for boosting)."""

import numpy as np
import pandas as pd
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

MOST_CATEGORIES = 20
SEEDS = 3


def features(rows, kinds):
    """The columns that our model has, with dates as days and their parts."""
    columns = {}
    for name, kind in kinds.items():
        values = rows[name]
        if kind == "category":
            columns[name] = values.map(lambda value: None if pd.isna(value) else str(value)).astype(object)
        elif kind in ("date", "timestamp"):
            times = pd.to_datetime(values, utc=True)
            columns[name] = (times - pd.Timestamp("1970-01-01", tz="UTC")) / pd.Timedelta("1D")
            parts = ["month", "day", "weekday"] + (["hour"] if kind == "timestamp" else [])
            columns |= {f"{name} {part}": getattr(times.dt, part).astype(float) for part in parts}
        elif kind == "boolean":
            words = {"true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0, "1": 1.0, "0": 0.0, "1.0": 1.0, "0.0": 0.0}
            columns[name] = values.map(lambda value: words.get(str(value).lower(), np.nan))
        else:
            columns[name] = pd.to_numeric(values, errors="coerce").astype(float)
    return pd.DataFrame(columns)


def _matrix(learner, columns):
    texts = [name for name in columns if not pd.api.types.is_numeric_dtype(columns[name])]
    numbers = [name for name in columns if name not in texts]
    steps = [("impute", SimpleImputer(strategy="median", add_indicator=True))]
    if learner == "linear":
        steps.append(("scale", StandardScaler()))
    one_hot = OneHotEncoder(max_categories=MOST_CATEGORIES + 1, handle_unknown="infrequent_if_exist")
    return ColumnTransformer([("numbers", Pipeline(steps), numbers), ("texts", one_hot, texts)], sparse_threshold=0)


def _model(learner, classes, seed):
    if learner == "linear":
        return LogisticRegression(max_iter=5000) if classes else LinearRegression()
    if learner == "random_forest":
        return (RandomForestClassifier if classes else RandomForestRegressor)(random_state=seed)
    return (LGBMClassifier if classes else LGBMRegressor)(n_jobs=1, verbose=-1, random_state=seed)


def _codes(columns, train):
    """Categories as codes, as LightGBM takes them: the most frequent of the training rows, and all others."""
    columns = columns.copy()
    coded = [name for name in columns if not pd.api.types.is_numeric_dtype(columns[name])]
    for name in coded:
        known = columns[name].iloc[train].value_counts().index[:MOST_CATEGORIES]
        code = {label: code for code, label in enumerate(known)}
        columns[name] = columns[name].map(
            lambda value: np.nan if value is None or pd.isna(value) else float(code.get(value, len(code))))
    return columns.to_numpy(float), [list(columns).index(name) for name in coded]


def predict(learner, columns, target, classes, train, test):
    """What each of some seeds predicts: classes' probabilities, in the order of the sorted labels, or values."""
    if learner == "gradient_boosting":
        matrix, coded = _codes(columns, train)
        more = {"categorical_feature": coded} if coded else {}
    else:
        matrix = columns
        more = {}
    part = (lambda rows: matrix[rows]) if isinstance(matrix, np.ndarray) else (lambda rows: matrix.iloc[rows])
    for seed in range(SEEDS if learner == "random_forest" else 1):
        model = _model(learner, classes, seed)
        if learner != "gradient_boosting":
            model = Pipeline([("features", _matrix(learner, columns)), ("model", model)])
        model.fit(part(train), target[train], **more)
        yield model.predict_proba(part(test)) if classes else model.predict(part(test))
