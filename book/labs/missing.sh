#!/bin/sh
# missing.sh: a file that is there on the host and missing inside: another view, not another disk.
# book/labs/missing.md shows it and says why. Verbs: stage, look, undo; all three without one.
label=host-safe needs=root
# shellcheck source=book/labs/lab.sh
. "$(dirname "$0")/lab.sh"

wait_and_cat='until [ -e /data/go ]; do sleep 0.1; done; cat /data/disk/file; grep " /data" /proc/self/mountinfo | cut -d " " -f 5,7 | sed "s,:.*,,"'

stage() {
    mkdir -p "$place/data"
    mount --bind "$place/data" "$place/data"
    mount --make-private "$place/data"
    mount --make-shared "$place/data"
    mkdir "$place/data/disk"
    for box in rprivate rslave; do
        echo "a container with --bind $place/data:/data:$box waits"
        background step07 --network none --rootfs "$rootfs" --bind "$place/data:/data:$box" -- \
            sh -c "echo runs; $wait_and_cat; echo done"
        mv "$place/out" "$place/$box"
    done
    until_true "grep -q runs $place/rprivate && grep -q runs $place/rslave"
}

look() {
    try "mount -t tmpfs disk $place/data/disk; echo here >$place/data/disk/file; cat $place/data/disk/file"
    touch "$place/data/go"
    until_true "grep -q done $place/rprivate && grep -q done $place/rslave"
    try "cat $place/rprivate"
    try "cat $place/rslave"
}

undo() {
    end_background
    umount "$place/data/disk"
    umount "$place/data"
}

lab "$@"
