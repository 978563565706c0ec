#!/bin/sh
# pidns.sh: one container sees the processes of another: it shares its PID namespace.
# book/labs/pidns.md shows it and says why. Verbs: stage, look, undo; all three without one.
label=host-safe needs="root"
# shellcheck source=book/labs/lab.sh
. "$(dirname "$0")/lab.sh"

stage() {
    try "boxstep run -d --name lab-main --network none $image sh -c 'exec sleep 4321'"
}

look() {
    main=$(pid_of lab-main)
    try "step07 --network none $image ps -o pid,args"
    try "step07 --network none --pid container:$main $image ps -o pid,args"
    try "step07 --network none --pid container:$main $image sh -c 'cat /proc/1/root/etc/motd; kill -0 1 && echo it may be signalled'"
    try "unshare --pid --fork sh -c 'echo I am \$\$; cat /proc/self/stat | cut -d \" \" -f 1'"
    try "unshare --pid --fork --mount-proc sh -c 'echo I am \$\$; cat /proc/self/stat | cut -d \" \" -f 1'"
}

undo() {
    try "boxstep rm -f lab-main"
}

lab "$@"
