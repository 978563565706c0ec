#!/bin/sh
# namespaces.sh: ten links in /proc/PID/ns, and which of them a container has of its own.
# book/labs/namespaces.md shows it and says why. Verbs: stage, look, undo; all three without one.
label=host-safe needs="root lsns"
# shellcheck source=book/labs/lab.sh
. "$(dirname "$0")/lab.sh"

stage() {
    try "boxstep run -d --name lab-spaces --network none $image sleep 4321"
}

look() {
    inside=$(pid_of lab-spaces)
    try "ls /proc/$inside/ns"
    for kind in cgroup ipc mnt net pid time user uts; do
        [ "$(readlink /proc/self/ns/$kind)" = "$(readlink "/proc/$inside/ns/$kind")" ] && own=shared || own="of its own"
        echo "$kind: $own"
    done
    try "readlink /proc/$inside/ns/uts /proc/$inside/ns/user"
    try "lsns -p $inside -n -o TYPE,NPROCS,COMMAND | grep sleep"
}

undo() {
    try "boxstep rm -f lab-spaces"
}

lab "$@"
