#!/usr/bin/env python3
"""What a shipped file is made of, from Cargo.lock and the sources that cargo built it from.

Usage: materials.py sbom     PACKAGE TARGET FEATURES FILE > FILE.cdx.json    CycloneDX 1.5
       materials.py licences PACKAGE:TARGET:FEATURES... > LICENSES.txt      the licences of all of them, texts included

Equal inputs give equal bytes: the time is SOURCE_DATE_EPOCH, the serial number follows from the file.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import tomllib
import uuid
from datetime import datetime, timezone
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LICENCE_FILE = re.compile(r"^(licen[cs]e|copying|copyright|notice|unlicense)", re.IGNORECASE)
# What no Cargo.lock lists, by the system of the target.
SYSTEM = {
    "linux": ("GNU C Library", "LGPL-2.1-or-later", Path("/usr/share/common-licenses/LGPL-2.1")),
    "wasip1": ("wasi-libc", "Apache-2.0 WITH LLVM-exception AND MIT", None),
}


def cargo(*arguments):
    return subprocess.run(["cargo", *arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def packages(package, target, features):
    """The crates linked into `package`, as cargo's metadata has them, by (name, version)."""
    tree = cargo("tree", "--locked", "--edges", "normal", "--prefix", "none", "--no-dedupe", "--package", package,
                 "--target", target, "--no-default-features", "--features", features, "--format", "{p}")
    linked = {tuple(line.split()[:2]) for line in tree.splitlines() if line}
    linked = {(name, version.removeprefix("v")) for name, version in linked}
    metadata = json.loads(cargo("metadata", "--locked", "--all-features", "--format-version", "1", "--filter-platform", target))
    found = {(p["name"], p["version"]): p for p in metadata["packages"] if (p["name"], p["version"]) in linked}
    missing = linked - found.keys()
    if missing:
        sys.exit(f"materials: cargo's metadata lacks {sorted(missing)}")
    return dict(sorted(found.items())), metadata["resolve"]["nodes"]


def expression(package):
    """The SPDX expression; old manifests write a slash for OR."""
    return " OR ".join(part.strip() for part in (package["license"] or "").split("/")) or "NOASSERTION"


def purl(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def system(target):
    return SYSTEM["wasip1" if target.endswith("wasip1") else "linux"]


def components(linked, target):
    """One entry a crate, then what no Cargo.lock lists."""
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    checksums = {(p["name"], p["version"]): p.get("checksum") for p in lock["package"]}
    for key, package in linked.items():
        component = {
            "type": "library",
            "bom-ref": purl(package),
            "name": package["name"],
            "version": package["version"],
            "licenses": [{"expression": expression(package)}],
            "purl": purl(package),
        }
        if checksums[key]:
            component["hashes"] = [{"alg": "SHA-256", "content": checksums[key]}]
        yield component
    name, licence, _ = system(target)
    yield {"type": "library", "bom-ref": name, "name": name, "licenses": [{"expression": licence}]}
    yield {"type": "library", "bom-ref": "rust-std", "name": "Rust standard library",
           "licenses": [{"expression": "MIT OR Apache-2.0"}]}


def sbom(package, target, features, file):
    """The bill of `file`, which is `package` built for `target`."""
    linked, nodes = packages(package, target, features)
    own = linked.pop(next(key for key in linked if key[0] == package))
    digest = hashlib.sha256(Path(file).read_bytes()).hexdigest()
    time = datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), timezone.utc)
    refs = {p["id"]: purl(p) for p in [own, *linked.values()]}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, digest)}",
        "version": 1,
        "metadata": {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {
                "type": "application",
                "bom-ref": purl(own),
                "name": Path(file).name,
                "version": own["version"],
                "licenses": [{"expression": expression(own)}],
                "hashes": [{"alg": "SHA-256", "content": digest}],
            },
        },
        "components": list(components(linked, target)),
        "dependencies": [
            {"ref": refs[node["id"]],
             "dependsOn": sorted(refs[dep["pkg"]] for dep in node["deps"]
                                 if dep["pkg"] in refs and any(k["kind"] is None for k in dep["dep_kinds"]))}
            for node in sorted(nodes, key=lambda node: node["id"]) if node["id"] in refs
        ],
    }


def licence_texts(package):
    """The licence files that the crate's own archive holds."""
    folder = Path(package["manifest_path"]).parent
    files = sorted(f for f in folder.iterdir() if f.is_file() and LICENCE_FILE.match(f.name))
    return [f.read_text(errors="replace").replace("\r\n", "\n").strip() for f in files]


def licences(parts):
    """Lines: who has which licence, then each text once with all that come under it."""
    linked, others = {}, {}
    for part in parts:
        package, target, features = part.split(":")
        linked |= packages(package, target, features)[0]
        name, licence, text = system(target)
        others[name] = (licence, text)
    # Members of this workspace are under the LICENSE beside this file.
    outside = {key: package for key, package in linked.items() if package["source"]}
    used_by, without = {}, []
    for (name, version), package in sorted(outside.items()):
        texts = licence_texts(package)
        for text in texts:
            used_by.setdefault(text, []).append(f"{name} {version}")
        if not texts:
            without.append(package)
    for name, (licence, text) in others.items():
        if text:
            used_by.setdefault(text.read_text().strip(), []).append(name)

    yield "Software inside runner and workload.wasm, besides this project's own (Apache-2.0, see LICENSE)\n"
    for (name, version), package in sorted(outside.items()):
        yield f"{name} {version}: {expression(package)}"
    yield "Rust standard library: MIT OR Apache-2.0"
    for name, (licence, _) in sorted(others.items()):
        yield f"{name}: {licence}"
    yield "\nThe GNU C Library is linked statically. This project's sources and `just dist` link the runner with another version of it."
    if without:
        yield "\nThese come without a text of their licence; of several, the first that is printed below applies:"
        for package in without:
            authors = ", ".join(package["authors"]) or package["repository"] or "authors unnamed"
            yield f"  {package['name']} {package['version']}: {expression(package)}, {authors}"
    for text, names in sorted(used_by.items(), key=lambda entry: entry[1]):
        yield f"\n{'=' * 80}\n{', '.join(names)}\n{'-' * 80}\n{text}"


def main():
    match sys.argv[1:]:
        case ["sbom", package, target, features, file]:
            print(json.dumps(sbom(package, target, features, file), indent=1, ensure_ascii=False))
        case ["licences", *parts] if parts:
            print("\n".join(licences(parts)))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
