#!/bin/sh
# ptrace.sh: who may trace a process of a container.
# book/labs/ptrace.md shows it and says why. Verbs: stage, look, undo; all three without one.
label=host-safe needs="root strace setpriv"
# shellcheck source=book/labs/lab.sh
. "$(dirname "$0")/lab.sh"

stage() {
    background setpriv --reuid 1000 --regid 1000 --clear-groups step02 --user --map-root --no-init -- sleep 4321
    # shellcheck disable=SC2016 # evaluated there
    until_true 'ps -o comm= -g "$(cut -d " " -f 1 "$place/pids")" | grep -q sleep'
    try "boxstep run -d --name lab-traced --network none $image sleep 4321"
}

# It is traced until it has ended; it is ended when somebody traces it, or by the undo of a lab that is interrupted.
trace() {
    (
        until_true "grep -q 'TracerPid:.[1-9]' /proc/$1/status || [ ! -e /proc/$1 ]" && kill -9 "$1" 2>/dev/null
    ) &
    try "$2 strace -e trace=none -p $1"
    wait
}

look() {
    rootless=$(ps -o pid=,comm= -g "$(cut -d ' ' -f 1 "$place/pids")" | sed -n 's/^ *\([0-9]*\) sleep/\1/p')
    traced=$(pid_of lab-traced)
    user="setpriv --reuid 1000 --regid 1000 --clear-groups"
    try "$user strace -p $traced"
    try "boxstep exec lab-traced grep CapEff /proc/self/status"
    trace "$rootless" "$user"
    trace "$traced" ""
}

undo() {
    try "boxstep rm -f lab-traced"
}

lab "$@"
