"""Counts the instructions of the works of `examples/counted.rs` by valgrind and compares them with the committed counts.

    python guard.py COUNTED [--accept]

Ends with status 1 when a work takes over a tenth more than it did, or one is missing. Times are noisy; counts are not,
but they are those of one compiler and CPU: with another one, nothing is compared, and that is said.
"""

import argparse
import json
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

COUNTS = Path(__file__).with_name("instructions.json")
SLIP = 0.10


def said(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def build():
    """What the counts depend on, besides the sources."""
    return {"rustc": said("rustc", "--version").strip(), "cpu": platform.machine()}


def count(program, work):
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", "--toggle-collect=*the_work*", f"--callgrind-out-file={folder}/out", program, work]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"Collected : (\d+)", ended.stderr)
    if ended.returncode != 0 or not found or found[1] == "0":
        sys.exit(f"{work} was not counted:\n{ended.stderr[-2000:]}")
    return int(found[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", help="examples/counted.rs, built with its symbols")
    parser.add_argument("--accept", action="store_true", help="take today's counts as the ones to compare with")
    options = parser.parse_args()
    if not shutil.which("valgrind"):
        sys.exit("valgrind is missing: install it (apt-get install valgrind), then run this again")
    committed = json.loads(COUNTS.read_text(encoding="utf-8")) if COUNTS.exists() else {"build": {}, "instructions": {}}
    here, before = build(), committed["instructions"]
    same = committed["build"] == here
    counts, slipped = {}, []
    for work in said(options.program).splitlines():
        counts[work] = count(options.program, work)
        change = ""
        if work in before and same:
            share = counts[work] / before[work] - 1
            change = f"{share:+.1%}"
            if share > SLIP:
                slipped.append(f"{work}: {change} ({before[work]:,} -> {counts[work]:,} instructions)")
        print(f"{work:32}{counts[work]:>16,}  {change or 'new'}", flush=True)
    if options.accept:
        COUNTS.write_text(json.dumps({"build": here, "instructions": counts}, indent=1) + "\n", encoding="utf-8")
        print(f"accepted: commit {COUNTS.name}")
        return
    if not same:
        names = " and ".join(f"{name} {committed['build'].get(name)}, here {value}" for name, value in here.items()
                             if committed["build"].get(name) != value)
        print(f"SKIPPED bench-guard: the committed counts are of {names}")
        return
    slipped += [f"{work}: counted before, and gone" for work in before if work not in counts]
    if slipped:
        sys.exit("\n".join(["", "slower than committed by more than a tenth:", *slipped,
                            "make it as fast again, or take it on with `just bench-guard --accept`"]))
    print("nothing slipped")


if __name__ == "__main__":
    main()
