#!/bin/sh
# install.sh GOAL: the Debian packages that a goal of the Makefile needs, by name; what is there is left alone.
# Goals: build rootfs vm test fuzz coverage bench demo book site ci. Services that a package brings are not started.
set -eu

build="gcc make libc6-dev libjson-c-dev libarchive-dev libssl-dev libcurl4-openssl-dev libsystemd-dev"
rootfs="busybox-static"
vm="qemu-system-x86 busybox-static cpio kmod xz-utils zstd iproute2 procps python3"
book="python3 codespell procps iproute2 netbase nftables uidmap strace gdb jq bpftrace"
site="python3 pandoc graphviz weasyprint fonts-dejavu-core"
# A command that is there may be of Docker's own packages, which exclude those of Debian that bring it.
unless() { # COMMAND PACKAGE
    command -v "$1" >/dev/null || echo "$2"
}
runc=$(unless runc runc)
docker="$(unless containerd containerd) $(unless dockerd docker.io)"
callers="podman catatonit netavark iptables $docker"
test="$build $vm $book libcmocka-dev libseccomp-dev strace nftables uidmap util-linux clang-format shellcheck zstd curl docker-registry openssl $site chromium chromium-driver poppler-utils apparmor crun $runc $callers"
fuzz="clang-14 libclang-rt-14-dev libcmocka-dev libseccomp-dev"
demo="$build $rootfs python3 iproute2 procps nftables uidmap curl ca-certificates"

case ${1:-} in
build) want=$build ;;
rootfs) want=$rootfs ;;
vm) want=$vm ;;
test) want=$test ;;
coverage) want="$test clang-14 llvm-14 libclang-rt-14-dev lcov" ;;
fuzz) want="$build $fuzz" ;;
bench) want="$build $rootfs $vm python3 bubblewrap crun $runc strace util-linux" ;;
demo) want=$demo ;;
book) want=$book ;;
site) want=$site ;;
ci) want="$test $fuzz clang gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-system-arm" ;;
*)
    echo "usage: $0 build|rootfs|vm|test|fuzz|coverage|bench|demo|book|site|ci" >&2
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
get() { # PACKAGE…: nothing of the machine's owner is removed for them
    apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-remove --no-install-recommends "$@" >/dev/null
}
echo "install.sh: installing$missing" >&2
# shellcheck disable=SC2086 # lists of words
get $missing 2>/dev/null || {
    apt-get -qq -o DPkg::Lock::Timeout=300 -o APT::Update::Error-Mode=any update >/dev/null ||
        echo "install.sh: apt-get update failed, going on with the lists there are" >&2
    # Only a part of Docker's own packages may be there. What excludes the rest is the owner's, and stays.
    get $missing || {
        rest='' excluded=''
        for package in $missing; do
            case " $docker " in
            *" $package "*) excluded="$excluded $package" ;;
            *) rest="$rest $package" ;;
            esac
        done
        [ -n "$excluded" ] || exit 1
        [ -z "$rest" ] || get $rest
        echo "install.sh: cannot be installed here, and what needs it is skipped:$excluded" >&2
    }
}
