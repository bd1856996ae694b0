"""Measures and checks what nomad-thousand does. NOMAD_ADDR is its agent."""

import collections
import datetime
import hashlib
import json
import os
import pathlib
import sys
import urllib.parse
import urllib.request

ADDRESS = os.environ["NOMAD_ADDR"]


def api(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(ADDRESS + path, data=data, method="GET" if body is None else "PUT")
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
        return json.load(answer)


def idle_job(source, name):
    """Registers the same job, whose tasks print the runner's version instead of training and storing."""
    job = api(f"/v1/job/{source}")
    job.update(ID=name, Name=name)
    for task in job["TaskGroups"][0]["Tasks"]:
        task["Config"]["args"] = ["--version"]
    api("/v1/jobs", {"Job": job})


def seconds(text):
    """Of a time in RFC 3339, with nanoseconds or without."""
    fraction = text[19:].rstrip("Z") or ".0"
    return datetime.datetime.fromisoformat(text[:19] + "+00:00").timestamp() + float("0" + fraction)


def allocations(file):
    """The allocations of a `runner dispatch --wait --json`."""
    jobs = {version["job"] for version in json.loads(pathlib.Path(file).read_text())["versions"]}
    parent = next(iter(jobs)).split("/")[0]
    listed = api("/v1/allocations?task_states=true&filter=" + urllib.parse.quote(f'JobID contains "{parent}/"'))
    return [allocation for allocation in listed if allocation["JobID"] in jobs]


def rate(file):
    """Allocations a second, from the first that was made to the last that ended; and how many there were."""
    found = allocations(file)
    begin = min(allocation["CreateTime"] for allocation in found) / 1e9
    end = max(seconds(state["FinishedAt"]) for allocation in found for state in allocation["TaskStates"].values())
    return len(found) / (end - begin), len(found)


def rates(ours, *idle):
    alone = [rate(file) for file in idle]
    for each, count in alone:
        print(f"Nomad alone:  {each:.2f} allocations a second ({count}, tasks that do nothing)")
    nomad = sum(count for _, count in alone) / sum(count / each for each, count in alone)
    each, count = rate(ours)
    print(f"with runner:  {each:.2f} allocations a second ({count} of them: trained, tested, stored)")
    print(f"of Nomad's own rate: {each / nomad:.2f} (wanted: at least 0.80)")


def models(store, save_path, wanted):
    """Every version is there once, whole, and of its own allocation."""
    versions = collections.Counter()
    digests = collections.Counter()
    for folder in pathlib.Path(store).glob(f"{save_path}_v*"):
        manifest = json.loads((folder / "manifest.json").read_bytes())
        for file in manifest["files"]:
            content = (folder / file["path"]).read_bytes()
            assert len(content) == file["bytes"], f"{folder}/{file['path']}: {len(content)} bytes"
            assert hashlib.sha256(content).hexdigest() == file["sha256"], f"{folder}/{file['path']}: another digest"
        versions[int(manifest["model_version"])] += 1
        digests[manifest["data"]["sha256"]] += 1
    missing = sorted(set(range(1, int(wanted) + 1)) - set(versions))
    twice = sorted(version for version, count in versions.items() if count > 1)
    print(f"{len(versions)} whole models of {wanted}, {len(twice)} versions twice, trained on {len(digests)} dataset(s)")
    if missing or twice or len(versions) != int(wanted):
        sys.exit(f"missing: {missing[:20]}, twice: {twice[:20]}")


if __name__ == "__main__":
    {"idle-job": idle_job, "rates": rates, "models": models}[sys.argv[1]](*sys.argv[2:])
