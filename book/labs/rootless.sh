#!/bin/sh
# rootless.sh: four containers, and who each is on the host: root, USER, a user namespace of root's, and rootless.
# book/labs/rootless.md shows it and says why. Verbs: stage, look, undo; all three without one.
label=host-safe needs="root setpriv pgrep"
# shellcheck source=book/labs/lab.sh
. "$(dirname "$0")/lab.sh"

stage() {
    try "boxstep run -d --name lab-root --network none $image sleep 4321"
    try "boxstep run -d --name lab-user -u 1000 --network none $image sleep 4321"
    try "boxstep run -d --name lab-auto --userns auto --network none $image sleep 4321"
    user="setpriv --reuid=1000 --regid=1000 --clear-groups"
    echo "+ $user step03 --user --map-root --rootfs $rootfs -- sleep 4321 &"
    # shellcheck disable=SC2086 # words
    background $user step03 --user --map-root --rootfs "$rootfs" -- sleep 4321
    until_true "grep -q 1000 /proc/\$(rootless)/uid_map"
}

# The first process of the container that the ordinary user has made.
rootless() {
    pgrep -P "$(cut -d ' ' -f 1 "$place/pids")"
}

look() {
    for box in "$(pid_of lab-root)" "$(pid_of lab-user)" "$(pid_of lab-auto)" "$(rootless)"; do
        try "cat /proc/$box/uid_map; ps -o uid= -p $box"
        [ "$(readlink "/proc/$box/ns/user")" = "$(readlink /proc/self/ns/user)" ] && whose="the host's" || whose="its own"
        echo "user namespace: $whose"
    done
}

undo() {
    try "boxstep rm -f lab-root lab-user lab-auto"
}

lab "$@"
