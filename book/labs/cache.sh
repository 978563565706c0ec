#!/bin/sh
# cache.sh: a container takes more memory than its processes have: the page cache counts, and is given back.
# book/labs/cache.md shows it and says why. Verbs: stage, look, undo; all three without one.
label=vm-only needs="root cgroup2 mkfs.ext4"
# shellcheck source=book/labs/lab.sh
. "$(dirname "$0")/lab.sh"

# What is asked of a process's cgroup, in round numbers: the exact ones differ from run to run.
parts() {
    cat <<'END'
cd /sys/fs/cgroup$(sed s/^0::// /proc/$1/cgroup)
{
    echo RSS $(($(ps -o rss= -p $1) * 1024))
    echo memory.current $(cat memory.current)
    grep -E '^(anon|file|shmem|slab|sock) ' memory.stat
} | awk '{
    size = ">48"
    if ($2 < 2^20) size = "<1"
    else if ($2 < 8 * 2^20) size = "1-8"
    else if ($2 < 48 * 2^20) size = "8-48"
    printf "%s %s, ", $1, size
} END { print "all in MiB" }'
awk '$1 == "max" { hit = $2 ? "yes" : "no" }
    $1 == "oom_kill" { print "limit hit: " hit ", killed: " $2 }' memory.events
END
}

stage() {
    modprobe loop 2>/dev/null
    mkdir "$place/data"
    try "truncate -s 128M $place/disk; mkfs.ext4 -q $place/disk; mount -o loop $place/disk $place/data"
    try "head -c 96M /dev/zero >$place/data/file; umount $place/data"
    try "mount -o loop,ro $place/disk $place/data"
    for box in cache second; do
        try "boxstep run -d --name lab-$box --memory 64m --network none -v $place/data:/data:ro $image sleep 4321"
    done
    parts >"$place/parts"
}

look() {
    echo "# two containers read the same 16 MiB"
    for box in cache second; do
        try "boxstep exec lab-$box dd if=/data/file bs=1M count=16 >/dev/null 2>&1; sh $place/parts $(pid_of lab-$box) | head -n 1"
    done
    echo "# one of them reads all of the file"
    pid=$(pid_of lab-cache)
    group=/sys/fs/cgroup$(sed 's/^0:://' "/proc/$pid/cgroup")
    try "boxstep exec lab-cache cat /data/file | wc -c; sh $place/parts $pid"
    echo "# a file in memory, 30000 names that are looked for, and a connection of which nobody reads"
    try "boxstep exec lab-cache sh -c 'dd if=/dev/zero of=/dev/shm/file bs=1M count=24 2>/dev/null; i=0; while [ \$i -lt 30000 ]; do [ -e /data/\$i ]; i=\$((i + 1)); done'"
    talk="busybox nc -lp 9 -e sleep 4321 & sleep 1; exec busybox nc 127.0.0.1 9 </dev/zero"
    echo "+ boxstep exec lab-cache sh -c '$talk' &"
    background boxstep exec lab-cache sh -c "$talk"
    until_true "sh $place/parts $pid | grep -q 'sock 1-8'"
    try "sh $place/parts $pid"
    try "echo 64M | tee $group/memory.reclaim >/dev/null; sh $place/parts $pid"
    try "boxstep exec lab-cache probe hog 96m; echo status \$?; sh $place/parts $pid | tail -n 1"
    try "boxstep inspect lab-cache | grep '\"status\":'"
}

undo() {
    try "boxstep rm -f lab-cache lab-second"
    ! mountpoint -q "$place/data" || try "umount $place/data"
}

lab "$@"
