#!/bin/bash
# shell.sh [-d VMDIR] [COMMAND]: a shell in the VM on this terminal, or COMMAND in it when there is no terminal.
set -eu
here=$(dirname "$(realpath "$0")")
vm=${VM_DIR:-build/vm}
if [ "${1:-}" = -d ]; then
    vm=$2
    shift 2
fi
if [ $# -gt 0 ]; then
    exec "$here/run.sh" -d "$vm" -- bash -c "$*"
fi
if [ ! -t 0 ]; then
    echo 'shell.sh: no terminal: make vm RUN="COMMAND" runs a command instead' >&2
    exit 125
fi
echo "a virtual machine; this tree is shared, everything else is forgotten; exit ends it"
exec "$here/run.sh" -d "$vm" -i -- bash -i
