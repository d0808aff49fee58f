#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tests/deps.sh [build]: installs what frec needs on Debian 12 to be built and tested, or only to be
# built; asks the network only when something is missing.
set -eu

packages="make gcc libc6-dev clang llvm bpftool libbpf-dev libelf-dev libdw-dev zlib1g-dev libdeflate-dev libstdc++-12-dev
libprotobuf-c-dev protobuf-c-compiler libinih-dev libjansson-dev libsystemd-dev libcap-ng-dev libseccomp-dev"
tests="libcmocka-dev gcc-multilib libclang-rt-14-dev python3 trace-cmd linux-perf sysbench stress-ng
rt-tests util-linux mount e2fsprogs procps psmisc iproute2 cppcheck systemd qemu-system-x86 busybox-static cpio build-essential
debhelper dpkg-dev lintian mandoc"
# Without these some tests and benchmarks are skipped.
servers="nginx-light redis-server redis-tools postgresql-15 wrk bpftrace"

case ${1:-} in
build) ;;
'') packages+=" $tests $servers" ;;
*)
	echo "make deps: DEPS: got '$1', want build or nothing" >&2
	exit 2
	;;
esac
missing=
for package in $packages; do
	dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing+=" $package"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ]; then
	echo "make deps: as root, install:$missing" >&2
	exit 1
fi
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
# a fresh image has no lists of packages, an older one lists what is gone
apt-get update -qq
# Servers come for the tests alone, which start them with directories of their own: none shall run
# now, nor at the next boot, on a host that did not have it.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
	trap 'rm -f $policy' EXIT
	printf '#!/bin/sh\nexit 101\n' >$policy
	chmod 755 $policy
fi
case $missing in
*postgresql*)
	[ -e /etc/postgresql-common/createcluster.conf ] || {
		mkdir -p /etc/postgresql-common
		echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
	}
	;;
esac
install() {
	[ $# = 0 ] || apt-get install -y -qq --no-install-recommends -o Dpkg::Options::=--force-confold "$@" >/dev/null
}
needed= wanted=
for package in $missing; do
	case " $servers " in
	*" $package "*) wanted+=" $package" ;;
	*) needed+=" $package" ;;
	esac
done
# shellcheck disable=SC2086
install $needed
# shellcheck disable=SC2086
install $wanted || echo "make deps: could not install:$wanted: tests that want them will be skipped" >&2
for unit in nginx redis-server postgresql; do
	case $missing in
	*"$unit"*) deb-systemd-helper disable "$unit.service" >/dev/null 2>&1 || true ;;
	esac
done
