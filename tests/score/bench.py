"""Scoring beside Python: 100,000 rows x 20 columns through a forest of 100 trees, from CSV to CSV, and the model alone.

Usage: bench.py RUNNER [--rows N] [--repeat N] [--module WORKLOAD.WASM]

Rounds are interleaved, so that whatever else the machine does hits all alike. Wall seconds are shown with processor
seconds behind them, the least of the rounds. Python's side includes its imports and runs on one thread.
"""

import argparse
import json
import os
import pathlib
import resource
import struct
import subprocess
import sys
import tempfile
import time

import numpy as np

COLUMNS = [f"f{i}" for i in range(20)]

PEER = """
import sys
import pandas, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
frame = pandas.read_csv(sys.argv[2], dtype="float32")
inputs = {i.name: frame[[i.name]].to_numpy() for i in session.get_inputs()}
label, probabilities = session.run(None, inputs)
out = pandas.DataFrame(probabilities, columns=["p_0", "p_1"])
out.insert(0, "predicted", label)
out.insert(0, "row", range(1, len(out) + 1))
out["model"], out["model_version"] = "forest", "1"
out.to_csv(sys.argv[3], index=False)
"""


def forest(path, rng):
    """A forest of scikit-learn's as one graph, one input a column."""
    from onnx import TensorProto, helper, save
    from sklearn.ensemble import RandomForestClassifier

    x = rng.normal(size=(5_000, 20)).astype(np.float32)
    y = x[:, 0] + x[:, 1] * x[:, 2] + rng.normal(size=len(x)) > 0
    fitted = RandomForestClassifier(100, random_state=1, n_jobs=2).fit(x, y)
    nodes = {k: [] for k in ("treeids", "nodeids", "featureids", "modes", "values", "truenodeids", "falsenodeids")}
    leaves = {k: [] for k in ("treeids", "nodeids", "ids", "weights")}
    for tree, fit in enumerate(fitted.estimators_):
        t = fit.tree_
        for node in range(t.node_count):
            leaf = t.children_left[node] < 0
            threshold = np.float32(t.threshold[node])
            if threshold > t.threshold[node]:
                threshold = np.nextafter(threshold, np.float32(-np.inf))
            for key, value in zip(nodes, (tree, node, 0 if leaf else t.feature[node], "LEAF" if leaf else "BRANCH_LEQ",
                                          0.0 if leaf else threshold, 0 if leaf else t.children_left[node],
                                          0 if leaf else t.children_right[node])):
                nodes[key].append(value if key == "modes" else float(value) if key == "values" else int(value))
            if leaf:
                shares = t.value[node, 0] / t.value[node, 0].sum() / 100
                for output, share in enumerate(shares):
                    for key, value in zip(leaves, (tree, node, output, float(share))):
                        leaves[key].append(value)
    made = [helper.make_node("Concat", COLUMNS, ["x"], axis=1),
            helper.make_node("TreeEnsembleClassifier", ["x"], ["label", "probabilities"], domain="ai.onnx.ml",
                             classlabels_int64s=[0, 1], post_transform="NONE",
                             **{f"nodes_{k}": v for k, v in nodes.items()}, **{f"class_{k}": v for k, v in leaves.items()})]
    graph = helper.make_graph(
        made, "forest", [helper.make_tensor_value_info(c, TensorProto.FLOAT, [None, 1]) for c in COLUMNS],
        [helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
         helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2])])
    save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17),
                                                              helper.make_opsetid("ai.onnx.ml", 3)]), path)


def timed(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    subprocess.run(command, check=True)
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def alone(runner, model, x, block=1_000):
    """The scoring process by itself, its model loaded: blocks in over the pipe, scores out."""
    process = subprocess.Popen([runner, "score-aside", str(4 << 30)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    bytes_ = pathlib.Path(model).read_bytes()
    process.stdin.write(struct.pack("<QQ", len(bytes_), block) + bytes_)
    process.stdin.flush()
    assert process.stdout.read(1) == b"\1"
    process.stdout.read(struct.unpack("<I", process.stdout.read(4))[0])
    used = lambda: sum(map(int, pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(") ")[-1].split()[11:13]))
    before, started = used(), time.perf_counter()
    scores = []
    for start in range(0, len(x) - block + 1, block):
        process.stdin.write(np.ascontiguousarray(x[start:start + block].T).tobytes())
        process.stdin.flush()
        assert process.stdout.read(1) == b"\1"
        for _ in range(block):
            process.stdout.read(struct.unpack("<I", process.stdout.read(4))[0])
        scores.append(np.frombuffer(process.stdout.read(block * 2 * 4), np.float32))
    wall, cpu = time.perf_counter() - started, (used() - before) / os.sysconf("SC_CLK_TCK")
    process.stdin.close()
    process.wait()
    return (wall, cpu), np.concatenate(scores).reshape(-1, 2)


def peer_alone(model, x):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    inputs = {c: np.ascontiguousarray(x[:, [i]]) for i, c in enumerate(COLUMNS)}
    started, cpu = time.perf_counter(), time.process_time()
    scores = session.run(["probabilities"], inputs)[0]
    return (time.perf_counter() - started, time.process_time() - cpu), scores


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runner", type=os.path.abspath)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--module", type=os.path.abspath, help="also by a model that this module trains")
    args = parser.parse_args()
    rng = np.random.default_rng(3)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        model, rows, peer = str(folder / "forest.onnx"), str(folder / "rows.csv"), str(folder / "peer.py")
        forest(model, rng)
        x = rng.normal(size=(args.rows, 20)).astype(np.float32)
        np.savetxt(rows, x, delimiter=",", header=",".join(COLUMNS), comments="", fmt="%.6g")
        x = np.loadtxt(rows, delimiter=",", skiprows=1, dtype=np.float32)
        pathlib.Path(peer).write_text(PEER)
        predict = lambda reference, out: [args.runner, "predict", reference, "--data", rows, "--out", str(folder / out), "-q"]
        contenders = {"pandas + onnxruntime": [sys.executable, peer, model, rows, str(folder / "peer.csv")],
                      "runner predict (onnx)": predict(model, "ours.csv")}
        if args.module:
            train = folder / "train.csv"
            y = (x[:5_000, 0] + x[:5_000, 1] * x[:5_000, 2] > 0).astype(int)
            np.savetxt(train, np.column_stack([x[:5_000], y]), delimiter=",", header=",".join([*COLUMNS, "y"]), comments="",
                       fmt="%.6g")
            (folder / "p.toml").write_text('target = "y"\nalgorithm = "random_forest"\n[params]\nn_estimators = 100\n')
            done = subprocess.run([args.runner, "run", args.module, "--data", train, "--spec", folder / "p.toml", "--json", "-q",
                                   "--out", folder / "models"], check=True, capture_output=True)
            contenders["runner predict (module)"] = predict(json.loads(done.stdout)["location"], "module.csv")
        best = {}
        for _ in range(args.repeat):
            for name, command in contenders.items():
                best[name] = min(best.get(name, (9e9, 0)), timed(command))
            for name, (took, scores) in {"onnxruntime alone": peer_alone(model, x),
                                         "runner's tract alone": alone(args.runner, model, x)}.items():
                best[name] = min(best.get(name, (9e9, 0)), took)
                if name == "onnxruntime alone":
                    expected = scores
        print(f"largest difference {np.abs(scores - expected[:len(scores)]).max():.1e}")
        for name, (wall, cpu) in best.items():
            print(f"{name:<26}{wall:8.3f} s{cpu:8.3f} s cpu")


if __name__ == "__main__":
    main()
