#!/usr/bin/env python3
"""Writes breast_cancer.csv, wine.csv and diabetes.csv beside this file, from scikit-learn's own package (pip install scikit-learn pandas).

The last column is the target, with names for classes. Values are written as scikit-learn holds them; diabetes unscaled.
"""

from pathlib import Path

import pandas
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

HERE = Path(__file__).parent


def write(name, bunch, target, labels=None):
    frame = bunch.frame.rename(columns={"target": target})
    frame.columns = [column.replace(" ", "_").replace("/", "_") for column in frame.columns]
    if labels is not None:
        frame[target] = [labels[code] for code in frame[target]]
    frame.to_csv(HERE / f"{name}.csv", index=False, lineterminator="\n")


cancer, wine = load_breast_cancer(as_frame=True), load_wine(as_frame=True)
write("breast_cancer", cancer, "diagnosis", cancer.target_names)
write("wine", wine, "cultivar", wine.target_names)
write("diabetes", load_diabetes(as_frame=True, scaled=False), "progression")
# The same table as wine.csv by another road: `pip install pyarrow` for this one.
pandas.read_csv(HERE / "wine.csv").to_parquet(HERE / "wine.parquet", compression="zstd", index=False)
