#!/usr/bin/env bash
# Installs what this project is built with. Run it as often as you like: it only adds what is missing.
#
#   ./setup.sh               the task runner `just`, and a Rust toolchain that can build for WASI; in a released
#                            checkout, whose programs can be downloaded (.ci/prebuilt), these instead of the toolchain
#   ./setup.sh --toolchain   the toolchain alone (recipes that compile ask for it)
#   ./setup.sh --route       only prints how the WASI module is built on this machine: `rustup` or `debian`
#   ./setup.sh --cross TRIPLE   also what a runner for another CPU is built with (`just dist` asks for it)
#   ./setup.sh --emulator CPU   also what runs it here (`just same-bytes` asks for it)
#
# WASI_TOOLCHAIN=rustup|debian forces a route. Without it, rustup's target is taken where it is installed
# or can be; Debian's own packages (which need no server but Debian's) serve otherwise.
set -euo pipefail

DEBIAN_PACKAGES=(rustc-web cargo-web rust-web-src wasi-libc lld-22)
TARGET=wasm32-wasip1

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }

rustup_ready() {
  has rustc && [ -d "$(rustc --print target-libdir --target "$TARGET" 2>/dev/null)" ]
}

debian_ready() {
  [ -x /usr/bin/cargo ] && [ -x /usr/bin/rustc ] && has wasm-ld-22 && [ -f /usr/lib/wasm32-wasi/crt1-command.o ] &&
    compgen -G '/usr/src/rustc-*/library/std/Cargo.toml' >/dev/null
}

route() {
  case "${WASI_TOOLCHAIN:-}" in
    rustup | debian) echo "$WASI_TOOLCHAIN" ;;
    "") if rustup_ready; then echo rustup; elif debian_ready; then echo debian; else return 1; fi ;;
    *) fail "WASI_TOOLCHAIN is '$WASI_TOOLCHAIN'; it can be 'rustup' or 'debian'" ;;
  esac
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif has sudo; then sudo "$@"
  else fail "need root to run: $* (no sudo here; run that as root, then this script again)"
  fi
}

apt_install() {
  has apt-get || return 1
  say "installing Debian packages: $*"
  as_root apt-get -qq -o DPkg::Lock::Timeout=600 update >&2 || say "apt-get update failed; trying with the lists there are"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=600 \
    install --no-install-recommends "$@" >&2
}

install_rustup_target() {
  has rustup || return 1
  say "adding the target $TARGET by rustup"
  rustup target add "$TARGET" >&2 && rustup_ready
}

install_debian_route() { apt_install "${DEBIAN_PACKAGES[@]}" && debian_ready; }

install_native_toolchain() {
  if ! has cargo; then
    apt_install rustc-web cargo-web rustfmt-web rust-web-clippy ||
      fail "no cargo here: install Rust from https://rustup.rs and run this script again"
  fi
  has cc || apt_install gcc libc6-dev || fail "no C compiler here: install gcc or clang and run this script again"
}

install_wasi_toolchain() {
  case "${WASI_TOOLCHAIN:-}" in
    rustup) rustup_ready || install_rustup_target || fail "rustup could not add $TARGET (WASI_TOOLCHAIN=debian uses Debian's packages)" ;;
    debian) debian_ready || install_debian_route || fail "could not install ${DEBIAN_PACKAGES[*]} (is this a Debian 12 or later?)" ;;
    *)
      rustup_ready || debian_ready || install_rustup_target || install_debian_route ||
        fail "neither rustup ('rustup target add $TARGET') nor Debian's packages (${DEBIAN_PACKAGES[*]}) gave a WASI toolchain" ;;
  esac
}

# The recipes are grouped, which `just` can since this version.
JUST_NEEDED=1.27.0

just_ready() {
  has just && printf '%s\n' "$JUST_NEEDED" "$(just --version | cut -d' ' -f2)" | sort -CV
}

# Built by its authors for most systems (.ci/just.txt has the digests); compiling it takes two minutes.
install_just() {
  ! just_ready || return 0
  local bin=${CARGO_HOME:-$HOME/.cargo}/bin
  folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT
  if python3 -m pip --version >/dev/null 2>&1; then
    say "installing the task runner just from PyPI"
    PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --no-deps \
      --only-binary=:all: --require-hashes --target "$folder" --requirement "$here/.ci/just.txt" >&2 || true
  fi
  mkdir -p "$bin"
  if [ -x "$folder/bin/just" ]; then
    mv "$folder/bin/just" "$bin/just"
  else
    say "compiling the task runner just (about 2 minutes)"
    install_native_toolchain
    env -u CARGO_TARGET_DIR cargo install --quiet --locked --force just >&2
  fi
  hash -r
  # A cargo that came from Debian leaves its own folder out of PATH. What lies in /usr/local/bin is somebody's, and stays.
  if ! just_ready && [ ! -e /usr/local/bin/just ] && [ ! -L /usr/local/bin/just ]; then
    as_root ln -s "$bin/just" /usr/local/bin/just && say "linked just into /usr/local/bin"
    hash -r
  fi
  just_ready || fail "the just that PATH finds is not $JUST_NEEDED or newer: put $bin first in PATH"
}

install_toolchain() {
  install_native_toolchain
  install_wasi_toolchain
}

# Both routes link with Debian's cross compiler; the standard library comes from where the compiler does.
install_cross() {
  local triple=$1 cpu=${1%%-*} here route
  here=$(uname -m) route=$(route) || fail "no WASI toolchain here yet: run ./setup.sh --toolchain"
  local -A debian_names=([x86_64]=amd64 [aarch64]=arm64)
  local debian=${debian_names[$cpu]:-} packages=()
  [ -n "$debian" ] || fail "'$triple' is no triple that a runner is built for"
  if [ "$route" = rustup ]; then
    [ -d "$(rustc --print target-libdir --target "$triple")" ] || rustup target add "$triple" >&2
  elif [ "$cpu" != "$here" ] && [ ! -d "/usr/lib/rustlib/$triple/lib" ]; then
    as_root dpkg --add-architecture "$debian"
    packages+=("libstd-rust-web-dev:$debian")
  fi
  if [ "$cpu" != "$here" ] && ! { has "$cpu-linux-gnu-gcc" && [ -f "/usr/$cpu-linux-gnu/lib/libc.a" ]; }; then
    packages+=("gcc-${cpu//_/-}-linux-gnu" "libc6-dev-$debian-cross")
  fi
  [ ${#packages[@]} = 0 ] || apt_install "${packages[@]}" || fail "could not install ${packages[*]}"
}

install_emulator() {
  [ "$1" = "$(uname -m)" ] || has "qemu-$1-static" || apt_install qemu-user-static || fail "could not install qemu-user-static"
}

route_asked=$(route || true) # an unknown WASI_TOOLCHAIN is refused before anything is installed
case "${1:-}" in
  --cross) install_cross "${2:?a triple}" ;;
  --emulator) install_emulator "${2:?x86_64 or aarch64}" ;;
  --route) route || fail "no WASI toolchain here yet: run ./setup.sh --toolchain" ;;
  --toolchain) install_toolchain ;;
  "")
    install_just
    if "$here/.ci/prebuilt"; then
      say "ready: the released programs are in dist/; $(just --version). Next: just demo"
    else
      install_toolchain
      say "ready: $(cargo --version | cut -d' ' -f1-2); WASI module by ${route_asked:-$(route)}; $(just --version). Next: just demo"
    fi
    ;;
  *) fail "unknown argument '$1'; see the comment at the top of this file" ;;
esac
