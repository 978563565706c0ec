#!/bin/busybox sh
# shellcheck shell=dash
# arm64-guest.sh: PID 1 of the machine of arm64.sh: goes to a root that can be pivoted, and asks the programs.

b=/bin/busybox
export PATH=/bin
passed=0 failed=0

if [ ! -d /tmp ]; then
    $b mount -t tmpfs -o mode=755 new /new
    $b cp -a /bin /rootfs /init /new/
    $b mkdir /new/proc /new/sys /new/dev /new/tmp /new/run
    exec $b switch_root /new /init
fi
$b --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t cgroup2 cgroup2 /sys/fs/cgroup

# expect NAME STATUS WANTED COMMAND…: how it ends, and a part of what it says, if that is not empty
expect() {
    name=$1 status=$2 wanted=$3
    shift 3
    "$@" >/tmp/said 2>&1
    got=$?
    if [ "$got" = "$status" ] && { [ -z "$wanted" ] || grep -qE "$wanted" /tmp/said; }; then
        echo "ok   arm64: $name"
        passed=$((passed + 1))
    else
        echo "FAIL arm64: $name: status $got, not $status, or no '$wanted' in:"
        sed 's/^/     /' /tmp/said
        failed=$((failed + 1))
    fi
}

bundle() { # COMMAND as JSON words, ANNOTATION
    mkdir -p /tmp/bundle
    cat >/tmp/bundle/config.json <<J
{ "ociVersion": "1.2.0", "root": { "path": "/rootfs" }, "annotations": { $2 },
  "process": { "args": [ $1 ], "cwd": "/", "noNewPrivileges": true },
  "mounts": [ { "destination": "/proc", "type": "proc", "source": "proc" },
              { "destination": "/dev", "type": "tmpfs", "source": "tmpfs" } ],
  "linux": { "namespaces": [ { "type": "pid" }, { "type": "mount" }, { "type": "ipc" }, { "type": "uts" },
                             { "type": "network" }, { "type": "cgroup" } ] } }
J
}
oci() {
    verb=$1
    shift
    boxstep-oci "$verb" "$@" </dev/null
}
file_of_first() {
    readlink "/proc/$(cat /tmp/pid)/exe"
}
enter_and_leave() {
    oci start one && oci exec one /bin/probe caps ids && oci kill one KILL && sleep 1 && oci delete one
}

expect "this is arm64" 0 aarch64 uname -m
expect "a process in all namespaces but the user's" 0 different step01 --mount --uts --ipc --pid --net --cgroup -- \
    step01 --show=1
expect "a root, and a process behind the init" 0 "^pid 2" step03 --rootfs /rootfs -- /bin/probe ids
expect "a limit of memory" 137 "" step04 --rootfs /rootfs --memory 16m -- /bin/probe hog 64m
bundle '"/bin/probe", "caps", "exit", "7"' ''
expect "run: no capability, and the command's status" 7 "no_new_privs 1" oci run --bundle /tmp/bundle one
bundle '"/bin/probe", "caps", "call", "keyctl", "0", "call", "getppid", ""' '"boxstep.seccomp": "default"'
expect "run: a filter that refuses" 0 "keyctl.*EPERM" oci run --bundle /tmp/bundle one
bundle '"/bin/probe", "sleep", "60"' '"boxstep.seccomp": "default"'
expect "create" 0 "" oci create --bundle /tmp/bundle --pid-file /tmp/pid one
# its file is a mount of its own by then, a copy without a place
expect "the program at the gate cannot be written" 0 "^/$" file_of_first
expect "start, exec, kill, delete" 0 "seccomp 2" enter_and_leave
expect "nothing is left" 1 "" ls /sys/fs/cgroup/boxstep-one

echo "$passed passed, $failed failed, 0 skipped"
echo o >/proc/sysrq-trigger
sleep 9
