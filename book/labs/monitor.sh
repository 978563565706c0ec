#!/bin/sh
# monitor.sh: the host notices when a container ends; what is lost when the one who waits for it dies first.
# book/labs/monitor.md shows it and says why. Verbs: stage, look, undo; all three without one.
label=host-safe needs="root"
# shellcheck source=book/labs/lab.sh
. "$(dirname "$0")/lab.sh"

stage() {
    try "boxstep run -d --name lab-watched --network none $image sh -c 'trap \"exit 5\" TERM; sleep 4321 & wait'"
    try "boxstep run -d --name lab-orphan --network none $image sh -c 'trap \"exit 5\" TERM; sleep 4321 & wait'"
}

look() {
    for box in watched orphan; do
        until_true "grep -q '^SigCgt:.*4[0-9a-f]\{3\}$' /proc/$(pid_of lab-$box)/status"
    done
    watched=$(pid_of lab-watched)
    orphan=$(pid_of lab-orphan)
    try "ps -o pid,ppid,comm -p $watched"
    monitor=$(ps -o ppid= -p "$orphan" | tr -d ' ')
    try "kill -TERM $watched; kill -9 $monitor"
    for pid in $watched $orphan; do
        until_true "! grep -q '^State:.[^ZX]' /proc/$pid/status"
    done
    try "boxstep ps -q | wc -l"
    try "boxstep inspect lab-watched lab-orphan | grep -E '\"(name|status|exitCode|error)\":'"
}

undo() {
    try "boxstep rm -f lab-watched lab-orphan"
}

lab "$@"
