"""Measures the runner beside its peers, in one run and on one core, and writes docs/performance.md.

    python bench.py --runner RUNNER --module WORKLOAD.wasm --fit FIT --fit-wasm FIT.wasm --work FOLDER [--only WORD] [--page FILE]

Peers run in this interpreter's environment. Short processes run several times, taking turns with the peer's; figures
are medians, memory is the most of any. Scores are those of held-out rows, averaged over the runs' seeds.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import page
from measure import Run, middle, run

ROOT = Path(__file__).resolve().parents[2]
PEERS = Path(__file__).with_name("peers.py")
SAMPLE = ROOT / "tests/data/opportunityHistory.json"
VERSIONS, PROCESSES = 1000, 20


@dataclass
class Row:
    """One work, done by several."""

    work: str
    peer: str
    runs: dict[str, Run]  # by who did it: "peer", "sandbox", "native"
    targets: list[tuple[str, str, str, float]]  # (figure of Run, whose, against whose, at most this ratio)


@dataclass
class Fit:
    """A learner, the rows that it is fitted on, and how often."""

    learner: str
    data: str
    parameters: str
    times: int
    limit: float | None = None  # of the peer's time
    peer: str = "scikit-learn"
    task: str = "classification"

    def title(self):
        rows = {"small": "5,000", "middle": "100,000", "large": "1,000,000"}[self.data.split("-")[0]]
        details = f" ({self.parameters.replace(chr(10), ', ')})" if self.parameters else ""
        return f"fit: {self.learner}{details}, {rows} x 20"


FITS = [
    Fit("random_forest", "small-classes", "n_estimators = 50", 5, 1 / 8),
    Fit("extra_trees", "small-classes", "n_estimators = 50", 5),
    Fit("decision_tree", "middle-classes", "min_samples_leaf = 5", 3),
    Fit("logistic_regression", "middle-classes", "", 5),
    Fit("linear", "middle-numbers", "", 5, task="regression"),
    Fit("ridge", "middle-numbers", "", 5, task="regression"),
    Fit("gaussian_nb", "middle-classes", "", 5),
    Fit("svc", "small-classes", "", 1),
    Fit("mlp", "small-classes", "hidden_layer_sizes = [32, 16]\nepochs = 30\nearly_stopping = false", 3),
    Fit("gradient_boosting", "large-classes", "n_estimators = 100\nnum_leaves = 31\nlearning_rate = 0.1", 1, 1.0, "LightGBM"),
]


class Bench:
    def __init__(self, options):
        self.options = options
        self.folder = Path(options.work)
        self.store = self.folder / "stores"
        self.cores = sorted(os.sched_getaffinity(0))
        self.core = self.cores[-1:]

    def peer(self, *arguments):
        """A peer's process, with what it tells of itself."""
        return self.told(run([sys.executable, PEERS, *arguments], self.core))

    @staticmethod
    def told(ended):
        told = json.loads(ended.output.splitlines()[-1])
        ended.fit, ended.score = told.get("fit"), told.get("score")
        return ended

    def runner(self, arguments, cores=None):
        ended = run([self.options.runner, *arguments, "--quiet", "--json"], cores or self.core)
        told = json.loads(ended.output)
        if "metrics" in told:
            ended.score = told["metrics"]["primary"]["held_out"]
        return ended

    def train(self, data, spec, seed):
        """`runner run` from data to stored model, the compiled module in the cache."""
        shutil.rmtree(self.store, ignore_errors=True)
        return self.runner(["run", self.options.module, "--data", data, "--spec", spec, "--seed", seed,
                            "--store", f"file://{self.store}"])

    def stored_by_peer(self, verb, data, *arguments):
        shutil.rmtree(self.store, ignore_errors=True)
        return self.peer(verb, data, self.store / "model", *arguments)

    def specification(self, name, text):
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def sample_specification(self, trees):
        text = (ROOT / "tests/data/pipeline.toml").read_text(encoding="utf-8")
        assert "n_estimators = 100" in text
        text = text.replace("n_estimators = 100", f"n_estimators = {trees}")
        return self.specification(f"sample-{trees}.toml", f"importance = 0\n{text}")

    def sample(self):
        spec = self.sample_specification(100)
        self.train(SAMPLE, spec, 0)  # fills the cache of compiled code
        runs = {"peer": [], "sandbox": []}
        for seed in range(5):
            runs["peer"].append(self.stored_by_peer("sample", SAMPLE, 100, seed))
            runs["sandbox"].append(self.train(SAMPLE, spec, seed))
        yield Row("sample pipeline, forest of 100 trees, data to stored model", "pandas + scikit-learn",
                  {who: middle(each) for who, each in runs.items()},
                  [("wall", "sandbox", "peer", 0.1), ("memory", "sandbox", "peer", 0.25)])

    def table(self):
        data = self.folder / "large.csv"
        spec = self.specification("table.toml", 'target = "y"\nalgorithm = "logistic_regression"\nimportance = 0\n')
        runs = {"peer": [], "sandbox": []}
        for seed in range(2):
            runs["peer"].append(self.stored_by_peer("table", data))
            runs["sandbox"].append(self.train(data, spec, seed))
        yield Row("1,000,000 x 20 CSV, logistic regression, data to stored model", "pandas + scikit-learn",
                  {who: middle(each) for who, each in runs.items()}, [("wall", "sandbox", "peer", 0.5)])

    def fits(self):
        for fit in FITS:
            if self.options.only in (None, "fit") or self.options.only in fit.title():
                yield from self.fit(fit)

    def fit(self, fit):
        train, test = (self.folder / f"{fit.data}-{part}.npy" for part in ("train", "test"))
        if reason := self.unknown(fit):
            print(f"SKIPPED {fit.title()}: {reason}")
            return
        runs = {"peer": [], "sandbox": [], "native": []}
        for seed in range(fit.times):
            runs["peer"].append(self.peer("fit", fit.learner, train, test, seed))
            arguments = [fit.learner, "builtin", fit.task, fit.parameters, seed]
            runs["native"].append(run([self.options.fit, *arguments, train, test], self.core))
            inside = [f"/data/{path.name}" for path in (train, test)]
            sandbox = [self.options.runner, "exec", self.options.fit_wasm, "--dir", f"{self.folder}::/data", "--"]
            runs["sandbox"].append(run([*sandbox, *arguments, *inside], self.core))
        self.score(test, runs["native"] + runs["sandbox"])
        targets = [("fit", "sandbox", "native", 1.3)]
        if fit.limit:
            targets.insert(0, ("fit", "sandbox", "peer", fit.limit))
        yield Row(fit.title(), fit.peer, {who: middle(each) for who, each in runs.items()}, targets)

    def unknown(self, fit):
        """Why there is no such learner, if there is none."""
        rows = [self.folder / f"small-{fit.data.split('-')[1]}-{part}.npy" for part in ("train", "test")]
        command = [self.options.fit, fit.learner, "builtin", fit.task, fit.parameters, "0", *rows]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        return ended.stderr.strip() if ended.returncode else None

    def score(self, test, runs):
        """Reads what `examples/fit.rs` printed: the fit's seconds, then predictions, which a process of their own scores."""
        paths = []
        for index, ended in enumerate(runs):
            ended.fit = float(ended.output.split("\n", 1)[0])
            paths.append(self.folder / f"predictions-{index}")
            paths[-1].write_text(ended.output, encoding="utf-8")
            ended.output = ""
        scores = json.loads(run([sys.executable, PEERS, "score", test, *paths], self.cores).output)
        for ended, path, score in zip(runs, paths, scores):
            ended.score = score
            path.unlink()

    def versions(self):
        """A thousand versions on two cores, in one process; twenty Python processes, two at a time, scaled."""
        cores = self.cores[:2]
        shutil.rmtree(self.store, ignore_errors=True)
        spec = self.sample_specification(50)
        many = self.runner(["run", self.options.module, "--data", SAMPLE, "--spec", spec,
                            "--versions", f"1..{VERSIONS}", "--jobs", "2", "--store", f"file://{self.store}"], cores)
        stored = json.loads(many.output)["versions"]
        assert len(stored) == VERSIONS and all(each["status"] == "published" for each in stored)
        many.score = sum(each["metrics"]["primary"]["held_out"] for each in stored) / VERSIONS
        shutil.rmtree(self.store, ignore_errors=True)
        start = time.perf_counter()
        with ThreadPoolExecutor(2) as pool:
            def one(seed):
                command = [sys.executable, PEERS, "sample", SAMPLE, self.store / f"model-{seed}", 50, seed]
                return self.told(run(command, cores))

            ended = list(pool.map(one, range(PROCESSES)))
        scale = VERSIONS / PROCESSES
        peer = middle(ended)
        peer.wall = (time.perf_counter() - start) * scale
        peer.cpu = sum(each.cpu for each in ended) * scale
        peer.memory *= 2
        peer.fit = None
        yield Row(f"{VERSIONS} versions of the sample pipeline (50 trees) on two cores",
                  f"{VERSIONS} processes of pandas + scikit-learn ({PROCESSES} measured)", {"peer": peer, "sandbox": many},
                  [("wall", "sandbox", "peer", 0.1), ("wall", "sandbox", "", 120)])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for flag, what in [("runner", "a release build"), ("module", "the training module"), ("fit", "the example, native"),
                       ("fit-wasm", "the example as a module"), ("work", "a folder with what data.py writes")]:
        parser.add_argument(f"--{flag}", required=True, help=what)
    parser.add_argument("--only", help="rows whose name holds this; then no page is written")
    parser.add_argument("--page", help="the page whose figures are written anew")
    options = parser.parse_args()
    bench, rows = Bench(options), []
    for name, work in [("sample", bench.sample), ("versions", bench.versions), ("table", bench.table), ("fit", bench.fits)]:
        if options.only is None or name == options.only or (name == "fit" and options.only not in ("sample", "versions", "table")):
            for row in work():
                rows.append(row)
                print(page.line(row), flush=True)
    shutil.rmtree(bench.store, ignore_errors=True)
    print("\n" + page.targets(rows))
    if options.page and options.only is None:
        page.write(Path(options.page), rows, options)


if __name__ == "__main__":
    main()
