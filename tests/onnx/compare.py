"""Runs every model.onnx below a folder in onnxruntime and compares it with what the module says of the same rows.

Usage: compare.py FOLDER. Each folder in it is a case: `model.onnx`, `metrics.json`, and files `*.rows.json` in the form of check.json.
Prints a line for each case; ends with status 1 when one differs.
"""

import json
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime

# As in the runner's parity gate.
TOLERANCE = 1e-5


def feeds(rows, session):
    """The columns as the graph takes them: missing text is empty, missing numbers are NaN."""
    given = {}
    types = {value.name: np.float64 if value.type == "tensor(double)" else np.float32 for value in session.get_inputs()}
    for column in rows["columns"]:
        (kind, values), = column["values"].items()
        if kind == "text":
            values = np.array(["" if value is None else value for value in values], dtype=object)
        else:
            values = np.array([np.nan if value is None else value for value in values], dtype=types.get(column["name"]))
        given[column["name"]] = values.reshape(-1, 1)
    names = [value.name for value in session.get_inputs()]
    if sorted(names) != sorted(given):
        raise ValueError(f"the graph takes {names}, the rows have {sorted(given)}")
    return given


def check_file(path):
    """The file is sound, of versions and operators that others read, and says what it holds."""
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    versions = {one.domain: one.version for one in model.opset_import}
    if versions[""] > 17 or versions["ai.onnx.ml"] > 3:
        raise ValueError(f"operator sets {versions}")
    metadata = {one.key: one.value for one in model.metadata_props}
    schema = json.loads(metadata["schema"])
    if [one["name"] for one in schema["inputs"]] != [one.name for one in model.graph.input]:
        raise ValueError("the schema names other inputs than the graph")
    if schema["outputs"] != [one.name for one in model.graph.output]:
        raise ValueError("the schema names other outputs than the graph")
    return metadata


def compare_classes(rows, outputs, classes):
    labels, probabilities = outputs
    expected = np.array(rows["probabilities"], dtype=np.float64)
    off = np.abs(probabilities.astype(np.float64) - expected)
    # NaN compares as false: it is a mismatch.
    wrong = ~(off <= TOLERANCE).all(axis=1)
    ordered = np.sort(expected, axis=1)
    tie = ordered[:, -1] - ordered[:, -2] <= TOLERANCE
    wrong |= ~tie & (labels != np.array(rows["labels"], dtype=object))
    if set(labels) - set(classes):
        raise ValueError(f"labels {set(labels)} of classes {classes}")
    return wrong, np.nanmax(off), int(tie.sum())


def compare_numbers(rows, outputs, deviation):
    expected = np.array(rows["predictions"], dtype=np.float64)
    off = np.abs(outputs[0].reshape(-1).astype(np.float64) - expected)
    # What is told in double precision differs by little beside its size.
    size = np.abs(expected - expected.mean() if outputs[0].dtype == np.float64 else expected)
    off /= np.maximum(size, deviation)
    return ~(off <= TOLERANCE), np.nanmax(off), 0


def compare(case):
    metadata = check_file(case / "model.onnx")
    metrics = json.loads((case / "metrics.json").read_text())
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(case / "model.onnx", options, providers=["CPUExecutionProvider"])
    said = []
    for file in sorted(case.glob("*.rows.json")):
        rows = json.loads(file.read_text())
        given = feeds(rows, session)
        outputs = session.run(None, given)
        if metadata["task"] == "regression":
            wrong, worst, ties = compare_numbers(rows, outputs, metrics["baseline"]["rmse"])
        else:
            wrong, worst, ties = compare_classes(rows, outputs, json.loads(metadata["classes"]))
        said.append(f"{file.name.split('.')[0]} {len(wrong)} rows, worst {worst:.1e}, {ties} ties")
        for row in np.flatnonzero(wrong)[:3]:
            values = {name: column[row, 0] for name, column in given.items()}
            given_back = [output[row] for output in outputs]
            want = [rows[key][row] for key in ("labels", "probabilities", "predictions") if key in rows]
            raise ValueError(f"{file.name} row {row} ({wrong.sum()} differ, worst {worst:.1e}): {given_back}, not {want}: {values}")
    if not said:
        raise ValueError("no rows")
    return "; ".join(said)


def main():
    failed = False
    cases = sorted(path.parent for path in pathlib.Path(sys.argv[1]).glob("*/model.onnx"))
    for case in cases:
        try:
            print(f"{case.name}: {compare(case)}")
        except Exception as error:  # Whatever is wrong with one, the others are compared, too.
            failed = True
            print(f"{case.name}: DIFFERS: {type(error).__name__}: {error}")
    print(f"{len(cases)} models")
    sys.exit(failed or not cases)


if __name__ == "__main__":
    main()
