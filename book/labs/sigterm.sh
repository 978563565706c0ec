#!/bin/sh
# sigterm.sh: a first process without a handler does not see SIGTERM.
# book/labs/sigterm.md shows it and says why. Verbs: stage, look, undo; all three without one.
label=host-safe needs="root"
# shellcheck source=book/labs/lab.sh
. "$(dirname "$0")/lab.sh"

stage() {
    try "boxstep run -d --name lab-deaf --network none $image sleep 4321"
    try "boxstep run -d --name lab-listens --network none $image sh -c 'trap \"exit 0\" TERM; sleep 4321 & wait'"
    try "boxstep run -d --init --name lab-below --network none $image sleep 4321"
}

look() {
    until_true "grep -q '^SigCgt:.*4[0-9a-f]\{3\}$' /proc/$(pid_of lab-listens)/status"
    for box in deaf listens; do
        try "grep -E '^(Name|SigCgt):' /proc/$(pid_of lab-$box)/status"
    done
    try "boxstep exec lab-below ps -o pid,args | head -n 3"
    try "boxstep stop -t 1 lab-deaf; boxstep stop -t 60 lab-listens lab-below"
    try "boxstep inspect lab-deaf lab-listens lab-below | grep -E '\"(name|exitCode)\":'"
}

undo() {
    try "boxstep rm -f lab-deaf lab-listens lab-below"
}

lab "$@"
