#!/bin/bash
# guest.sh: PID 1 of the VM once its root is there: devices, cgroup v2 with every controller, then the command.
# Output goes to the first virtio port, the status to the second.
# shellcheck disable=SC1091,SC2154 # settings is written by run.sh

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb LANG=C.UTF-8 IN_VM=1
. /run/vm/settings

mkdir -p /dev/pts /dev/shm
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs shm /dev/shm
ln -sf /proc/self/fd /dev/fd
ln -sf fd/0 /dev/stdin
ln -sf fd/1 /dev/stdout
ln -sf fd/2 /dev/stderr

mount -t cgroup2 -o nsdelegate cgroup2 /sys/fs/cgroup
mkdir /sys/fs/cgroup/init
echo $$ >/sys/fs/cgroup/init/cgroup.procs
echo '+cpu +memory +pids +io +cpuset' >/sys/fs/cgroup/cgroup.subtree_control

# Where processors are emulated a second one costs more than it does: it sleeps until a test asks for it here.
[ "$accel" != tcg ] || [ -n "$interactive" ] || echo 0 >/sys/devices/system/cpu/cpu1/online

ip link set lo up
echo vm >/proc/sys/kernel/hostname
echo 3 >/proc/sys/kernel/printk

cd "$work" || exit
if [ -n "$interactive" ]; then
    export TERM=$term
    exec </dev/ttyS1 >/dev/ttyS1 2>&1
    # shellcheck disable=SC2086 # two words
    set -- $size
    stty sane rows "$1" cols "$2"
    setsid -w -c bash -i </dev/ttyS1 >/dev/ttyS1 2>&1
    status=0
else
    exec 3> >(exec cat >/dev/vport0p1)
    sink=$!
    setsid -w bash /run/vm/command.sh </dev/null >&3 2>&1
    status=$?
    exec 3>&-
    # a daemon that was left behind may hold the pipe: not waited for
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        kill -0 "$sink" 2>/dev/null || break
        sleep 0.1
    done
fi

sync
echo "$status" >/dev/vport0p2
echo o >/proc/sysrq-trigger
while :; do
    sleep 9
done
