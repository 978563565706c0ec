#!/bin/sh
# install.sh GOAL: the Debian packages that a goal of the Makefile needs, by name; what is there is left alone.
# Goals: build rootfs vm test callers fuzz coverage bench demo book site ci. Services that a package brings are not started.
set -eu

build="gcc make libc6-dev libjson-c-dev libarchive-dev libssl-dev libcurl4-openssl-dev libsystemd-dev"
rootfs="busybox-static"
vm="qemu-system-x86 busybox-static cpio kmod xz-utils zstd iproute2 procps python3"
book="python3 codespell procps iproute2 netbase nftables uidmap strace gdb jq bpftrace"
site="python3 pandoc graphviz weasyprint fonts-dejavu-core"
# Docker's own containerd.io brings a runc, and excludes Debian's.
runc=$(command -v runc >/dev/null || echo runc)
callers="podman catatonit netavark iptables containerd docker.io"
test="$build $vm $book libcmocka-dev libseccomp-dev strace nftables uidmap util-linux clang-format shellcheck zstd curl docker-registry openssl $site chromium chromium-driver poppler-utils apparmor podman crun $runc"
fuzz="clang-14 libclang-rt-14-dev libcmocka-dev libseccomp-dev"
demo="$build $rootfs python3 iproute2 procps nftables uidmap curl ca-certificates"

case ${1:-} in
build) want=$build ;;
rootfs) want=$rootfs ;;
vm) want=$vm ;;
test) want=$test ;;
callers) want="$test $callers" ;;
coverage) want="$test clang-14 llvm-14 libclang-rt-14-dev lcov" ;;
fuzz) want="$build $fuzz" ;;
bench) want="$build $rootfs $vm python3 bubblewrap crun $runc strace util-linux" ;;
demo) want=$demo ;;
book) want=$book ;;
site) want=$site ;;
ci) want="$test $fuzz clang gcc-aarch64-linux-gnu libc6-dev-arm64-cross" ;;
*)
    echo "usage: $0 build|rootfs|vm|test|callers|fuzz|coverage|bench|demo|book|site|ci" >&2
    exit 2
    ;;
esac

missing=
if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "install.sh: no Debian here; needed are what Debian calls: $want" >&2
    exit 0
fi
for package in $want; do
    case " $missing " in *" $package "*) continue ;; esac
    case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true) in
    installed*) ;;
    *) missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ]; then
    echo "install.sh: missing:$missing; as root: apt-get update && apt-get install -y --no-install-recommends$missing" >&2
    exit 1
fi

# A package must not start its service: invoke-rc.d(8) asks this file, 101 is "not allowed".
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 130' INT TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

export DEBIAN_FRONTEND=noninteractive
get() {
    # Nothing of the machine's owner is removed for a test: Docker's own packages exclude Debian's.
    # shellcheck disable=SC2086 # a list of words
    apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-remove --no-install-recommends $missing >/dev/null
}
echo "install.sh: installing$missing" >&2
get 2>/dev/null || {
    apt-get -qq -o DPkg::Lock::Timeout=300 -o APT::Update::Error-Mode=any update >/dev/null ||
        echo "install.sh: apt-get update failed, going on with the lists there are" >&2
    get
}
