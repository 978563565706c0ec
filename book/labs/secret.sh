#!/bin/sh
# secret.sh: a secret that a later layer deletes is still in the image.
# book/labs/secret.md shows it and says why. Verbs: stage, look, undo; all three without one.
label=host-safe needs="root"
# shellcheck source=book/labs/lab.sh
. "$(dirname "$0")/lab.sh"

stage() {
    try "cp -r $build/images/demo $place/image"
}

look() {
    try "step05 $place/image:latest ls -a /srv"
    manifest=$(grep -o 'sha256:[0-9a-f]*' "$place/image/index.json" | head -n 1)
    for layer in $(grep -o 'sha256:[0-9a-f]*' "$place/image/blobs/sha256/${manifest#*:}" | tail -n 3); do
        try "tar -tf $place/image/blobs/sha256/${layer#*:} | grep secret"
    done
    second=$(grep -o 'sha256:[0-9a-f]*' "$place/image/blobs/sha256/${manifest#*:}" | tail -n 2 | head -n 1)
    try "tar -xOf $place/image/blobs/sha256/${second#*:} srv/secret"
}

undo() {
    :
}

lab "$@"
