"""Trains on public tables, beside scikit-learn on the very same rows.

    python tables.py --runner RUNNER --module MODULE [--all] [--only TEXT] [--json FILE]

Each table goes through `runner run` with three learners: `random_forest`, `gradient_boosting`, and `logistic_regression`
or `linear`. The peer gets the columns that the model has, is fitted on the rows that were not held out, and predicts the
held-out ones. The score is ROC AUC (two classes), accuracy (more), or R², of which all below 0 counts as 0: such a model
says less than the mean does. Of learners with luck in them both sides count by the median of three seeds where they
differ by much.

Writes a line for each table and learner, and ends with status 1 when

- a run ends with another status than 0, unless explained.toml says why it has to,
- a model and its ONNX form do not say the same,
- one score is worse by 0.1 and more, unless explained.toml says why, or
- the scores of a learner differ by more than 0.005 on average.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import tomllib
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import source
import theirs
from sklearn import metrics

LEARNERS = ("random_forest", "gradient_boosting", "linear")
SAMPLE = 200
# Of one score, and of a learner's mean.
WORSE, MEAN = 0.1, 0.005
TIMEOUT = 300


def run(options, table, learner, seed, folder):
    """The folder of the model and the exit status; None for a run that did not end."""
    algorithm = learner if learner != "linear" else "logistic_regression" if table.classes else "linear"
    specification = folder / "pipeline.toml"
    task = "classification" if table.classes else "regression"
    specification.write_text(
        f'target = {json.dumps(table.target)}\ntask = "{task}"\nalgorithm = "{algorithm}"\nseed = {seed}\n'
        "importance = 0\n\n[gate]\nbaseline = false\n", encoding="utf-8")
    out = folder / f"{learner}-{seed}"
    command = [options.runner, "run", options.module, "--data", folder / "table.csv", "--spec", specification, "--out", out,
               "--cache-dir", options.cache, "--quiet"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return None, f"did not end within {TIMEOUT} s", ""
    models = [path for path in out.glob("model_*") if path.is_dir()] if out.is_dir() else []
    return (models[0] if models else None), done.returncode, done.stderr.strip().splitlines()[:1]


def score(classes, actual, predicted):
    """Classes are codes of the sorted labels."""
    if not classes:
        return max(0.0, metrics.r2_score(actual, predicted))
    if predicted.shape[1] == 2:
        return metrics.roc_auc_score(actual, predicted[:, 1])
    return metrics.accuracy_score(actual, predicted.argmax(axis=1))


def peer(learner, table, columns, target, held_out):
    train = np.setdiff1d(np.arange(len(target)), held_out)
    predictions = theirs.predict(learner, columns, target, table.classes, train, held_out)
    return float(np.median([score(table.classes, target[held_out], predicted) for predicted in predictions]))


def compare(options, table, learner, folder):
    """One line of the report."""
    line = {"table": table.name, "rows": len(table.rows), "target": table.target, "learner": learner}
    start = time.monotonic()
    model, status, said = run(options, table, learner, 0, folder)
    line |= {"status": status, "seconds": round(time.monotonic() - start, 1)}
    if status != 0 or model is None:
        return line | {"said": said}
    manifest = json.loads((model / "manifest.json").read_text(encoding="utf-8"))
    line["parity"] = manifest.get("parity", {}).get("status", "none")
    held_out, ours = read(model, table)
    kinds = {feature["name"]: feature["kind"] for feature in manifest["metrics"]["features"]}
    target = table.rows[table.target]
    target = pd.Categorical(target.map(label)).codes.astype(int) if table.classes else target.to_numpy(float)
    line["ours"] = score(table.classes, target[held_out], ours)
    columns = theirs.features(table.rows, kinds)
    # The leakage guard judges each part of a date by itself.
    columns = columns.drop(columns=[out["column"] for out in manifest["metrics"]["left_out"]], errors="ignore")
    line["theirs"] = peer(learner, table, columns, target, held_out)
    if learner != "linear" and line["ours"] < line["theirs"] - WORSE:
        scores = [line["ours"]]
        for seed in (1, 2):
            again, _, _ = run(options, table, learner, seed, folder)
            if again is not None:
                rows, predicted = read(again, table)
                scores.append(score(table.classes, target[rows], predicted))
        line["ours"] = float(np.median(scores))
    return line | {"difference": line["ours"] - line["theirs"]}


def label(value):
    """A label as the runner writes it: whole numbers have no point."""
    if isinstance(value, (float, np.floating)) and value == int(value):
        return str(int(value))
    return str(value).lower() if isinstance(value, (bool, np.bool_)) else str(value)


def read(model, table):
    """The held-out rows, counted from 0, and what the model says of them."""
    predictions = pd.read_csv(model / "predictions.csv", dtype={"actual": str, "predicted": str}, keep_default_na=False)
    held_out = predictions["row"].to_numpy() - 1
    if not table.classes:
        return held_out, predictions["predicted"].to_numpy(float)
    labels = sorted(table.rows[table.target].map(label).unique())
    columns = {name[2:]: name for name in predictions.columns if name.startswith("p_")}
    by_lower = {name.lower(): column for name, column in columns.items()}
    return held_out, np.column_stack([predictions[columns.get(name) or by_lower[name.lower()]] for name in labels])


def compare_all(options, table):
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        table.rows.to_csv(folder / "table.csv", index=False)
        for learner in LEARNERS:
            try:
                yield compare(options, table, learner, folder)
            except Exception as error:  # A peer that cannot be fitted tells nothing of ours.
                yield {"table": table.name, "rows": len(table.rows), "target": table.target, "learner": learner,
                       "status": "no comparison", "said": f"{type(error).__name__}: {error}"[:200]}


def tables(options):
    wanted = [name for name in source.names() if options.only is None or options.only in name]
    most = len(wanted) if options.all or options.only else SAMPLE
    found = 0
    for name in wanted:
        if found == most:
            return
        table, _ = source.load(name)
        if table is not None:
            found += 1
            yield table


def judge(lines, explained):
    """What is wrong, a line each."""
    for line in lines:
        where = f"{line['table']} {line['learner']}"
        known = explained.get(line["table"], {}).get(line["learner"])
        if line["status"] != 0 and not known:
            yield f"{where}: {line['status']} {line.get('said', '')}"
        if line.get("parity") not in (None, "equal"):
            yield f"{where}: parity is {line['parity']}"
        if line.get("difference", 0.0) <= -WORSE and not known:
            yield f"{where}: {line['ours']:.3f}, and {line['theirs']:.3f} by its peer"
    for learner in LEARNERS:
        differences = [line["difference"] for line in lines if line["learner"] == learner and "difference" in line]
        if differences and abs(np.mean(differences)) > MEAN:
            yield f"{learner}: differs by {np.mean(differences):+.4f} on average"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runner", required=True)
    parser.add_argument("--module", required=True)
    parser.add_argument("--all", action="store_true", help="every table instead of a sample of 200")
    parser.add_argument("--only", help="tables whose name holds this")
    parser.add_argument("--json", help="also write the lines to this file")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    explained = tomllib.loads((Path(__file__).parent / "explained.toml").read_text(encoding="utf-8"))
    start = time.monotonic()
    lines = []
    with tempfile.TemporaryDirectory() as cache:
        options.cache = cache
        for table in tables(options):
            for line in compare_all(options, table):
                lines.append(line)
                scores = "".join(f" {line[name]:7.4f}" for name in ("ours", "theirs") if name in line)
                difference = f" {line['difference']:+.4f}" if "difference" in line else ""
                print(f"{line['table']:40} {line['rows']:5} {line['learner']:18} {line['status']}{scores}{difference} "
                      f"{line.get('parity', '')} {line.get('said', '')}".rstrip(), flush=True)
    print(f"\n{len({line['table'] for line in lines})} tables, {len(lines)} runs, {time.monotonic() - start:.0f} s")
    for learner in LEARNERS:
        differences = [line["difference"] for line in lines if line["learner"] == learner and "difference" in line]
        if differences:
            print(f"{learner:18} {len(differences):4} compared, mean difference {np.mean(differences):+.4f}, "
                  f"median {np.median(differences):+.4f}, worst {min(differences):+.4f}, best {max(differences):+.4f}")
    if options.json:
        Path(options.json).write_text(json.dumps(lines, indent=1, default=str) + "\n", encoding="utf-8")
    wrong = list(judge(lines, explained))
    print("\n".join(["", *wrong]) if wrong else "all within their bounds")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
