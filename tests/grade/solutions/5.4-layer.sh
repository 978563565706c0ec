#!/bin/sh
# layer.sh TARBALL DIRECTORY: makes a layer which, when it is unpacked, writes into a directory of the host.
# It is run in an empty directory. The link comes first, and then a file that lies below it.
ln -s "$2" way
tar -cf "$1" way
rm way
mkdir way
echo hello >way/owned
tar -rf "$1" way/owned
