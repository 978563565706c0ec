#!/bin/sh
# pod.sh: a pod by hand: a pause process that holds the namespaces, and two containers that join them.
# book/08a-the-pod.md shows it and says why. Verbs: stage, look, undo; all three without one.
label=host-safe needs="root"
# shellcheck source=book/labs/lab.sh
. "$(dirname "$0")/lab.sh"

# ANCHOR: bundle
# bundle NAME NAMESPACES ARGS: a bundle, which is a directory with config.json beside a root.
bundle() {
    mkdir -p "$place/$1"
    cat >"$place/$1/config.json" <<END
{ "ociVersion": "1.2.0",
  "root": { "path": "$(realpath "$rootfs")", "readonly": true },
  "process": { "cwd": "/", "user": { "uid": 0, "gid": 0 },
    "env": [ "PATH=/bin" ], "args": [ $3 ] },
  "mounts": [
    { "destination": "/proc", "type": "proc", "source": "proc" },
    { "destination": "/tmp", "type": "tmpfs", "source": "tmpfs" } ],
  "linux": { "namespaces": [ { "type": "mount" }, $2 ] } }
END
}
# ANCHOR_END: bundle

number() {
    boxstep-oci state "$1" | sed -n 's/.*"pid": *\([0-9]*\).*/\1/p'
}

# ANCHOR: pod
stage() {
    bundle pause '{ "type": "network" }, { "type": "ipc" }, { "type": "uts" }, { "type": "pid" }' \
        '"sleep", "4321"'
    try "boxstep-oci create --bundle $place/pause lab-pause >$place/pause.log 2>&1 && boxstep-oci start lab-pause"
    pause=$(number lab-pause)
    joined=
    for kind in network:net ipc:ipc uts:uts pid:pid; do
        joined="${joined:+$joined, }{ \"type\": \"${kind%:*}\", \"path\": \"/proc/$pause/ns/${kind#*:}\" }"
    done
    bundle web "$joined" '"probe", "listen", "tcp", "127.0.0.1", "8080", "web"'
    bundle side "$joined" '"sleep", "4322"'
    try "boxstep-oci create --bundle $place/web lab-web >$place/web.log 2>&1 && boxstep-oci start lab-web"
    try "boxstep-oci create --bundle $place/side lab-side >$place/side.log 2>&1 && boxstep-oci start lab-side"
}
# ANCHOR_END: pod

look() {
    try "boxstep-oci exec lab-side ps -o pid,args | head -n 4"
    try "boxstep-oci exec lab-side probe connect tcp 127.0.0.1 8080 x"
    for kind in net ipc uts pid mnt; do
        try "readlink /proc/$(number lab-pause)/ns/$kind /proc/$(number lab-web)/ns/$kind /proc/$(number lab-side)/ns/$kind | uniq | wc -l"
    done
    try "boxstep-oci exec lab-web touch /tmp/file; boxstep-oci exec lab-side ls /tmp"
    try "boxstep-oci kill lab-web KILL"
    until_true "boxstep-oci state lab-web | grep -q stopped"
    try "boxstep-oci exec lab-side probe connect tcp 127.0.0.1 8080 x"
    try "boxstep-oci kill lab-pause KILL"
    until_true "boxstep-oci state lab-side | grep -q stopped"
    try "boxstep-oci state lab-side | grep status"
}

undo() {
    for box in side web pause; do
        try "boxstep-oci delete --force lab-$box"
    done
}

lab "$@"
