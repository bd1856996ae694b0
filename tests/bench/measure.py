"""Runs commands as whole processes and measures them. Imports nothing large: a child starts with its parent's peak memory."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

# What a machine's owner set for numpy may suit another CPU than this one, and slow the peers down.
UNSET = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "PYTHONPATH")
# One thread each: whole processes are compared on one core.
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass
class Run:
    """One process from start to end."""

    wall: float  # seconds
    cpu: float  # seconds, user and system
    memory: float  # MiB, most that was resident at a time
    output: str
    fit: float | None = None  # seconds, as the process itself tells
    score: float | None = None  # on held-out rows


def environment():
    kept = {name: value for name, value in os.environ.items() if name not in UNSET}
    return kept | dict.fromkeys(ONE_THREAD, "1")


def run(command, cores):
    """Runs `command` on `cores` (numbers); stops everything when it fails."""
    command = ["taskset", "-c", ",".join(map(str, cores)), *map(str, command)]
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        start = time.perf_counter()
        child = subprocess.Popen(command, stdout=output, stderr=errors, env=environment())
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        for stream in (output, errors):
            stream.seek(0)
        if child.returncode != 0:
            sys.exit(f"{' '.join(command)}\nended with {child.returncode}:\n{errors.read().decode()[-2000:]}")
        return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, output.read().decode())


def middle(runs):
    """The median of each figure, but the mean of the scores: each run has a seed of its own."""
    def of(name, average=statistics.median):
        values = [getattr(each, name) for each in runs]
        return None if any(value is None for value in values) else average(values)

    return Run(of("wall"), of("cpu"), max(each.memory for each in runs), "", of("fit"), of("score", statistics.fmean))


def processor():
    """CPU model, and how many cores may be used."""
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith(("model name", "CPU part"))]
    return (names or ["unknown CPU"])[0], len(os.sched_getaffinity(0))
