#!/bin/sh
# cgroup-path.sh: what /proc/PID/cgroup says, from outside and from inside.
# book/labs/cgroup-path.md shows it and says why. Verbs: stage, look, undo; all three without one.
label=host-safe needs="root cgroup2"
# shellcheck source=book/labs/lab.sh
. "$(dirname "$0")/lab.sh"

stage() {
    try "boxstep run -d --name lab-path --network none $image sleep 4321"
}

look() {
    pid=$(pid_of lab-path)
    try "cat /proc/$pid/cgroup"
    try "boxstep exec lab-path cat /proc/self/cgroup /proc/1/cgroup"
    try "boxstep exec lab-path sh -c 'cat /sys/fs/cgroup/cgroup.procs | head -n 1; ls -d /sys/fs/cgroup/*/'"
    try "unshare --cgroup cat /proc/$pid/cgroup"
}

undo() {
    try "boxstep rm -f lab-path"
}

lab "$@"
