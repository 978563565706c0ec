#!/bin/sh
# eof.sh: a shell without a terminal reads the end of its input, and the container is over.
# book/labs/eof.md shows it and says why. Verbs: stage, look, undo; all three without one.
label=host-safe needs="root"
# shellcheck source=book/labs/lab.sh
. "$(dirname "$0")/lab.sh"

stage() {
    try "boxstep run -d --name lab-eof --network none $image sh"
    try "boxstep run -d -t --name lab-terminal --network none $image sh"
}

look() {
    until_true 'boxstep inspect lab-eof | grep -q "\"status\":\"exited\""'
    try "boxstep inspect lab-eof lab-terminal | grep -E '\"(name|status|exitCode|tty)\":'"
    try "readlink /proc/$(pid_of lab-terminal)/fd/0"
    try "echo 'echo I read this from a pipe' | boxstep run -i --rm --network none $image sh"
    try "boxstep run --rm --network none $image readlink /proc/self/fd/0"
}

undo() {
    try "boxstep rm -f lab-eof lab-terminal"
}

lab "$@"
