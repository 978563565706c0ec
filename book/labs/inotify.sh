#!/bin/sh
# inotify.sh: no space left on device, on an empty disk: the limit of inotify is per user, not per container.
# book/labs/inotify.md shows it and says why. Verbs: stage, look, undo; all three without one.
label=vm-only needs="root strace"
# shellcheck source=book/labs/lab.sh
. "$(dirname "$0")/lab.sh"

stage() {
    cat /proc/sys/fs/inotify/max_user_watches >"$place/before"
    echo one >"$place/one"
    echo two >"$place/two"
    try "echo 1 >/proc/sys/fs/inotify/max_user_watches"
    background step02 -- tail -f "$place/one"
    # shellcheck disable=SC2016 # evaluated there
    until_true 'cat $(ps -o pid= -g "$(cut -d " " -f 1 "$place/pids")" | sed "s, *\\(.*\\),/proc/\\1/fdinfo/*,") | grep -q "^inotify wd"'
    echo "a container watches a file"
}

look() {
    try "step02 -- tail -f --pid=999 $place/two"
    try "strace -f -e trace=inotify_add_watch -e signal=none step02 -- tail -f --pid=999 $place/two 2>&1 | grep -o 'inotify_add_watch.*' | head -n 1"
    try "df --output=ipcent,pcent $place | tail -n 1"
    try "cat /proc/sys/fs/inotify/max_user_watches"
}

undo() {
    try "cat $place/before >/proc/sys/fs/inotify/max_user_watches"
}

lab "$@"
