#!/bin/sh
# loopback.sh: lo is another lo, and born down; abstract unix sockets follow the network namespace.
# book/labs/loopback.md shows it and says why. Verbs: stage, look, undo; all three without one.
label=host-safe needs="root"
# shellcheck source=book/labs/lab.sh
. "$(dirname "$0")/lab.sh"

stage() {
    background probe abstract-listen lab-abstract listen tcp 127.0.0.1 4321 host
    until_true "grep -q @lab-abstract /proc/net/unix && grep -q :10E1 /proc/net/tcp"
    echo "a service of the host listens on 127.0.0.1:4321, another on the abstract socket @lab-abstract"
}

look() {
    try "unshare --net ip -br link"
    try "probe connect tcp 127.0.0.1 4321 x abstract-connect lab-abstract"
    try "step07 --network none --rootfs $rootfs -- probe net connect tcp 127.0.0.1 4321 x abstract-connect lab-abstract"
    try "step07 --network host --rootfs $rootfs -- probe connect tcp 127.0.0.1 4321 x abstract-connect lab-abstract"
}

undo() {
    :
}

lab "$@"
