#!/bin/bash
# setup.sh DIR: prepares DIR for run.sh: DIR/vmlinux, DIR/initrd.cpio, DIR/lib/modules, DIR/accel.
# The kernel is Debian's own, downloaded and unpacked, never installed. Needs no root when the packages are there.
set -euo pipefail

here=$(dirname "$(realpath "$0")")
dir=$(realpath -m "${1:?usage: setup.sh DIR}")
early="virtio_pci virtio_console virtio_blk 9pnet_virtio 9p overlay crc32c_generic ext4"

[ ! -s "$dir/accel" ] || exit 0
for program in qemu-system-x86_64 busybox cpio depmod xz; do
    PATH=$PATH:/usr/sbin:/sbin command -v "$program" >/dev/null || {
        "$here/../install.sh" vm
        break
    }
done
export PATH=$PATH:/usr/sbin:/sbin
mkdir -p "$dir"
exec 9>"$dir/lock"
flock 9
[ ! -s "$dir/accel" ] || exit 0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
chmod 755 "$scratch" # apt downloads as a user of its own

# The newest kernel that the metapackage names. The "cloud" kernels have no 9p.
fetch_kernel() {
    local package
    package=$(apt-cache depends linux-image-amd64 2>/dev/null | awk '/Depends: linux-image/ { print $2; exit }')
    if [ -z "$package" ]; then
        [ "$(id -u)" != 0 ] || apt-get -qq update
        package=$(apt-cache depends linux-image-amd64 | awk '/Depends: linux-image/ { print $2; exit }')
    fi
    (cd "$scratch" && apt-get -o APT::Sandbox::User=root download -qq "$package") ||
        { [ "$(id -u)" = 0 ] && apt-get -qq update && (cd "$scratch" && apt-get -o APT::Sandbox::User=root download -qq "$package"); }
    dpkg -x "$scratch"/linux-image-*.deb "$dir"
}

# The ELF kernel inside the compressed one: QEMU enters it by PVH, and emulated decompression costs seconds.
unpack_kernel() {
    local image magic unpack offset
    image=$(echo "$dir"/boot/vmlinuz-*)
    while read -r magic unpack; do
        # shellcheck disable=SC2013 # numbers
        for offset in $(LC_ALL=C grep -aobP "$magic" "$image" | cut -d: -f1); do
            tail -c +$((offset + 1)) "$image" | $unpack >"$dir/vmlinux" 2>/dev/null || true
            if [ "$(head -c 4 "$dir/vmlinux" | tail -c 3)" = ELF ]; then
                return 0
            fi
        done
    done <<'E'
\xFD7zXZ\x00 xzcat
\x28\xB5\x2F\xFD zstdcat
E
    echo "setup.sh: no kernel found in $image" >&2
    return 1
}

# busybox, and the modules that bring up virtio, 9p and overlayfs; everything else is loaded later, by modprobe.
make_initrd() {
    local root=$scratch/initrd module file name
    mkdir -p "$root"/{bin,dev,proc,sys,mnt,modules}
    cp "$(command -v busybox)" "$root/bin/busybox"
    for module in $early; do
        modprobe -d "$dir" -S "$version" --show-depends "$module" 2>/dev/null | awk '/^insmod/ { print $2 }' || true
    done | awk '!seen[$0]++' | while read -r file; do
        name=$(basename "${file%.xz}")
        case $file in
        *.xz) xz -dc "$file" >"$root/modules/$name" ;;
        *) cp "$file" "$root/modules/$name" ;;
        esac
        echo "$name" >>"$root/modules/order"
    done
    (cd "$root" && find . | cpio -o -H newc --quiet) >"$dir/initrd.cpio"
}

[ -d "$dir/lib/modules" ] || fetch_kernel
version=$(basename "$dir"/lib/modules/*)
unpack_kernel
depmod -b "$dir" "$version"
make_initrd

# /dev/kvm may be there and not work (an abort, or a guest that never starts): a boot is believed, not the file.
accel=tcg,thread=multi,tb-size=512
if [ -w /dev/kvm ] && VM_ACCEL=kvm "$here/run.sh" -d "$dir" -t 10 -w "$dir" -- true 2>/dev/null; then
    accel=kvm
fi
echo "$accel" >"$dir/accel.new"
mv "$dir/accel.new" "$dir/accel"
echo "setup.sh: Linux $version in $dir, accelerator ${accel%%,*}" >&2
