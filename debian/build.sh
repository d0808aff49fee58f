#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Builds the package from a copy of the tree; it ends up in $BUILD/deb.
set -eu
cd "$(dirname "$0")/.."
BUILD=$(realpath -m "${BUILD:-build}")
deb=$BUILD/deb
tree=$deb/frec

rm -rf "$deb"
mkdir -p "$tree"
trap 'rm -rf "$tree"' EXIT
tar -c --exclude=./build --exclude="./$(realpath -m --relative-to=. "$BUILD")" --exclude=./.git . |
	tar -x -C "$tree"
cd "$tree"
# the flags and variables of a make that called us are not the package's
env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u MAKEOVERRIDES -u BUILD -u SANITIZE \
	-u CFLAGS -u CPPFLAGS -u LDFLAGS dpkg-buildpackage -b -us -uc "$@"
