#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# kernel.sh SERIES: downloads Debian's newest cloud kernel of a series ("6.1",
# "6.12"), unless the cache has it, and prints the path of its image. Only the
# image is taken out of the package: all that the tests need is built in.
set -euo pipefail

series=$1
cache=${FREC_VM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/frec-vm}
pattern="^linux-image-${series//./\\.}\.[0-9]+(-[0-9]+|\+deb[0-9]+)?-cloud-amd64\$"

download()
{
	local package=$1 image=$2

	dir=$(mktemp -d "$cache/download.XXXXXX")
	chmod 755 "$dir"
	(cd "$dir" && apt-get -qq download "$package") >"$dir/log" 2>&1 || {
		tail -n 1 "$dir/log" >&2
		return 1
	}
	dpkg-deb --fsys-tarfile "$dir"/*.deb |
		tar -xO --wildcards './boot/vmlinuz-*' >"$dir/vmlinuz"
	mv "$dir/vmlinuz" "$image"
}

dir=
trap 'rm -rf "$dir"' EXIT
mkdir -p "$cache"
package=$(apt-cache pkgnames "linux-image-$series." | grep -E "$pattern" | sort -V | tail -n 1) || true
image=$cache/$package.vmlinuz
if [ -n "$package" ] && [ ! -s "$image" ]; then
	download "$package" "$image" || package=
fi
if [ -z "$package" ]; then
	# no list of packages or no network: an older one will do
	image=$(find "$cache" -name "linux-image-$series.*.vmlinuz" | sort -V | tail -n 1) || true
fi
[ -s "$image" ] || {
	echo "no Debian cloud kernel $series to be had (apt-get update?)" >&2
	exit 1
}
echo "$image"
