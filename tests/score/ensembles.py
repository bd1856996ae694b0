"""Tree ensembles of every mode with what onnxruntime says of them: one folder a case, with model.onnx, rows.csv and
expected.json (`labels`, `scores`). Usage: ensembles.py FOLDER"""

import itertools
import json
import pathlib
import sys

import numpy as np
import onnxruntime
from onnx import TensorProto, checker, helper, save

FEATURES, ROWS = 4, 1_203  # more than a block, and no multiple of it
rng = np.random.default_rng(7)


def trees(count, depth, outputs, modes, weights, leaves_of):
    """`count` full trees; `leaves_of(leaf)` are the outputs that a leaf gives weights to."""
    nodes = {k: [] for k in ("treeids", "nodeids", "featureids", "modes", "values", "truenodeids", "falsenodeids",
                             "missing_value_tracks_true")}
    given = {k: [] for k in ("treeids", "nodeids", "ids", "weights")}
    for tree in range(count):
        for node in range(2 ** (depth + 1) - 1):
            leaf = node >= 2**depth - 1
            entry = (tree, node, 0 if leaf else int(rng.integers(FEATURES)), "LEAF" if leaf else str(rng.choice(modes)),
                     0.0 if leaf else float(np.float32(rng.integers(-2, 3))), 0 if leaf else 2 * node + 1,
                     0 if leaf else 2 * node + 2, int(rng.integers(2)))
            for key, value in zip(nodes, entry):
                nodes[key].append(value)
            for output in leaves_of(node) if leaf else ():
                for key, value in zip(given, (tree, node, output, float(np.float32(weights())))):
                    given[key].append(value)
    return {f"nodes_{k}": v for k, v in nodes.items()}, given


def model(op, nodes, given, prefix, **attributes):
    outputs = ["label", "scores"] if op == "TreeEnsembleClassifier" else ["scores"]
    strings = "classlabels_strings" in attributes
    node = helper.make_node(op, ["x"], outputs, domain="ai.onnx.ml", **nodes,
                            **{f"{prefix}_{k}": v for k, v in given.items()}, **attributes)
    kinds = {"label": TensorProto.STRING if strings else TensorProto.INT64, "scores": TensorProto.FLOAT}
    shapes = {"label": [None], "scores": [None, None]}
    graph = helper.make_graph([node], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, FEATURES])],
                              [helper.make_tensor_value_info(o, kinds[o], shapes[o]) for o in outputs])
    made = helper.make_model(graph, ir_version=8,
                             opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)])
    checker.check_model(made)
    return made


def cases():
    every = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]
    transforms = ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"]
    both = lambda: rng.normal()
    above = lambda: rng.uniform(0, 0.2)
    for mode in every:
        yield f"mode-{mode}", "TreeEnsembleRegressor", trees(5, 3, 1, [mode], both, lambda _: [0]), {"n_targets": 1}
    for aggregate, targets, based in itertools.product(["SUM", "AVERAGE", "MIN", "MAX"], [1, 3], [False, True]):
        base = {"base_values": [0.5, -1.0, 2.0][:targets]} if based else {}
        leaves = lambda leaf: [0] if targets == 1 else ([leaf % 3] if leaf % 2 else [0, 1, 2])
        yield (f"regressor-{aggregate}-{targets}-{based}", "TreeEnsembleRegressor",
               trees(7, 3, targets, every, both, leaves), {"n_targets": targets, "aggregate_function": aggregate, **base})
    for transform, targets in itertools.product(transforms, [1, 3]):
        yield (f"regressor-{transform}-{targets}", "TreeEnsembleRegressor",
               trees(5, 3, targets, every, both, lambda _: range(targets)),
               {"n_targets": targets, "post_transform": transform})
    for transform, labels, based in itertools.product(transforms, ["int", "string"], [False, True]):
        names = {"classlabels_int64s": [3, 5, 9]} if labels == "int" else {"classlabels_strings": ["a", "b", "c"]}
        base = {"base_values": [0.1, -0.2, 0.3]} if based else {}
        yield (f"classifier-{transform}-{labels}-{based}", "TreeEnsembleClassifier",
               trees(6, 3, 3, every, both, lambda _: [0, 1, 2]), {**names, "post_transform": transform, **base})
    # Two classes: with the weights of both, or of one, which may be below 0 or not.
    for transform, of, sign, based in itertools.product(transforms, [[0, 1], [0], [1]], [both, above], [0, 1, 2]):
        base = {"base_values": [0.25, -0.125][:based]} if based else {}
        name = f"binary-{transform}-{''.join(map(str, of))}-{'both' if sign is both else 'above'}-{based}"
        yield (name, "TreeEnsembleClassifier", trees(6, 3, 2, every, sign, lambda _, of=of: of),
               {"classlabels_strings": ["no", "yes"], "post_transform": transform, **base})
    yield ("one-leaf", "TreeEnsembleRegressor", trees(3, 0, 1, every, both, lambda _: [0]), {"n_targets": 1})


def damaged():
    """Attributes that are spoilt after a model was made, and what is to be said of them."""
    def spoil(name, at, value):
        def change(attributes):
            attributes[name][at] = value
        return change

    yield "damaged-child", spoil("nodes_truenodeids", 0, 99), "node 99"
    yield "damaged-circle", spoil("nodes_truenodeids", 1, 0), "circles"
    yield "damaged-own-child", spoil("nodes_truenodeids", 0, 0), "circles"
    yield "damaged-two-parents", spoil("nodes_truenodeids", 0, 2), "child of two"
    yield "damaged-target", spoil("target_ids", 0, 5), "output 5"
    yield "damaged-leaf", spoil("target_nodeids", 0, 77), "node 77"
    yield "damaged-mode", spoil("nodes_modes", 0, "BRANCH_MAYBE"), "BRANCH_MAYBE"
    yield "damaged-feature", spoil("nodes_featureids", 0, 1_000_000), "read column"
    yield "damaged-length", lambda attributes: attributes["nodes_values"].pop(), "entries"


def main(folder):
    rows = rng.integers(-3, 4, (ROWS, FEATURES)).astype(np.float32)
    rows[rng.random(rows.shape) < 0.1] = np.nan
    rows[0] = [np.finfo(np.float32).max, np.finfo(np.float32).min, 1e-38, -1e-38]
    text = "a,b,c,d\n" + "".join(",".join("" if np.isnan(v) else repr(float(v)) for v in row) + "\n" for row in rows)
    for name, op, (nodes, given), attributes in cases():
        case = folder / name
        case.mkdir(parents=True)
        made = model(op, nodes, given, "class" if op == "TreeEnsembleClassifier" else "target", **attributes)
        save(made, case / "model.onnx")
        session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
        *labels, scores = session.run(None, {"x": rows})
        labels = [str(label) for label in labels[0]] if labels else []
        (case / "rows.csv").write_text(text)
        (case / "expected.json").write_text(json.dumps({"labels": labels, "scores": scores.tolist()}))
    for name, change, said in damaged():
        nodes, given = trees(2, 2, 1, ["BRANCH_LEQ"], rng.normal, lambda _: [0])
        attributes = {**nodes, **{f"target_{k}": v for k, v in given.items()}}
        change(attributes)
        case = folder / name
        case.mkdir(parents=True)
        save(model("TreeEnsembleRegressor", attributes, {}, "target", n_targets=1), case / "model.onnx")
        (case / "rows.csv").write_text(text)
        (case / "expected.json").write_text(json.dumps({"error": said}))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
