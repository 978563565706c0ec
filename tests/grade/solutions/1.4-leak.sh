#!/bin/sh
# leak.sh DIR: run as root by a step01 --mount whose mounts are not private.
# The new namespace is a peer of the host's, so what is mounted in it is mounted there as well.
mount -t tmpfs leaked "$1"
