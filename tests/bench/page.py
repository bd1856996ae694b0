"""Rows of figures -> tables, and docs/performance.md."""

import datetime
import importlib.metadata
import subprocess

from measure import processor

BEGIN, END = "<!-- figures: just bench -->", "<!-- end of figures -->"
CLOSE = 0.01  # scores that differ by more are not of the same work
NAMES = {"sandbox": "ours, sandboxed", "native": "ours, native"}
FIGURES = {"wall": "time", "fit": "fit", "memory": "memory"}


def seconds(value):
    return "" if value is None else f"{value:.2f} s" if value >= 1 else f"{value * 1000:.0f} ms" if value >= 0.01 else f"{value * 1000:.1f} ms"


def line(row):
    """One row as it is measured."""
    parts = [f"{who}: {seconds(run.wall)} (cpu {seconds(run.cpu)}, fit {seconds(run.fit)}, {run.memory:.0f} MiB, {run.score:.4f})"
             for who, run in row.runs.items()]
    return f"{row.work}\n    " + "\n    ".join(parts)


def verdict(row, whose, against, ratio, limit):
    scores = [run.score for run in (row.runs[whose], row.runs.get(against or "peer"))]
    # Better than the peer by more than that is the same work, too.
    if scores[1] - scores[0] > CLOSE:
        return f"scores differ by {abs(scores[0] - scores[1]):.4f}"
    return "met" if ratio <= limit else "**missed**"


def targets(rows):
    """A line a target: the ratio, and whether it is met."""
    lines = ["| work | figure | against | theirs | ours, sandboxed | ratio | wanted | |", "|---|---|---|---:|---:|---:|---:|---|"]
    for row in rows:
        for figure, whose, against, limit in row.targets:
            ours = getattr(row.runs[whose], figure)
            show = (lambda value: f"{value:.0f} MiB") if figure == "memory" else seconds
            if against:
                theirs = getattr(row.runs[against], figure)
                ratio, name = ours / theirs, row.peer if against == "peer" else "its native build"
                cells = [show(theirs), show(ours), f"{ratio:.3f}", f"{limit:.3g}"]
            else:
                ratio, name = ours, "the clock"
                cells = ["", show(ours), "", seconds(limit)]
            lines.append("| " + " | ".join([row.work, FIGURES[figure], name, *cells, verdict(row, whose, against, ratio, limit)]) + " |")
    return "\n".join(lines)


def details(rows):
    lines = ["| work | who | whole process | CPU | fit | peak memory | held-out score |", "|---|---|---:|---:|---:|---:|---:|"]
    for row in rows:
        for who, run in row.runs.items():
            cells = [row.work if who == "peer" else "", NAMES.get(who, row.peer), seconds(run.wall), seconds(run.cpu),
                     seconds(run.fit), f"{run.memory:.0f} MiB", f"{run.score:.4f}"]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def versions(options):
    said = subprocess.run([options.runner, "--version", "--verbose"], capture_output=True, text=True, check=True).stdout
    packages = ("scikit-learn", "numpy", "pandas", "lightgbm")
    return [*(entry.strip() for entry in said.splitlines() if entry.strip()),
            *(f"{name} {importlib.metadata.version(name)}" for name in packages)]


def write(path, rows, options):
    """Replaces the figures of the page; the rest is written by hand."""
    text = path.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    model, cores = processor()
    figures = "\n\n".join([
        f"Measured on {datetime.date.today():%d %B %Y}, {model}, {cores} cores, of which one is used unless a row says two.",
        targets(rows),
        "The same runs in full:",
        details(rows),
        "Versions:\n\n```\n" + "\n".join(versions(options)) + "\n```",
    ])
    path.write_text(f"{before}{BEGIN}\n\n{figures}\n\n{END}{after}", encoding="utf-8")
