# `just` alone lists the recipes. ./setup.sh installs what they need.

set shell := ["bash", "-euo", "pipefail", "-c"]

export CARGO_TARGET_DIR := env('CARGO_TARGET_DIR', justfile_directory() / 'target')
export NOMAD_RUNNER_VENV := env('NOMAD_RUNNER_VENV', CARGO_TARGET_DIR / 'venv')

module := 'dist/workload.wasm'

[private]
default:
    @just --list --unsorted

# Train on the sample data and store a model in ./models
[group('use')]
demo:
    @.ci/demo

# Needs root, and `nomad` on the PATH; artifacts are the package's, else the everyday build's.
[doc('The same on a Nomad agent of its own: plan, run, dispatch, list')]
[group('use')]
nomad-demo:
    @.ci/nomad-demo

# Only the runner, but with the features that the whole workspace asks of its dependencies: the tests then build none again.
[doc('The runner -> dist/runner')]
[group('use')]
build: _toolchain
    cargo build --workspace --bin runner --all-features --locked
    @mkdir -p dist && ln -f "$CARGO_TARGET_DIR/debug/runner" dist/runner 2>/dev/null || cp -f "$CARGO_TARGET_DIR/debug/runner" dist/runner

# WASI_TOOLCHAIN=rustup|debian forces a toolchain.
[doc('The training module -> dist/workload.wasm')]
[group('use')]
guest:
    @.ci/guest {{ module }}

# `just test publish` runs the tests whose name holds `publish`.
[doc('Every test, or those whose name holds FILTER')]
[group('check')]
test *filter: guest
    #!/usr/bin/env bash
    set -euo pipefail
    log=$(mktemp) && trap 'rm -f "$log"' EXIT
    status=0
    cargo test --workspace --all-features --locked --no-fail-fast -- {{ filter }} 2>&1 | tee "$log" || status=$?
    grep -ohE 'SKIPPED .*|test .* \.\.\. ignored.*' "$log" | sort -u || true
    skipped=$(grep -oE 'SKIPPED .*' "$log" | sort -u | wc -l)
    awk -v skipped="$skipped" '/^test result:/ { passed += $4; failed += $6; ignored += $8 }
      END { printf "%d passed, %d failed, %d skipped\n", passed - skipped, failed, skipped + ignored }' "$log"
    exit "$status"

# Without them the tests that need one say SKIPPED.
[doc('Servers and runtimes that stores and models are tested against')]
[group('check')]
venv:
    [ -x "$NOMAD_RUNNER_VENV/bin/python" ] || python3 -m venv "$NOMAD_RUNNER_VENV"
    "$NOMAD_RUNNER_VENV/bin/pip" install --quiet --disable-pip-version-check -r tests/requirements.txt -r tests/learners/requirements.txt
    ! command -v npm >/dev/null || npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$NOMAD_RUNNER_VENV" azurite onnxruntime-node

# Formatting, clippy, licences and sources of dependencies
[group('check')]
lint: _cargo-deny
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --all-features --locked --quiet -- -D warnings
    cargo deny --all-features --locked --log-level warn check bans licenses sources

# ADVISORY_DB=<a clone of rustsec/advisory-db> works offline.
[doc('Known vulnerabilities in dependencies')]
[group('check')]
audit: _cargo-deny
    #!/usr/bin/env bash
    set -euo pipefail
    if [ -n "${ADVISORY_DB:-}" ]; then # git then takes the clone wherever cargo-deny names the original
      export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0="url.$ADVISORY_DB.insteadOf" GIT_CONFIG_VALUE_0=https://github.com/RustSec/advisory-db
    fi
    cargo deny --all-features --locked check advisories

# cargo-fuzz wants a nightly compiler's flags, which RUSTC_BOOTSTRAP=1 unlocks in any; `just fuzz 600 parquet` runs one target for ten minutes.
[doc('Every fuzz target for so many seconds each')]
[group('check')]
fuzz seconds='120' *targets: _toolchain
    #!/usr/bin/env bash
    set -euo pipefail
    command -v cargo-fuzz >/dev/null || env -u CARGO_TARGET_DIR cargo install --quiet --locked cargo-fuzz
    export RUSTC_BOOTSTRAP=1
    targets='{{ targets }}'
    for target in ${targets:-$(cargo fuzz list)}; do
      mkdir -p "fuzz/corpus/$target"
      case $target in
        parquet) seeds=records/tests/data ;;
        specification) seeds=tests/data ;;
        check | error | json_bounds | manifest | metrics | predictions) seeds=fuzz/seeds/$target ;;
        *) seeds=fuzz/corpus/$target ;;
      esac
      cargo fuzz run "$target" "fuzz/corpus/$target" "$seeds" -- -max_total_time={{ seconds }} -rss_limit_mb=4096
    done

