#!/bin/sh
# clock.sh: there is one wall clock, the host's; a time namespace has offsets for two other clocks.
# book/labs/clock.md shows it and says why. Verbs: stage, look, undo; all three without one.
label=vm-only needs="root"
# shellcheck source=book/labs/lab.sh
. "$(dirname "$0")/lab.sh"

set_it="date -u -s '2001-02-03 04:05:06' >/dev/null"

# How far the clock is ahead of the seconds since boot, which nobody sets.
ahead() {
    now=$(date +%s.%N)
    read -r up _ </proc/uptime
    awk "BEGIN { printf \"%.2f\n\", $now - $up }"
}

stage() {
    ahead >"$place/before"
    try "step02 --time --boottime 100000000 -- sh -c 'cat /proc/self/timens_offsets; date +%F; test \$(cut -d . -f 1 /proc/uptime) -gt 100000000 && echo three years up'"
}

look() {
    try "step07 --network none --rootfs $rootfs -- sh -c \"$set_it\""
    try "step07 --network none --user --map-auto --cap-add SYS_TIME --rootfs $rootfs -- sh -c \"$set_it\""
    try "step07 --network none --time --cap-add SYS_TIME --rootfs $rootfs -- sh -c \"$set_it\""
    try "date +%Y"
    try "step07 --network none --rootfs $rootfs -- date +%Y"
}

undo() {
    ahead | cat "$place/before" - | awk '{ back = was - $1; was = $1 } END { printf "%.2f seconds\n", back }' >"$place/back"
    try "date -s \"\$(cat $place/back)\" >/dev/null" # date adds that to what the clock says
}

lab "$@"
