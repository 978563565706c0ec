#!/bin/sh
# nobody.sh: a file that is owned by nobody inside: its owner has no number in the user namespace.
# book/labs/nobody.md shows it and says why. Verbs: stage, look, undo; all three without one.
label=host-safe needs="root"
# shellcheck source=book/labs/lab.sh
. "$(dirname "$0")/lab.sh"

stage() {
    mkdir "$place/data"
    try "echo secret >$place/data/file; chmod 600 $place/data/file; ls -ln $place/data/file"
    try "boxstep run -d --userns auto --name lab-plain --network none -v $place/data:/data $image sleep 4321"
    try "boxstep run -d --userns auto --name lab-idmapped --network none -v $place/data:/data:idmap $image sleep 4321"
}

look() {
    try "boxstep exec lab-plain sh -c 'id -u; ls -ln /data/file; cat /data/file; chown 0 /data/file'"
    try "cat /proc/$(pid_of lab-plain)/uid_map"
    try "boxstep exec lab-idmapped sh -c 'id -u; ls -ln /data/file; cat /data/file'"
    try "cat /proc/$(pid_of lab-idmapped)/uid_map"
}

undo() {
    try "boxstep rm -f lab-plain lab-idmapped"
}

lab "$@"
