#!/bin/sh
# keys.sh: the keys of keyrings(7) belong to a session and to a user id, and to no container.
# book/labs/keys.md shows it and says why. Verbs: stage, look, undo; all three without one.
label=host-safe needs="root"
# shellcheck source=book/labs/lab.sh
. "$(dirname "$0")/lab.sh"

session="probe key-session lab key-add @s lab-session 'of who called' exec"
open="--network none --seccomp unconfined"

stage() {
    try "probe key-add @u lab-user 'of user 0'"
}

look() {
    echo "# the keyring of the session goes from parent to child"
    try "$session step06 --network none --rootfs $rootfs -- probe key-read @s lab-session"
    echo "# a session keyring of the container's own"
    try "$session boxstep run --rm $open $image probe key-read @s lab-session"
    echo "# the keyring of the user id"
    try "boxstep run --rm $open $image probe key-read @u lab-user key-link @u @s key-read @s lab-user"
    try "boxstep run --rm $open --userns auto $image probe key-read @u lab-user key-link @u @s key-read @s lab-user"
    echo "# with the usual filter"
    try "boxstep run --rm --network none $image probe key-read @u lab-user key-add @s mine x"
    try "boxstep run --rm --network none $image sh -c 'wc -c </proc/keys'"
}

undo() {
    try "probe key-remove @u lab-user"
}

lab "$@"
