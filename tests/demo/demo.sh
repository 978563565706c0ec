#!/bin/bash
# demo.sh: the main job from end to end, narrated: nginx pulled from a registry, run in a box, asked, looked at, stopped.
# VM=1: in the VM lab, where every limit can be set. DEMO_PUBLIC=NAME: the image that a public registry is asked for
# first. What is downloaded or made once is kept in build/demo; `demo.sh prepare` does that only. Called by `make demo`.
set -euo pipefail

here=$(dirname "$(realpath "$0")")
root=$(dirname "$(dirname "$here")")
build=$(realpath "${BUILD:-$root/build}")
cache=$build/demo
public=${DEMO_PUBLIC-docker.io/library/nginx:latest}
name=demo-nginx
began=$SECONDS

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$(printf '\033[1m') dim=$(printf '\033[2m') plain=$(printf '\033[0m')
else
    bold='' dim='' plain=''
fi

say() { # what comes, and why
    printf '\n%s%s%s\n' "$bold" "$*" "$plain"
}

note() {
    printf '%s%s%s\n' "$dim" "$*" "$plain"
}

show() { # a command, and what it says
    printf '%s$ %s%s\n' "$bold" "${*/#$build\//}" "$plain"
    "$@"
}

die() {
    printf 'demo.sh: %s\n' "$*" >&2
    exit 1
}

# ---- what the demo needs, made once -------------------------------------------------------------

prepare() {
    mkdir -p "$cache"
    "$here/packages.sh" "$cache/registry" docker-registry
    # shellcheck disable=SC2046 # a list of words
    "$here/packages.sh" "$cache/files" nginx busybox-static $(apt-cache depends -i nginx |
        sed -n 's/^ *Depends: \(lib[^ ]*\|zlib1g\|nginx-common\)$/\1/p' | sort -u)
    if [ ! -e "$cache/layout/index.json" ] || [ "$cache/files/.packages" -nt "$cache/layout/index.json" ] ||
        [ "$here/image.py" -nt "$cache/layout/index.json" ]; then
        "$here/image.py" "$cache/files" "$cache/layout"
    fi
}

