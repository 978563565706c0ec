#!/bin/sh
# rootfs.sh DIR [PROBE]: a root file system for every example: static busybox with all its applets, and the probe.
# Made aside and renamed, so that a half-made one is never taken for whole.
set -eu
umask 022
dir=$1 probe=${2:-}
busybox=$(command -v busybox || true)
if [ -z "$busybox" ] || ! "$busybox" --list >/dev/null 2>&1; then
    "$(dirname "$0")/install.sh" rootfs
    busybox=$(command -v busybox)
fi

new=$dir.new.$$
trap 'rm -rf "$new"' EXIT
mkdir -p "$new"
(cd "$new" && mkdir -p bin sbin etc dev proc sys tmp root home usr/bin usr/sbin var/tmp run srv)
chmod 1777 "$new/tmp" "$new/var/tmp"
chmod 700 "$new/root"
cp "$busybox" "$new/bin/busybox"
"$busybox" --list-full | while read -r applet; do
    case $applet in
    bin/busybox | linuxrc) continue ;;
    esac
    ln -sf /bin/busybox "$new/$applet"
done
[ -z "$probe" ] || cp "$probe" "$new/bin/probe"

cat >"$new/etc/passwd" <<'E'
root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/:/bin/false
app:x:1000:1000:an ordinary user:/home:/bin/sh
nobody:x:65534:65534:nobody:/:/bin/false
E
cat >"$new/etc/group" <<'E'
root:x:0:
daemon:x:1:
tty:x:5:
app:x:1000:
extra:x:1001:app
nogroup:x:65534:
E
echo "127.0.0.1 localhost" >"$new/etc/hosts"
echo boxstep >"$new/etc/hostname"
: >"$new/etc/resolv.conf"
echo 'a root file system of busybox' >"$new/etc/motd"

rm -rf "$dir"
mv "$new" "$dir"
