# Read by nomad-demo and nomad-thousand: a Nomad agent on loopback with files to download, in a folder of its own. All of
# it goes when the script that reads this ends, however it ends.

die() {
  echo "$(basename "$0"): $1" >&2
  exit 1
}

command -v nomad >/dev/null || die "there is no \`nomad\` on the PATH: install it (https://developer.hashicorp.com/nomad/install), 1.8 or later"
[ "$(id -u)" = 0 ] || die "Nomad's exec driver needs root: sudo -E env PATH=\"\$PATH\" just $(basename "$0")"
for tool in pkill python3 setsid sha256sum; do
  command -v "$tool" >/dev/null || die "$tool is needed"
done

case $(uname -m) in # in the words of Nomad's ${attr.cpu.arch}
  x86_64) arch=amd64 ;;
  aarch64) arch=arm64 ;;
  *) die "there is no runner for $(uname -m)" ;;
esac

work=$(mktemp -d "${TMPDIR:-/tmp}/nomad-runner.XXXXXX")
chmod 755 "$work"
agent= files= sessions=()

end() {
  local status=$?
  set +e
  trap '' INT TERM
  if [ -n "$agent" ] && kill -0 "$agent" 2>/dev/null; then
    # Tasks outlive an agent that is no -dev one: they are stopped first.
    for job in "${jobs[@]}"; do nomad job stop -purge -detach "$job" >/dev/null 2>&1; done
    for job in $(nomad operator api '/v1/jobs?filter=Status!="dead"' 2>/dev/null | grep -o '"ID":"[^"]*"' | cut -d'"' -f4); do
      nomad job stop -detach "$job" >/dev/null 2>&1
    done
    for _ in $(seq 100); do
      grep -q " $work/.*/proc " /proc/self/mounts || break
      sleep 0.1
    done
    kill -TERM "$agent" && wait "$agent" 2>/dev/null
  fi
  [ -z "$files" ] || kill "$files" 2>/dev/null
  # What a killed agent left: processes of its session, and those that have a file below the folder open.
  for session in "${sessions[@]}"; do pkill -KILL -s "$session"; done
  for process in /proc/[0-9]*; do
    ! find "$process/fd" -lname "$work/*" -print -quit 2>/dev/null | grep -q . || kill -KILL "${process#/proc/}"
  done
  grep -o " $work/[^ ]*" /proc/self/mounts | sort -r | xargs -r umount -l
  rm -rf --one-file-system "$work"
  exit "$status"
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
jobs=(sales-close-prediction)

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# lay_out FOLDER: what a cluster downloads, from the package or, where there is none, from the everyday build.
# `runner` is then a runner that this machine starts, `libraries` what that one needs in a chroot.
lay_out() {
  local version package sums
  version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
  package=${PACKAGE:-dist/$version}
  mkdir -p "$1"
  if [ -r "$package/SHA256SUMS" ]; then
    echo "files of the package $package"
    cp "$package/runner-$arch" "$package/workload.wasm" "$package/workload-$arch.cwasm" "$1/"
  else
    echo "there is no package in $package (\`just package\` makes one): the everyday build is used"
    [ -n "${RUNNER:-}" ] || just build
    [ -e dist/workload.wasm ] || just guest
    strip -o "$1/runner-$arch" "${RUNNER:-dist/runner}" 2>/dev/null || cp "${RUNNER:-dist/runner}" "$1/runner-$arch"
    cp dist/workload.wasm "$1/"
    "$1/runner-$arch" compile "$1/workload.wasm" --output "$1/workload-$arch.cwasm" >/dev/null
  fi
  sums=$(cd "$1" && sha256sum -- *) && echo "$sums" >"$1/SHA256SUMS"
  runner=$(realpath "$1/runner-$arch")
  # The runner of the package is static and needs none.
  libraries=$(ldd "$runner" 2>/dev/null | grep -o '/[^ ]*' || true)
}

# serve FOLDER: on loopback; `address` is where.
serve() {
  local port
  port=$(free_port)
  setsid python3 -m http.server "$port" --bind 127.0.0.1 --directory "$1" >/dev/null 2>&1 &
  files=$!
  address=http://127.0.0.1:$port
  for _ in $(seq 100); do
    ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || return 0
    sleep 0.1
  done
  die "the server of files does not start"
}

# configure: the agent's folders and ports, and host volumes that belong to the user of the tasks.
configure() {
  local http rpc serf name file
  http=$(free_port) rpc=$(free_port) serf=$(free_port)
  export NOMAD_ADDR=http://127.0.0.1:$http
  unset NOMAD_TOKEN NOMAD_NAMESPACE NOMAD_REGION NOMAD_CACERT NOMAD_CAPATH NOMAD_CLIENT_CERT NOMAD_CLIENT_KEY
  {
    echo "data_dir = \"$work/agent\""
    echo "ports {"; echo "  http = $http"; echo "  rpc = $rpc"; echo "  serf = $serf"; echo "}"
    echo "advertise {"; for name in http rpc serf; do echo "  $name = \"127.0.0.1\""; done; echo "}"
    echo "server {"; echo "  enabled = true"; echo "  bootstrap_expect = 1"; echo "}"
    echo "client {"; echo "  enabled = true"; echo "  servers = [\"127.0.0.1:$rpc\"]"
    for name in store cache; do
      install -d -o nobody -m 0755 "$work/$name"
      echo "  host_volume \"$name\" {"; echo "    path = \"$work/$name\""; echo "  }"
    done
    # Whoever takes a snapshot writes to these two, and is not `nobody`.
    install -d -o nobody -m 0755 "$work/store/_data" "$work/store/_tmp"
    echo "  host_volume \"snapshots\" {"; echo "    path = \"$work/store/_data\""; echo "    read_only = true"; echo "  }"
    echo "  chroot_env = {"
    for file in $libraries; do echo "    \"$(realpath "$file")\" = \"$file\""; done
    echo "  }"; echo "}"
  } >"$work/agent.hcl"
}

# In an environment without the caller's variables: exec tasks inherit it. In a session of its own: Ctrl-C is for the script,
# which stops the tasks before the agent.
start_agent() {
  setsid env -i PATH="$PATH" nomad agent "$@" -config=jobs/agent.dev.hcl -config="$work/agent.hcl" >>"$work/agent.log" 2>&1 &
  agent=$!
  sessions+=("$agent")
  for _ in $(seq 300); do
    kill -0 "$agent" 2>/dev/null || { tail -5 "$work/agent.log" >&2; die "the agent ended"; }
    if nomad operator api /v1/nodes 2>/dev/null | grep -q '"Status":"ready"'; then return 0; fi
    sleep 0.2
  done
  tail -5 "$work/agent.log" >&2
  die "the agent is not ready after a minute"
}

# variables FOLDER [LINE…]: the job's, to stdout.
variables() {
  jobs/variables.sh "$1" "$address"
  shift
  printf '%s\n' "architectures = [\"$arch\"]" "store = \"file://$work/store\"" 'store_volume = "store"' "$@"
}