# The image of the public registry, where there is a way to it. It is kept, like everything else.
fetch_public() {
    [ -n "$public" ] || return 1
    [ ! -s "$cache/public/manifest" ] || return 0
    local host=${public%%/*} digest
    case $host in
    docker.io) host="registry-1.docker.io" ;;
    esac
    case $host in
    localhost* | 127.*) host=http://$host ;;
    *) host=https://$host ;;
    esac
    curl --silent --output /dev/null --connect-timeout 3 --max-time 5 "$host/v2/" || return 1
    digest=$(timeout 100 "$build/boxstep-pull" --root "$cache/public" "$public" | sed -n 's/^Digest: //p') || return 1
    [ -n "$digest" ] || return 1
    echo "$digest" >"$cache/public/manifest"
}

in_the_vm() {
    "$root/tests/install.sh" vm
    "$root/tests/vm/setup.sh" "${VM_DIR:-$root/build/vm}"
    prepare
    exec "$root/tests/vm/run.sh" -d "${VM_DIR:-$root/build/vm}" -t 600 -w "$root" -- \
        env BUILD="$build" DEMO_PUBLIC= NO_COLOR="${NO_COLOR:-}" "$here/demo.sh"
}

# ---- the host, before and after ------------------------------------------------------------------

registry=''
cleanup() {
    local status=$?
    set +e
    [ ! -d "$scratch/run" ] || "$build/boxstep" rm -f "$name" >/dev/null 2>&1
    [ -z "$registry" ] || { kill "$registry" && wait "$registry"; } 2>/dev/null
    rm -rf "$scratch"
    exit "$status"
}

free_port() { # the first of its arguments that nobody listens on, else any
    python3 - "$@" <<'E'
import socket, sys
for port in [*map(int, sys.argv[1:]), 0]:
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("0.0.0.0", port))
        except OSError:
            continue
        print(s.getsockname()[1])
        break
E
}

start_registry() {
    local port
    port=$(free_port 5000)
    address=localhost:$port
    cat >"$scratch/registry.yml" <<E
version: 0.1
log: {level: error}
storage: {filesystem: {rootdirectory: $scratch/registry}}
http: {addr: "127.0.0.1:$port"}
E
    "$cache/registry/usr/bin/docker-registry" serve "$scratch/registry.yml" >"$scratch/registry.log" 2>&1 &
    registry=$!
    curl --silent --fail --retry 50 --retry-delay 0 --retry-connrefused --max-time 20 "http://$address/v2/" >/dev/null ||
        die "docker-registry does not answer: $(tail -n 3 "$scratch/registry.log")"
}

# ---- the main job --------------------------------------------------------------------------------

run_nginx() { # with the limit, or without one where the host cannot enforce it
    local limit=(--memory 64m) words
    while :; do
        words=(boxstep run -d --name "$name" -p "$port:80" "${limit[@]}" "$address/nginx")
        printf '%s$ %s%s\n' "$bold" "${words[*]}" "$plain"
        if "${words[@]}" 2>"$scratch/error"; then
            cat "$scratch/error" >&2
            return
        fi
        cat "$scratch/error" >&2
        if [ "${#limit[@]}" = 0 ] || ! grep -qi 'cgroup\|memory' "$scratch/error"; then
            die "nginx does not start"
        fi
        note "This host cannot enforce the limit, so it is left out; VM=1 shows it at work."
        boxstep rm -f "$name" >/dev/null 2>&1 || true
        limit=()
    done
}

wait_for() { # TEXT COMMAND…: until COMMAND says TEXT
    local text=$1 tries=0
    shift
    while [ "$((tries += 1))" -le 100 ]; do
        if "$@" 2>/dev/null | grep -q "$text"; then
            return 0
        fi
        sleep 0.1
    done
    die "waited in vain for '$text' from: $*"
}

main() {
    for program in boxstep boxstep-pull boxstep-unpack; do
        [ -x "$build/$program" ] || die "$build/$program is not built"
    done
    scratch=$(mktemp -d /var/tmp/boxstep-demo.XXXXXX)
    trap cleanup EXIT
    trap 'exit 130' INT TERM
    export PATH=$build:$PATH BOXSTEP_ROOT=$scratch/store BOXSTEP_RUN=$scratch/run
    [ -n "${IN_VM:-}" ] || prepare

    say "The host, before: what is mounted, linked, filtered, grouped"
    "$here/host.py" "$scratch/before"

    say "An image of nginx, in a registry on this machine"
    start_registry
    port=$(free_port 8080)
    if fetch_public; then
        note "from the public registry: $public"
        "$here/push.py" "$cache/public:$(cat "$cache/public/manifest")" "$address/nginx:latest"
    else
        note "no public registry can be reached from here: three layers made from Debian's own nginx package"
        "$here/push.py" "$cache/layout:latest" "$address/nginx:latest"
    fi

    say "Pull: the name becomes a manifest, the manifest layers, the layers directories"
    show boxstep pull "$address/nginx"
    show boxstep images

    say "Run: namespaces, a cgroup, an overlay of the layers, a network; then exec"
    run_nginx
    wait_for "Welcome to nginx" curl --silent --max-time 2 "http://localhost:$port/"

    say "Ask: port $port of the host is port 80 of the box"
    show curl --silent --max-time 5 "http://localhost:$port/"

    say "Look: from outside, at what it wrote, and from inside, where nginx is PID 1"
    show boxstep ps
    wait_for "GET / HTTP" boxstep logs "$name"
    show boxstep logs "$name"
    show boxstep exec "$name" cat /proc/1/comm
    show boxstep exec "$name" cat /sys/fs/cgroup/memory.max || note "no memory controller of cgroup v2 on this host"

    say "Stop: SIGQUIT, as the image asks, and nginx ends by itself"
    show boxstep stop "$name"
    show boxstep ps -a
    show boxstep rm "$name"

    say "The host, afterwards"
    { kill "$registry" && wait "$registry"; } 2>/dev/null || true
    registry=''
    sleep 0.3 # a network namespace is torn down a little after its last process
    "$here/host.py" "$scratch/before"
    note "$((SECONDS - began)) seconds"
}

if [ "${1:-}" = prepare ]; then
    prepare
    exit
fi
if [ -n "${VM:-}" ] && [ -z "${IN_VM:-}" ]; then
    in_the_vm
fi
main
