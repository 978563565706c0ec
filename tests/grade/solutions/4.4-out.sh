#!/bin/sh
# out.sh CGROUP PROBE: run in a box of at most five processes; CGROUP is a cgroup2 file system of this namespace.
# Its root is the cgroup that the namespace was made in, which is above the box.
echo $$ >"$1/cgroup.procs"
exec "$2" catch 1
