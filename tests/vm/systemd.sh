#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# systemd.sh: starts systemd as PID 1 of namespaces on the running kernel, in a
# throw-away overlay of this host's root with frec installed ("make install"
# with DESTDIR), and runs systemd-guest.sh there as a unit. Prints one "ok",
# "not ok" or "skip" line for each check; exits 1 if one failed. Needs root.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
limit=120

# In the new namespaces, as PID 1.
enter_root()
{
	local root=$work/mnt/root node

	mount -t proc proc "$root/proc"
	mount -t sysfs -o ro sys "$root/sys"
	mount -t cgroup2 cgroup "$root/sys/fs/cgroup"
	mount -t tracefs -o ro tracing "$root/sys/kernel/tracing"
	mount -t tmpfs dev "$root/dev"
	for node in null zero full random urandom tty; do
		touch "$root/dev/$node"
		mount --bind "/dev/$node" "$root/dev/$node"
	done
	mkdir "$root/dev/pts" "$root/dev/shm"
	mount -t devpts -o newinstance,ptmxmode=666 pts "$root/dev/pts"
	ln -s pts/ptmx "$root/dev/ptmx"
	ln -s /proc/self/fd "$root/dev/fd"
	mount -t tmpfs run "$root/run"
	mount -t tmpfs tmp "$root/tmp"
	hostname frec-test
	cd "$root"
	mkdir -p .old
	pivot_root . .old
	umount -l .old
	exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin \
		/lib/systemd/systemd --system --log-target=console --log-level=warning \
		--unit=frec-test.target </dev/null
}

# The overlay: this host's files below, our own and frec's above. The units that
# this host has enabled are none of ours.
make_root()
{
	local top=$work/mnt root=$work/mnt/root

	mount -t tmpfs top "$top"
	mkdir "$root" "$top/upper" "$top/work"
	mount -t overlay -o "lowerdir=/,upperdir=$top/upper,workdir=$top/work" overlay "$root"
	rm -rf "$root"/etc/systemd/system "$root"/{usr/,}lib/systemd/system-generators/* \
		"$root"/etc/frec "$root"/var/lib/frec "$root"/var/log/journal
	mkdir -p "$root"/{etc/systemd/system,proc,sys,dev,run,tmp}
	: >"$root/etc/fstab"
	echo 0123456789abcdef0123456789abcdef >"$root/etc/machine-id"
	make -s -C "$here/../.." install DESTDIR="$root" PREFIX=/usr
	mkdir -p "$root/home"
	mkdir -m 700 "$root/home/closed"
	install -m 700 "${BUILD:-$here/../../build}/tests/spans" "$root/home/closed"
	systemd-sysusers --root="$root" frec.conf 2>"$work/console"
	install -m 755 "$here/systemd-guest.sh" "$root/frec-test"
	cat >"$root/etc/systemd/system/frec-test.service" <<-'EOF'
		[Unit]
		After=basic.target
		SuccessAction=exit-force
		FailureAction=exit-force
		[Service]
		Type=oneshot
		ExecStart=/frec-test
		StandardOutput=file:/frec-test.out
		StandardError=inherit
	EOF
	printf '[Unit]\nRequires=basic.target frec-test.service\n' \
		>"$root/etc/systemd/system/frec-test.target"
}

# In a mount namespace of its own: everything is gone when it ends.
outside()
{
	local status=0

	make_root
	# a cgroup of the guest's own, which becomes the root that it sees
	mkdir "$work/cgroup"
	mount -t cgroup2 cgroup "$work/cgroup"
	mkdir "$work/cgroup/frec-test.$$"
	(
		echo "$BASHPID" >"$work/cgroup/frec-test.$$/cgroup.procs"
		exec timeout -k 5 $limit unshare --pid --mount --ipc --uts --cgroup --fork \
			--kill-child "$0" enter "$work"
	) >"$work/console" 2>&1 || status=$?
	cat "$work/mnt/root/frec-test.out" || true
	if ! grep -qs '^end$' "$work/mnt/root/frec-test.out"; then
		sed 's/^/# /' "$work/console"
		echo "not ok systemd-run: ended early (status $status)"
	fi
	find "$work/cgroup/frec-test.$$" -depth -type d -exec rmdir {} + || true
}

if [ "${1-}" = enter ]; then
	work=$2
	enter_root
fi
if [ "${1-}" = outside ]; then
	work=$2
	outside
	exit
fi
[ "$(id -u)" = 0 ] || { echo "skip systemd: needs root"; exit 0; }
[ -x /lib/systemd/systemd ] || { echo "skip systemd: no systemd here"; exit 0; }
modprobe -q overlay 2>/dev/null || true
grep -qw overlay /proc/filesystems || { echo "skip systemd: no overlay file system here"; exit 0; }

work=$(mktemp -d "${TMPDIR:-/tmp}/frec-systemd.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
mkdir "$work/mnt"
unshare --mount --propagation private "$0" outside "$work" >"$work/result" 2>&1 ||
	echo "not ok systemd-setup" >>"$work/result"
grep -vx end "$work/result"
! grep -q '^not ok' "$work/result"
