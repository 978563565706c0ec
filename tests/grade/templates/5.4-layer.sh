#!/bin/sh
# layer.sh TARBALL DIRECTORY: makes a layer which, when it is unpacked, writes into a directory of the host.
# It is run in an empty directory.
exit 1
