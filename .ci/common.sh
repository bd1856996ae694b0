# Read by the scripts beside it: how both halves are built so that the same commit gives the same bytes anywhere.

cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$(pwd -P)
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$root/target}"
mkdir -p "$CARGO_TARGET_DIR"
cargo_home=$(realpath -m "${CARGO_HOME:-$HOME/.cargo}")
target=$(cd "$CARGO_TARGET_DIR" && pwd -P)

# Where this checkout, its build folder and the registry lie is written into panics and symbols otherwise. The last match counts.
remap=(
  "--remap-path-prefix=$root=/nomad-runner"
  "--remap-path-prefix=$cargo_home=/cargo"
  "--remap-path-prefix=$target=/target"
)

runner_features="${RUNNER_FEATURES-score,s3,azblob,cross-compile}"

# rustc's flags, one an argument; cargo wants them with a separator that no path holds.
rustflags() {
  local IFS=$'\x1f'
  export CARGO_ENCODED_RUSTFLAGS="$*"
}

# Debian's compiler, for the route that asks nothing of other servers.
debian_rust() {
  export RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc
  cargo() { /usr/bin/cargo "$@"; }
}
