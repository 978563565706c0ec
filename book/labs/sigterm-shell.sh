#!/bin/sh
# sigterm-shell.sh: a shell that waits for a command does not pass SIGTERM on to it.
# book/labs/sigterm-shell.md shows it and says why. Verbs: stage, look, undo; all three without one.
label=host-safe needs="root"
# shellcheck source=book/labs/lab.sh
. "$(dirname "$0")/lab.sh"

stage() {
    try "boxstep run -d --name lab-waits --network none $image sh -c 'probe catch 1; echo after'"
    try "boxstep run -d --name lab-trapped --network none $image sh -c 'trap \"echo the shell got it\" TERM; probe catch 1; echo after'"
    try "boxstep run -d --name lab-execs --network none $image sh -c 'exec probe catch 1'"
}

look() {
    for box in waits trapped execs; do
        until_true "boxstep logs lab-$box | grep -q ready"
    done
    try "boxstep exec lab-waits ps -o pid,args | head -n 3"
    try "boxstep exec lab-execs ps -o pid,args | head -n 2"
    try "boxstep stop -t 1 lab-waits lab-trapped; boxstep stop -t 60 lab-execs"
    for box in waits trapped execs; do
        try "boxstep logs lab-$box; boxstep inspect lab-$box | grep exitCode"
    done
}

undo() {
    try "boxstep rm -f lab-waits lab-trapped lab-execs"
}

lab "$@"
