#!/bin/sh
# exited.sh: a container that ends at once, because its first process does.
# book/labs/exited.md shows it and says why. Verbs: stage, look, undo; all three without one.
label=host-safe needs="root"
# shellcheck source=book/labs/lab.sh
. "$(dirname "$0")/lab.sh"

stage() {
    try "boxstep run -d --name lab-exited --network none $image sh -c 'sleep 4321 & echo the server is started'"
    try "boxstep run -d --name lab-stays --network none $image sh -c 'echo the server is started; exec sleep 4321'"
}

look() {
    until_true 'boxstep inspect lab-exited | grep -q "\"status\":\"exited\""'
    try "boxstep logs lab-exited"
    try "boxstep inspect lab-exited lab-stays | grep -E '\"(name|status|exitCode)\":'"
    try "boxstep exec lab-stays ps -o pid,args"
}

undo() {
    try "boxstep rm -f lab-exited lab-stays"
}

lab "$@"
