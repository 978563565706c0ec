#!/bin/sh
# reset.sh: removes what a crash may have left of ours on this host: containers with what they wrote,
# cgroups, network, mounts, state. What people made or pulled stays: images and named volumes; with ALL=1 these go too.
# Every name derives from the project's own (boxstep…, interface group 0x626f78), so nothing of others is touched.
set -u
build=${BUILD:-build}
state="${BOXSTEP_ROOT:-/var/lib/boxstep} ${BOXSTEP_RUN:-/run/boxstep}"
if [ "$(id -u)" != 0 ]; then
    state="${BOXSTEP_ROOT:-${XDG_DATA_HOME:-$HOME/.local/share}/boxstep}"
    run=${BOXSTEP_RUN:-${XDG_RUNTIME_DIR:+$XDG_RUNTIME_DIR/boxstep}}
    state="$state ${run:-/tmp/boxstep-$(id -u) /tmp/boxstep-oci-$(id -u)}"
fi

say() { echo "reset: $*"; }

# Labs of the book that are staged are undone by themselves.
for dir in $state; do
    for lab in "$dir"/labs/*; do
        [ ! -d "$lab" ] || {
            say "lab ${lab##*/}"
            "$(dirname "$0")/../book/labs/${lab##*/}.sh" undo >/dev/null 2>&1 || true
        }
    done
done

# Containers that are known are removed in the ordinary way.
if [ -x "$build/boxstep" ] && [ -d "${state%% *}" ]; then
    for id in $("$build/boxstep" ps -aq 2>/dev/null); do
        say "container $id"
        "$build/boxstep" rm -f "$id" >/dev/null 2>&1 || true
    done
fi

# cgroups: what is in them is killed; removed from the leaves up.
awk '/ - cgroup2 / { print $5 }' /proc/self/mountinfo | sort -u |
    while read -r top; do
        find "$top" -depth -type d -path "*/boxstep-*" ! -name boxstep-leaf 2>/dev/null | while read -r group; do
            say "cgroup $group"
            echo 1 >"$group/cgroup.kill" 2>/dev/null || true
            for _ in 1 2 3 4 5 6 7 8 9 10; do
                rmdir "$group" 2>/dev/null && break
                sleep 0.1
            done
        done
    done

# Processes of others that had made room for ours (the leaf rule) go back to where they were.
awk '/ - cgroup2 / { print $5 }' /proc/self/mountinfo | sort -u |
    while read -r top; do
        find "$top" -type d -name boxstep-leaf 2>/dev/null | while read -r leaf; do
            say "cgroup $leaf"
            parent=${leaf%/*}
            tr ' ' '\n' <"$parent/cgroup.subtree_control" | while read -r controller; do
                echo "-$controller" >"$parent/cgroup.subtree_control" 2>/dev/null || true
            done
            while read -r pid; do
                echo "$pid" >"$parent/cgroup.procs" 2>/dev/null || true
            done <"$leaf/cgroup.procs"
            rmdir "$leaf" 2>/dev/null || true
        done
    done

# What stood in the host's switches before there was a bridge (step06-net/forwarding.h).
switches="${BOXSTEP_NET:-/run/boxstep/net}/$(stat -L -c %i /proc/self/ns/net)/.switches"
if [ "$(id -u)" = 0 ] && [ -f "$switches" ]; then
    say "switches of $switches"
    grep '^net/ipv[46]/.*=[0-9]$' "$switches" | while IFS='=' read -r switch was; do
        echo "$was" >"/proc/sys/$switch"
    done
    rm -f "$switches"
fi

# Interfaces carry a group number, rules are one table a bridge.
if command -v ip >/dev/null; then
    ip -o link show group 6451064 2>/dev/null | sed 's/^[0-9]*: \([^:@]*\).*/\1/' | while read -r link; do
        say "interface $link"
        ip link del "$link" 2>/dev/null || true
    done
fi
if command -v nft >/dev/null; then
    nft list tables 2>/dev/null | sed -n 's/^table inet \(boxstep[0-9]*\)$/\1/p' | while read -r table; do
        say "nft table $table"
        nft delete table inet "$table"
    done
fi

# Mounts below the state directories, the latest first; then these.
for dir in $state; do
    awk '{ print $5 }' /proc/self/mountinfo | grep "^$dir/" | sort -r | while read -r mounted; do
        say "mount $mounted"
        umount -l "$mounted"
    done
    [ -d "$dir" ] || continue
    if [ "$dir" = "${state%% *}" ] && [ "${ALL:-0}" != 1 ]; then
        for name in "$dir"/.[1-9]*.images.json; do
            [ ! -f "$name" ] || {
                say "file $name"
                rm -f "$name"
            }
        done
        for name in containers scratch aside partial pins; do
            [ ! -d "$dir/$name" ] || {
                say "directory $dir/$name"
                rm -rf "${dir:?}/$name"
            }
        done
    else
        say "directory $dir"
        rm -rf "$dir"
    fi
done
