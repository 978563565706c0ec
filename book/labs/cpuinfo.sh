#!/bin/sh
# cpuinfo.sh: cpuinfo, meminfo and free show the host, not the limit.
# book/labs/cpuinfo.md shows it and says why. Verbs: stage, look, undo; all three without one.
label=host-safe needs="root cgroup2"
# shellcheck source=book/labs/lab.sh
. "$(dirname "$0")/lab.sh"

stage() {
    try "boxstep run -d --name lab-limits --memory 64m --cpus 0.5 --pids-limit 30 --ulimit nofile=99 --network none $image sleep 4321"
    try "boxstep run -d --name lab-cpuset --memory 64m --cpuset-cpus 0 --network none $image sleep 4321"
}

look() {
    total=$(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo)
    for box in limits cpuset; do
        echo "# in lab-$box"
        try "boxstep exec lab-$box sh -c 'grep -c ^processor /proc/cpuinfo; busybox nproc'"
        try "boxstep exec lab-$box sh -c 'cat /sys/fs/cgroup/cpu.max /sys/fs/cgroup/cpuset.cpus.effective /sys/fs/cgroup/memory.max'"
    done
    inside=$(boxstep exec lab-limits sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo)
    [ "$inside" = "$total" ] && echo "/proc/meminfo inside has the host's MemTotal"
    try "boxstep exec lab-limits sh -c 'grep -c \"open files\" /proc/1/status; grep \"open files\" /proc/1/limits'"
}

undo() {
    try "boxstep rm -f lab-limits lab-cpuset"
}

lab "$@"
