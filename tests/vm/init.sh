#!/bin/busybox sh
# shellcheck shell=dash
# init.sh: the first process of the VM, in the initial ram disk. It puts the host's root (9p, read-only) under a tmpfs
# overlay, the shared working tree into it, and goes there. Run by the kernel; set up by run.sh.
# shellcheck disable=SC1091,SC2154 # /settings is written by run.sh

export PATH=/bin
b=/bin/busybox
new=/mnt/new
options=trans=virtio,version=9p2000.L,msize=512000

die() {
    echo "init: $*"
    $b poweroff -f
}

$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t devtmpfs dev /dev
. /settings
while read -r module; do
    $b insmod "/modules/$module" 2>/dev/null
done </modules/order

$b mkdir -p /mnt/below /mnt/above $new
$b mount -t 9p -o "ro,cache=loose,$options" hostroot /mnt/below || die "no root"
$b mount -t tmpfs -o size=80%,mode=755 above /mnt/above
$b mkdir /mnt/above/upper /mnt/above/work
$b mount -t overlay -o lowerdir=/mnt/below,upperdir=/mnt/above/upper,workdir=/mnt/above/work root $new || die "no overlay"

for dir in proc sys dev; do
    $b mkdir -p $new/$dir
    $b mount --move /$dir $new/$dir
done
# An overlay cannot have its upper directory on an overlay: these are real.
for dir in run var/tmp var/lib/containers var/lib/boxstep; do
    $b mkdir -p $new/$dir
    $b mount -t tmpfs -o size=80% tmpfs $new/$dir
done
$b chmod 1777 $new/var/tmp
$b mkdir -p "$new$work" "$new/lib/modules/$version" $new/run/vm
$b mount -t 9p -o "cache=mmap,$options" work "$new$work" || die "no working tree"
$b mount -t 9p -o "ro,cache=loose,$options" modules "$new/lib/modules/$version" || die "no modules"
$b cp /command.sh /guest.sh /settings $new/run/vm/
exec $b switch_root $new /bin/bash /run/vm/guest.sh
