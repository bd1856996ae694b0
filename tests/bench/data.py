"""Writes the datasets of the benchmarks into a folder, always the same ones.

    python data.py FOLDER
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

COLUMNS = 20


def rows(count, seed):
    """Numbers, classes of which they tell something by sums and by products, and a value that is a noisy sum."""
    random = np.random.default_rng(seed)
    values = random.standard_normal((count, COLUMNS)).round(6)
    weights = np.random.default_rng(1).standard_normal(COLUMNS) / 2
    total = values @ weights
    crossed = values[:, 0] * values[:, 1] + np.sin(2 * values[:, 2]) - np.abs(values[:, 3])
    classes = (total + crossed + random.logistic(size=count) > 0).astype(int)
    return values, classes, (total + 0.5 * random.standard_normal(count)).round(6)


def bare(path, values, target):
    """As `examples/fit.rs` reads it: the target is the last column."""
    np.save(path, np.column_stack([values, target]).astype(np.float32))


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    done = folder / "written-2"
    if done.exists():
        return
    for name, count, held_out in [("small", 5_000, 5_000), ("middle", 100_000, 20_000), ("large", 1_000_000, 50_000)]:
        values, classes, numbers = rows(count + held_out, seed=count)
        for part, these in (("train", slice(count)), ("test", slice(count, None))):
            bare(folder / f"{name}-classes-{part}.npy", values[these], classes[these])
            bare(folder / f"{name}-numbers-{part}.npy", values[these], numbers[these])
    frame = pd.DataFrame(values[:count], columns=[f"x{index}" for index in range(COLUMNS)])
    frame["y"] = classes[:count]
    frame.to_csv(folder / "large.csv", index=False, float_format="%.6g")
    done.touch()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
