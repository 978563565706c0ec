#!/bin/sh
# chroot.sh: a chroot is left through a descriptor that is still open; a container's process has none.
# book/labs/chroot.md shows it and says why. Verbs: stage, look, undo; all three without one.
label=host-safe needs="root"
# shellcheck source=book/labs/lab.sh
. "$(dirname "$0")/lab.sh"

stage() {
    try "cp -r $rootfs $place/root; mkdir -p $place/root/proc; mount -t proc proc $place/root/proc"
}

look() {
    try "chroot $place/root ls -d /home /usr/share"
    try "chroot $place/root ls -d /proc/self/fd/9/usr/share 9</"
    try "chroot $place/root chroot /proc/1/root ls -d /usr/share"
    try "step03 --rootfs $rootfs -- sh -c 'ls -d /proc/self/fd/9/usr/share; ls /proc/1/root/usr' 9</"
    try "step03 --rootfs $rootfs -- grep -c . /proc/self/mountinfo | awk '{ print (\$1 < 30 ? \"mounts of its own only\" : \"more\") }'"
}

undo() {
    try "umount $place/root/proc"
}

lab "$@"
