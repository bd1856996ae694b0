"""A CSV of 1,000,000 rows x 20 numbers through the whole line, beside pandas.read_csv in the same run.

    python large_csv.py --runner dist/runner --module dist/workload.wasm [--rows 1000000] [--memory 1GiB] [--repeat 3] [--least-memory]

Needs pandas. Prints, as CPU seconds (user and system, of all threads): pandas.read_csv; the runner reading alone (a `keep` that no row
meets ends the run behind the readers); reading and encoding (a target that is in the rows, and gaussian_nb, whose fit is one pass), with all
that a run does besides; and logistic regression. The module's start, its compilation from the cache and the data's digest are in all of them.
With --least-memory it looks for the least --memory with which the line ends well: what the guest takes, to 8 MiB.
Ends with status 1 when a run fails. Times are printed, and never a verdict.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

# docs/exit-codes.md
BAD_DATA = 4

SPECIFICATION = 'target = "y"\nalgorithm = "{algorithm}"\nimportance = 0\n{keep}\n'


def write_csv(path, rows, columns):
    """Numbers of six digits, and a target that depends on two of them."""
    random = np.random.default_rng(7)
    with path.open("w", encoding="ascii") as file:
        file.write(",".join([f"x{column}" for column in range(1, columns)] + ["y"]) + "\n")
        for start in range(0, rows, 50_000):
            values = random.normal(size=(min(50_000, rows - start), columns))
            values[:, -1] = values[:, 0] - values[:, 1] + values[:, -1] > 0
            np.savetxt(file, values, fmt=["%.6f"] * (columns - 1) + ["%d"], delimiter=",")


def timed(command, **options):
    """CPU seconds of a command, wall seconds, its status and what it said."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    run = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, time.perf_counter() - began, run.returncode, run.stdout + run.stderr


def pandas(path):
    """CPU seconds of read_csv alone, in a process of its own."""
    code = "import sys, time, pandas\nbegan = time.process_time()\npandas.read_csv(sys.argv[1])\nprint(time.process_time() - began)"
    return float(subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True).stdout)


class Line:
    def __init__(self, options, folder, data):
        self.options, self.folder, self.data, self.version = options, folder, data, 0

    def run(self, algorithm, memory, keep=""):
        specification = self.folder / "pipeline.toml"
        specification.write_text(SPECIFICATION.format(algorithm=algorithm, keep=keep), encoding="utf-8")
        self.version += 1
        return timed([
            self.options.runner, "run", self.options.module, "--data", self.data, "--spec", specification, "--memory", memory,
            "--save-path", "large", "--model-version", str(self.version), "--store", f"file://{self.folder}/models", "--quiet"],
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder)})

    def must(self, status, *arguments):
        cpu, wall, got, said = self.run(*arguments)
        if got != status:
            sys.exit(f"{arguments} ended with {got}:\n{said}")
        return cpu, wall

    def least_memory(self, algorithm, most):
        """The least --memory, in MiB, that suffices."""
        least, step = 0, 8
        while most - least > step:
            middle = (least + most) // 2 // step * step
            if self.run(algorithm, f"{middle}MiB")[2] == 0:
                most = middle
            else:
                least = middle
        return most


def mebibytes(size):
    number, unit = size[:-3], size[-3:]
    return int(float(number) * {"MiB": 1, "GiB": 1024}[unit])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runner", required=True)
    parser.add_argument("--module", required=True)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--memory", default="1GiB")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--least-memory", action="store_true")
    parser.add_argument("--folder", help="where the CSV is kept between runs")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        folder = Path(folder)
        data = Path(options.folder or folder) / f"large-{options.rows}-{options.columns}.csv"
        if not data.exists():
            write_csv(data, options.rows, options.columns)
        print(f"{options.rows:,} x {options.columns}, {data.stat().st_size >> 20} MiB of CSV, --memory {options.memory}")
        line = Line(options, folder, data)
        # The first run compiles the module into the cache.
        line.must(0, "gaussian_nb", options.memory)
        none_kept = 'keep = "x1 is missing"'
        kinds = {
            "pandas.read_csv": lambda: (pandas(data), None),
            "read": lambda: line.must(BAD_DATA, "gaussian_nb", options.memory, none_kept),
            "read, encode, gaussian_nb, evaluate, store": lambda: line.must(0, "gaussian_nb", options.memory),
            "the same with logistic_regression": lambda: line.must(0, "logistic_regression", options.memory),
        }
        best = {}
        for _ in range(options.repeat):
            for kind, measure in kinds.items():
                cpu, wall = measure()
                best[kind] = min(best.get(kind, (cpu, wall)), (cpu, wall), key=lambda pair: pair[0])
        for kind, (cpu, wall) in best.items():
            beside = f"{cpu / best['pandas.read_csv'][0]:5.2f} x pandas" + (f", {wall:.1f} s of wall time" if wall else "")
            print(f"{kind:45} {cpu:6.2f} s  {beside}", flush=True)
        if options.least_memory:
            for algorithm in ("gaussian_nb", "logistic_regression"):
                least = line.least_memory(algorithm, mebibytes(options.memory))
                print(f"{algorithm + ', least --memory':45} {least:6} MiB", flush=True)


if __name__ == "__main__":
    main()
