#!/bin/sh
# leak.sh DIR: run as root by a step01 --mount whose mounts are not private.
# Make a tmpfs appear on DIR, on the host.
