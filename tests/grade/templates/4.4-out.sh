#!/bin/sh
# out.sh CGROUP PROBE: run in a box of at most five processes; CGROUP is a cgroup2 file system of this namespace.
# Leave the box, then become the probe.
exec "$2" catch 1
