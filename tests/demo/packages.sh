#!/bin/sh
# packages.sh DIR PACKAGE…: the files of Debian packages in DIR, taken apart and not installed: no service is set up, and
# the host stays as it is. Where nothing can be downloaded the files of installed packages serve.
set -eu
dir=$1
shift
[ "$(cat "$dir/.packages" 2>/dev/null || true)" != "$*" ] || exit 0

new=$dir.new.$$
trap 'rm -rf "$new"' EXIT
mkdir -p "$new/.debs"

download() {
    (cd "$new/.debs" && apt-get -qq -o APT::Sandbox::User=root download "$@" >/dev/null)
}

copy_installed() {
    for package in "$@"; do
        dpkg -L "$package"
    done | while read -r file; do
        if [ -f "$file" ]; then # and no directory, nor a link to one
            echo "${file#/}"
        fi
    done | tar -C / -c -f - -T - | tar -C "$new" -x -f -
}

if download "$@" 2>/dev/null || { apt-get -qq update && download "$@"; } >"$new/.log" 2>&1; then
    for deb in "$new"/.debs/*.deb; do
        dpkg-deb -x "$deb" "$new"
    done
elif dpkg -s "$@" >/dev/null 2>&1; then
    copy_installed "$@"
else
    cat "$new/.log" >&2
    echo "packages.sh: not all of these could be downloaded, nor are they installed: $*" >&2
    exit 1
fi
rm -rf "$new/.debs" "$new/.log"
echo "$*" >"$new/.packages"
rm -rf "$dir"
mv "$new" "$dir"
