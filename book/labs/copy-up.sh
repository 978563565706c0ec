#!/bin/sh
# copy-up.sh: one byte written to a large file of an image copies all of it.
# book/labs/copy-up.md shows it and says why. Verbs: stage, look, undo; all three without one.
label=host-safe needs="root"
# shellcheck source=book/labs/lab.sh
. "$(dirname "$0")/lab.sh"

stage() {
    mkdir "$place/lower" "$place/upper"
    try "head -c 64M /dev/zero >$place/lower/large; chmod 644 $place/lower/large"
    try "cp -r $rootfs/. $place/root"
}

look() {
    run="step05 --lower $place/lower:$place/root --upper $place/upper --"
    try "$run cat /large | wc -c; du -m --apparent-size $place/upper/large"
    try "$run sh -c 'echo x >>/large'; du -m --apparent-size $place/upper/large"
    rm -f "$place/upper/large"
    try "$run chmod 600 /large; du -m --apparent-size $place/upper/large"
    rm -f "$place/upper/large"
    try "$run touch /large; du -m --apparent-size $place/upper/large"
    try "$run rm /large; ls -l $place/upper/large"
    try "du -m --apparent-size $place/lower/large"
}

undo() {
    :
}

lab "$@"
