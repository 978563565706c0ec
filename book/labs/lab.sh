# shellcheck shell=sh
# lab.sh: what the labs have in common; a lab sources it, says what it needs, and defines stage, look and undo.
# Sets for it: name, build, image, rootfs, place (a directory on a disk, only while the lab is staged).
# shellcheck disable=SC2034,SC2154 # some for the labs, some by them
set -u
name=$(basename "$0" .sh)
here=$(cd "$(dirname "$0")" && pwd)
build=${BUILD:-build}
image=$build/images/demo:latest
rootfs=$build/rootfs
place=${BOXSTEP_ROOT:-/var/lib/boxstep}/labs/$name
cd "$here/../.." || exit 1
PATH=$(realpath "$build"):/usr/local/sbin:/usr/sbin:/sbin:$PATH
export PATH

# try COMMAND: shows a line of shell as the reader would type it, and runs it.
try() {
    echo "+ $1"
    eval "$1"
}

# until_true COMMAND: waits until a line of shell succeeds; two minutes at most.
until_true() {
    for _ in $(seq 1200); do
        eval "$1" >/dev/null 2>&1 && return 0
        sleep 0.1
    done
    echo "$name: waited two minutes for: $1" >&2
    return 1
}

# pid_of CONTAINER: its first process, as the host numbers it.
pid_of() {
    boxstep inspect "$1" | sed -n 's/^ *"pid":\([0-9]*\),$/\1/p'
}

# background COMMAND…: runs it beside; undo ends it and what it started. It writes its number to
# $place/pids itself, so that an interrupted stage has not lost it.
background() {
    # shellcheck disable=SC2016 # evaluated there
    setsid sh -c 'echo "$$ $(cut -d " " -f 22 /proc/$$/stat)" >>"$0"; exec "$@"' "$place/pids" "$@" \
        >"$place/out" 2>&1 </dev/null &
    until grep -qs "^$! " "$place/pids"; do
        sleep 0.01
    done
}

# A step that is asked to end removes its cgroup; one that is killed leaves it to the next run.
end_background() {
    [ ! -e "$place/pids" ] || while read -r pid began; do
        for signal in TERM KILL; do
            for _ in $(seq 20); do
                case $(cut -d ' ' -f 3,22 "/proc/$pid/stat" 2>/dev/null) in
                [!ZX]" $began") ;;
                *) break 2 ;;
                esac
                kill -$signal "-$pid" 2>/dev/null
                sleep 0.1
            done
        done
    done <"$place/pids"
}

in_vm() {
    grep -qw 'boxstep.vm=1' /proc/cmdline
}

refuse() {
    echo "$name: $1" >&2
    exit 3
}

# What `needs` and `label` of the lab ask for is here, or the lab does nothing.
may_run() {
    [ "$label" != vm-only ] || in_vm ||
        refuse "this lab changes the machine that it runs on: only in the virtual machine (make vm)"
    for need in $needs; do
        case $need in
        root) [ "$(id -u)" = 0 ] || refuse "needs root" ;;
        cgroup2) grep -qsw memory /sys/fs/cgroup/cgroup.controllers ||
            refuse "needs cgroup version 2 with its controllers; make vm has it" ;;
        *) command -v "$need" >/dev/null || refuse "needs $need, which is not installed" ;;
        esac
    done
    [ -x "$build/boxstep" ] || refuse "make comes first"
    [ -d "$build/images/demo" ] || refuse "make rootfs images comes first"
}

staged() {
    [ -d "$place" ]
}

begin() {
    may_run
    ! staged || refuse "is staged already; $0 undo ends it"
    mkdir -p "$place"
    stage
}

end() {
    trap '' INT TERM # an undo is not left half-way
    staged || return 0
    undo
    end_background
    rm -rf "$place"
    rmdir "${place%/*}" 2>/dev/null || true
}

# lab VERB: stage, look, undo; all three without one; label says where it may run.
lab() {
    case ${1:-all} in
    stage) begin ;;
    look)
        may_run
        staged || refuse "is not staged; $0 stage begins it"
        look
        ;;
    undo) end ;;
    label) echo "$label" ;;
    all)
        trap end EXIT
        trap 'exit 130' INT TERM
        begin
        look
        ;;
    *)
        echo "usage: $0 [stage|look|undo|label]" >&2
        exit 2
        ;;
    esac
}
