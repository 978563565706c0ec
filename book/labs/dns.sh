#!/bin/sh
# dns.sh: a name resolves on the host and not inside, because the resolver listens on the host's loopback.
# book/labs/dns.md shows it and says why. Verbs: stage, look, undo; all three without one.
label=host-safe needs="root python3 busybox"
# shellcheck source=book/labs/lab.sh
. "$(dirname "$0")/lab.sh"

stage() {
    background python3 "$here/dns-server.py" 127.0.0.77
    until_true "grep -q '4D00007F:0035' /proc/net/udp"
    try "echo nameserver 127.0.0.77 >$place/resolv.conf"
}

look() {
    try "busybox nslookup -type=a app.test 127.0.0.77 | tail -n 3"
    try "step07 --network none --bind $place/resolv.conf:/etc/resolv.conf $image sh -c 'cat /etc/resolv.conf; busybox nslookup -timeout=1 -retry=1 -type=a app.test'"
    try "step07 --network none $image sh -c 'cat /proc/net/udp | wc -l'; grep -c :0035 /proc/net/udp"
    try "step07 --network host --bind $place/resolv.conf:/etc/resolv.conf $image busybox nslookup -type=a app.test | tail -n 3"
}

undo() {
    :
}

lab "$@"
