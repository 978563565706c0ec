#!/bin/bash
# arm64.sh [DIR]: the runtime on the other architecture: Debian's arm64 kernel, emulated, with programs built by
# CROSS=arm64. DIR (build/arm64) holds what they need of Debian: a kernel, json-c, busybox; downloaded and unpacked
# there, never installed. Ends with `N passed, N failed, N skipped`; where they cannot be had, the build is all.
set -euo pipefail

cd "$(dirname "$(realpath "$0")")/../.."
dir=$(realpath -m "${1:-build/arm64}") debian=$dir/debian
export PATH=$PATH:/usr/sbin:/sbin
mkdir -p "$dir/lib"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
chmod 755 "$scratch"

# apt's lists of another architecture, beside those of this machine, which stay as they are.
foreign() {
    apt-get -qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Sandbox::User=root \
        -o Dir::State="$scratch" -o Dir::State::status="$scratch/status" -o Dir::Cache="$scratch" "$@"
}

fetch() {
    local kernel
    rm -rf "$debian.new"
    touch "$scratch/status"
    foreign update
    # the kernel that the metapackage would bring, as setup.sh takes it on this machine's architecture
    kernel=$(foreign -s install linux-image-arm64 | awk '$1 == "Inst" && $2 ~ /^linux-image-[0-9]/ { print $2; exit }')
    (cd "$scratch" && foreign download "$kernel" libjson-c-dev busybox-static)
    for package in "$scratch"/*.deb; do
        dpkg -x "$package" "$debian.new"
    done
    mv "$debian.new" "$debian"
}

# A root for a container, and one for the machine, which is moved onto a tmpfs: the first one cannot be pivoted.
make_initrd() {
    local root=$scratch/root program
    mkdir -p "$root"/{bin,proc,sys,dev,new}
    mkdir -p "$root"/rootfs/{bin,proc,sys,dev,tmp,etc}
    cp "$debian/bin/busybox" "$root/bin/"
    for program in step01 step03 step04 boxstep-oci probe; do
        cp "$dir/$program" "$root/bin/"
    done
    cp "$dir/probe" "$root/rootfs/bin/"
    cp tests/vm/arm64-guest.sh "$root/init"
    (cd "$root" && find . | cpio -o -H newc --quiet) >"$dir/initrd.cpio"
}

if [ ! -d "$debian" ]; then
    set +e # (in the condition of an `if` it would be off inside, too)
    for pause in 5 20 0; do # a name server may be away for a moment
        (
            set -e
            fetch
        ) && break
        sleep $pause
    done
    set -e
    if [ ! -d "$debian" ]; then
        echo "arm64.sh: Debian's packages for arm64 cannot be had here: what is built for it is not run" >&2
        make -s -j"$(nproc)" CROSS=arm64 O="$dir" all
        echo "0 passed, 0 failed, 1 skipped"
        exit
    fi
fi
ln -sf "$debian"/usr/lib/*/libjson-c.a "$dir/lib/"
make -s -j"$(nproc)" CROSS=arm64 O="$dir" all
make_initrd
timeout "${SECONDS_MOST:-300}" qemu-system-aarch64 -M virt -cpu cortex-a57 -accel tcg -smp 2 -m 1024 -nographic \
    -no-reboot -kernel "$(echo "$debian"/boot/vmlinuz-*)" -initrd "$dir/initrd.cpio" \
    -append "console=ttyAMA0 quiet loglevel=4 panic=-1" </dev/null | tr -d '\r' | tee "$scratch/console"
grep -q '^[1-9][0-9]* passed, 0 failed, 0 skipped$' "$scratch/console"
