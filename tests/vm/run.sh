#!/bin/bash
# run.sh [-d VMDIR] [-t SECONDS] [-m MIB] [-w WORKDIR] [-b DISK] [-i] -- COMMAND [ARG…]
# Runs COMMAND as root in a virtual machine with cgroup v2: WORKDIR is shared read-write, the rest of / is this host's,
# read-only below a tmpfs. Streams the output, leaves with the command's status; 124: out of time, 125: the VM failed.
# -b: a raw file as /dev/vda.  -i: this terminal as the guest's.  Needs neither root nor KVM; setup.sh prepares VMDIR.
set -uo pipefail

here=$(dirname "$(realpath "$0")")
vm=${VM_DIR:-build/vm} seconds=300 memory=1536 work=$PWD disk='' interactive=''
while getopts d:t:m:w:b:i option; do
    case $option in
    d) vm=$OPTARG ;;
    t) seconds=$OPTARG ;;
    m) memory=$OPTARG ;;
    w) work=$OPTARG ;;
    b) disk=$OPTARG ;;
    i) interactive=1 ;;
    *) exit 125 ;;
    esac
done
shift $((OPTIND - 1))
vm=$(realpath "$vm")
work=$(realpath "$work")
version=$(basename "$vm"/lib/modules/*)
accel=${VM_ACCEL:-$(cat "$vm/accel")} || exit 125
case $accel in
kvm*) cpu=host ;;
*) cpu=qemu64,+rdtscp,+ssse3,+sse4.1,+sse4.2,+popcnt,+rdrand ;;
esac

dir=$(mktemp -d "${TMPDIR:-/tmp}/vm.XXXXXX") || exit 125
qemu=''
# shellcheck disable=SC2317 # called by the traps
cleanup() {
    [ -z "$qemu" ] || kill "$qemu" 2>/dev/null
    [ -z "$interactive" ] || stty sane
    rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# A second archive after setup.sh's: the kernel unpacks both into its first root.
mkdir "$dir/initrd"
cp "$here/init.sh" "$dir/initrd/init"
cp "$here/guest.sh" "$dir/initrd/guest.sh"
chmod 755 "$dir/initrd/init"
printf '%q ' "$@" >"$dir/initrd/command.sh"
{
    printf 'work=%q version=%q interactive=%q accel=%q\n' "$work" "$version" "$interactive" "${accel%%,*}"
    [ -z "$interactive" ] || printf 'size=%q term=%q\n' "$(stty size | sed 's/^0 0$/24 80/')" "${TERM:-linux}"
} >"$dir/initrd/settings"
{
    cat "$vm/initrd.cpio"
    (cd "$dir/initrd" && find . -type f | cpio -o -H newc --quiet)
} >"$dir/initrd.cpio"

share() { # NAME PATH [,readonly=on]
    machine+=(-fsdev "local,id=$1,path=${2//,/,,},security_model=none,multidevs=remap${3:-}")
    machine+=(-device "virtio-9p-pci,fsdev=$1,mount_tag=$1")
}
machine=(-M q35 -accel "$accel" -cpu "$cpu" -smp 2 -m "$memory" -nodefaults -no-user-config -display none -no-reboot)
machine+=(-kernel "$vm/vmlinux" -initrd "$dir/initrd.cpio")
machine+=(-append "console=ttyS0 quiet loglevel=4 panic=-1 nokaslr mitigations=off init_on_alloc=0 hardened_usercopy=off \
randomize_kstack_offset=off rcupdate.rcu_expedited=1 random.trust_cpu=on no_timer_check tsc=reliable cgroup_no_v1=all \
net.ifnames=0 boxstep.vm=1 ${VM_APPEND:-}")
machine+=(-serial "file:$dir/console")
# Output goes through a FIFO: a chardev on stdio whose stdin is at its end blocks the guest's first write.
mkfifo "$dir/out"
machine+=(-device virtio-serial-pci)
machine+=(-chardev "file,id=out,path=$dir/out" -device "virtserialport,chardev=out,nr=1")
machine+=(-chardev "file,id=status,path=$dir/status" -device "virtserialport,chardev=status,nr=2")
share hostroot / ,readonly=on
share work "$work"
share modules "$vm/lib/modules/$version" ,readonly=on
[ -z "$disk" ] || machine+=(-drive "file=$disk,if=virtio,format=raw,cache=unsafe")

exec 4<>"$dir/out" # keeps the opens of both ends from blocking; closing it gives cat its end of file
cat <"$dir/out" 4>&- &
reader=$!
if [ -n "$interactive" ]; then
    stty raw -echo
    qemu-system-x86_64 "${machine[@]}" -chardev stdio,id=tty,signal=off -serial chardev:tty 2>"$dir/errors" 4>&-
    code=$?
else
    timeout -k 5 "$seconds" qemu-system-x86_64 "${machine[@]}" </dev/null 2>"$dir/errors" 4>&- &
    qemu=$!
    wait "$qemu"
    code=$?
    qemu=''
fi
exec 4>&-
wait "$reader"

[ -z "${VM_DEBUG:-}" ] || cat "$dir/console" >&2
[ ! -s "$dir/status" ] || exit "$(cat "$dir/status")"
if [ "$code" = 124 ] || [ "$code" = 137 ]; then
    echo "run.sh: out of time after $seconds s" >&2
    exit 124
fi
{
    echo "run.sh: the VM died without a status (qemu ended with $code); its last words:"
    cat "$dir/errors"
    tail -n 30 "$dir/console"
} >&2
exit 125
