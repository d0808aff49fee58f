#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Installs what frec needs to be built and tested on Debian 12; asks the network only when something is missing.
set -eu

build="gcc clang llvm bpftool pkg-config libbpf-dev libelf-dev libdw-dev zlib1g-dev libstdc++-12-dev libprotobuf-c-dev
protobuf-c-compiler libinih-dev libjansson-dev libsystemd-dev libcap-ng-dev libseccomp-dev"
tests="libcmocka-dev gcc-multilib libclang-rt-14-dev python3 trace-cmd linux-perf sysbench stress-ng
rt-tests util-linux procps psmisc iproute2 cppcheck systemd qemu-system-x86 busybox-static cpio debhelper
dpkg-dev lintian mandoc"

missing=
for package in $build $tests; do
	dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing+=" $package"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ]; then
	echo "make deps: as root, install:$missing" >&2
	exit 1
fi
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
apt-get install -y -qq --no-install-recommends $missing >/dev/null 2>&1 || {
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends $missing >/dev/null
}