# SOAK_GUESTS sets another number.
[doc('10,000 guests in one process, one in ten hostile: nothing may grow or stay')]
[group('check')]
soak: _toolchain
    cargo test --workspace --all-features --locked --test soak -- --ignored --nocapture

# Two publishers, `delete`, two `gc` and `promote` at once; `just test interleavings` walks the others.
[doc('More orders in which publishers, delete, gc and promote can meet than the tests walk (minutes)')]
[group('check')]
interleavings: _toolchain
    cargo test -p runner --all-features --locked --test interleavings -- --include-ignored --nocapture

# `just kills 200` makes fewer, `STORES="moto azurite" just kills` over some; SEED chooses other moments.
[doc('1,000 random kills with delete, gc and promote beside: nothing half, doubled, lost or dangling (minutes)')]
[group('check')]
kills kills='1000': _toolchain
    KILLS={{ kills }} cargo test -p runner --all-features --locked --test kills -- --ignored --nocapture

# `just bench-store dist/runner-amd64` measures another build than the development one. The server that answers is in tests/support/gcs.
[doc('Publishing, a large file, listing: models a second, memory, seconds')]
[group('check')]
bench-store runner='': _toolchain
    RUNNER="{{ if runner == '' { CARGO_TARGET_DIR / 'debug/runner' } else { absolute_path(runner) } }}" \
      cargo test -p runner --all-features --locked --test throughput -- --ignored --nocapture --test-threads 1

# Fitted on equal rows, splits and parameters (a quarter of an hour); `just compare-learners --only knn` compares one.
[doc('Every learner beside scikit-learn or LightGBM, over 20 splits')]
[group('check')]
compare-learners *options: _toolchain
    #!/usr/bin/env bash
    set -euo pipefail
    [ -x "$NOMAD_RUNNER_VENV/bin/python" ] || python3 -m venv "$NOMAD_RUNNER_VENV"
    "$NOMAD_RUNNER_VENV/bin/pip" install --quiet --requirement tests/learners/requirements.txt
    cargo build --release --locked --package workload-wasm --example fit
    "$NOMAD_RUNNER_VENV/bin/python" tests/learners/compare.py --fit "$CARGO_TARGET_DIR/release/examples/fit" {{ options }}

