#!/bin/sh
# shared.sh: what has no namespace: the kernel's log, loop devices, keys, most settings.
# book/labs/shared.md shows it and says why. Verbs: stage, look, undo; all three without one.
label=vm-only needs="root losetup dmesg"
# shellcheck source=book/labs/lab.sh
. "$(dirname "$0")/lab.sh"

stage() {
    cat /proc/sys/vm/swappiness >"$place/before"
    truncate -s 1M "$place/disk"
    modprobe loop 2>/dev/null
    try "losetup --show -f $place/disk | tee $place/loop"
    try "echo said by the host >/dev/kmsg"
}

look() {
    loop=$(cat "$place/loop")
    try "step07 --network none --rootfs $rootfs -- cat /sys/block/${loop#/dev/}/loop/backing_file"
    try "step07 --network none --rootfs $rootfs -- dmesg"
    try "step07 --network none --cap-add SYSLOG --rootfs $rootfs -- dmesg | grep -c 'said by the host'"
    try "step07 --network none --rootfs $rootfs -- sh -c 'cat /proc/sys/vm/swappiness; echo 7 >/proc/sys/vm/swappiness'"
    try "step07 --network none --privileged --rootfs $rootfs -- sh -c 'echo 7 >/proc/sys/vm/swappiness'; cat /proc/sys/vm/swappiness"
}

undo() {
    try "cat $place/before >/proc/sys/vm/swappiness"
    for loop in $(losetup -n -O NAME -j "$place/disk"); do
        try "losetup -d $loop"
    done
}

lab "$@"
