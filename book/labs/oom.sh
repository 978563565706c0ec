#!/bin/sh
# oom.sh: the OOM killer strikes inside the cgroup, and one process dies, not the container.
# book/labs/oom.md shows it and says why. Verbs: stage, look, undo; all three without one.
label=host-safe needs="root cgroup2"
# shellcheck source=book/labs/lab.sh
. "$(dirname "$0")/lab.sh"

stage() {
    try "boxstep run -d --name lab-one --memory 24m --network none $image sh -c 'exec 2>&1; probe hog 64m; echo the shell lives, \$?; exec sleep 4321'"
    try "boxstep run -d --name lab-group --memory 24m --oom-group --network none $image sh -c 'exec 2>&1; probe hog 64m; echo the shell lives, \$?; exec sleep 4321'"
}

look() {
    until_true "boxstep logs lab-one | grep -q lives"
    until_true "boxstep inspect lab-group | grep -q '\"status\":\"exited\"'"
    group=/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$(pid_of lab-one)/cgroup")
    try "boxstep logs lab-one"
    try "cat $group/memory.max; grep oom_kill $group/memory.events"
    try "boxstep inspect lab-one lab-group | grep -E '\"(name|status|exitCode|oomKilled)\":'"
}

undo() {
    try "boxstep rm -f lab-one lab-group"
}

lab "$@"
