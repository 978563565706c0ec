#!/bin/sh
# nsenter.sh: nsenter is not what an engine's exec does: cgroup, capabilities and filter stay the caller's.
# book/labs/nsenter.md shows it and says why. Verbs: stage, look, undo; all three without one.
label=host-safe needs="root cgroup2 nsenter"
# shellcheck source=book/labs/lab.sh
. "$(dirname "$0")/lab.sh"

stage() {
    try "boxstep run -d --name lab-entered --memory 64m --network none $image sleep 4321"
}

look() {
    pid=$(pid_of lab-entered)
    try "boxstep exec lab-entered sh -c 'echo I am a child of \$PPID; cat /proc/self/cgroup; grep -E \"CapEff|Seccomp:|NoNew\" /proc/self/status'"
    try "nsenter -t $pid -a sh -c 'cat /proc/self/cgroup; grep -E \"CapEff|Seccomp:|NoNew\" /proc/self/status'"
}

undo() {
    try "boxstep rm -f lab-entered"
}

lab "$@"