# A fixed sample of 200 tables; `just tables --all` takes every one, `just tables --only Ecdat/` those of a name. tests/tables
# says by which rules they are chosen, and explained.toml which differences have a reason.
[doc('Public tables through three learners, beside scikit-learn on the same rows (half an hour)')]
[group('check')]
tables *options: build guest
    #!/usr/bin/env bash
    set -euo pipefail
    venv=$NOMAD_RUNNER_VENV/tables
    [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement tests/tables/requirements.txt
    # Without what it depends on: its tables are files.
    "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps islp==0.6.0
    "$venv/bin/python" tests/tables/tables.py --runner dist/runner --module {{ module }} {{ options }}

# RUNNER is the static one of `just dist`, unless another is given. Of 20 runs; the first compiles and is left out.
[doc('What a run on the sample data takes besides fetching and the guest, in ms')]
[group('check')]
warm runner='dist/runner-amd64': guest
    #!/usr/bin/env bash
    set -euo pipefail
    folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT
    for run in $(seq 0 20); do
      {{ runner }} run {{ module }} --data tests/data/opportunityHistory.json --spec tests/data/pipeline.toml \
        --cache-dir "$folder/cache" --store "$folder/models" --model-version "$run" --timings 2>/dev/null |
        if [ "$run" = 0 ]; then cat >/dev/null; else sed -n "s/.*runner's own *\([0-9.]*\) ms/\1/p"; fi
    done | sort -n | awk '{ took[NR] = $1 } END { printf "least %s, median %s, most %s\n", took[1], took[int((NR + 1) / 2)], took[NR] }'

# `just bench --only fit` (or a learner, `sample`, `versions`, `table`) measures a part and writes no page.
[doc('Ours beside pandas, scikit-learn and LightGBM -> docs/performance.md (about 10 minutes)')]
[group('check')]
bench *options: guest
    #!/usr/bin/env bash
    set -euo pipefail
    [ -x "$NOMAD_RUNNER_VENV/bin/python" ] || python3 -m venv "$NOMAD_RUNNER_VENV"
    "$NOMAD_RUNNER_VENV/bin/pip" install --quiet --disable-pip-version-check --requirement tests/bench/requirements.txt
    cargo build --release --locked -p runner --all-features
    cargo build --profile guest --locked -p workload-wasm --example fit
    .ci/guest dist/fit.wasm fit
    "$NOMAD_RUNNER_VENV/bin/python" tests/bench/data.py "$CARGO_TARGET_DIR/bench"
    "$NOMAD_RUNNER_VENV/bin/python" tests/bench/bench.py --runner "$CARGO_TARGET_DIR/release/runner" --module {{ module }} \
      --fit "$CARGO_TARGET_DIR/guest/examples/fit" --fit-wasm dist/fit.wasm --work "$CARGO_TARGET_DIR/bench" \
      --page docs/performance.md {{ options }}

# Needs valgrind. `just bench-guard --accept` takes today's counts as the ones to compare with.
[doc('Instructions of learners, reading and encoding beside the committed counts')]
[group('check')]
bench-guard *options: _toolchain
    CARGO_PROFILE_GUEST_STRIP=none cargo build --profile guest --locked -p workload-wasm --example counted
    python3 tests/bench/guard.py "$CARGO_TARGET_DIR/guest/examples/counted" {{ options }}

# For example `just large-csv --least-memory`; --rows 10000000 --memory 4GiB.
[doc('1,000,000 x 20 of CSV through the whole line, beside pandas')]
[group('check')]
large-csv *options: build guest
    [ -x "$NOMAD_RUNNER_VENV/bin/python" ] || python3 -m venv "$NOMAD_RUNNER_VENV"
    "$NOMAD_RUNNER_VENV/bin/pip" install --quiet --disable-pip-version-check pandas==3.1.1
    "$NOMAD_RUNNER_VENV/bin/python" tests/bench/large_csv.py --runner dist/runner --module {{ module }} {{ options }}

# Every learner by the shipped runners and the interpreter; arm64 by an emulator elsewhere. `LEARNERS=svc,mlp just same-bytes`
# compares some.
[doc('One model, byte for byte, on every architecture (long)')]
[group('ship')]
same-bytes: dist guest
    ./setup.sh --emulator x86_64
    ./setup.sh --emulator aarch64
    cargo test --workspace --all-features --locked --test same_bytes -- --include-ignored --nocapture

# Static runners -> dist/runner-amd64, dist/runner-arm64 (long)
[group('ship')]
dist:
    .ci/runner amd64 dist/runner-amd64
    .ci/runner arm64 dist/runner-arm64

# What a cluster downloads -> dist/<version>/ (long)
[group('ship')]
package: _toolchain
    .ci/package

# In two folders; a minute or more.
[doc('The training module is the same, byte for byte, wherever it is built')]
[group('ship')]
same-guest: guest
    cargo test --workspace --all-features --locked --test package -- --ignored

# Of dist/<version>/, and of a runner without scoring, which it builds (long).
[doc('The sizes in the README, from what `just package` made')]
[group('ship')]
sizes: _toolchain
    RUNNER_FEATURES=s3,azblob,cross-compile .ci/runner amd64 dist/runner-amd64-without-scoring
    .ci/sizes

# From two checkouts in two folders; each builds everything anew (very long).
[doc('The package is the same, byte for byte, wherever it is built')]
[group('ship')]
same-package: _toolchain
    #!/usr/bin/env bash
    set -euo pipefail
    folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT
    for checkout in first the-second-one; do
      git clone --quiet . "$folder/$checkout"
      (cd "$folder/$checkout" && CARGO_TARGET_DIR="$folder/target-of-$checkout" .ci/package "$folder/$checkout.package")
    done
    diff -r "$folder/first.package" "$folder/the-second-one.package" && echo "the packages are equal"

# With the package if there is one, else RUNNER=<an optimized runner> (20 minutes).
[doc('A thousand dispatches at the rate of a Nomad agent; one that is killed loses nothing')]
[group('check')]
nomad-thousand models='1000':
    @.ci/nomad-thousand {{ models }}

# `just nomad-drains 200` takes as few as it can. Needs root, and `nomad` on the PATH.
[doc('A thousand versions, twenty an allocation, survive two drains, a job stop and a killed agent')]
[group('check')]
nomad-drains versions='1000': guest
    VERSIONS={{ versions }} cargo test --workspace --all-features --locked --test nomad -- --ignored --nocapture a_thousand_versions_survive

# Format the Rust sources
[group('check')]
fmt: _toolchain
    cargo fmt --all

# A released checkout that only ran the demo has none.
[private]
_toolchain:
    @./setup.sh --toolchain

[private]
_cargo-deny: _toolchain
    @command -v cargo-deny >/dev/null || { echo "installing cargo-deny (about 5 minutes)" >&2; \
      env -u CARGO_TARGET_DIR cargo install --quiet --locked cargo-deny; }
