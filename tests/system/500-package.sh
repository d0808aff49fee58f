#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The Debian package builds, holds what `make install` installs, and comes and goes without a trace.
# May run beside others.
. "$(dirname "$0")/../lib.sh"

root=$(cd "$(dirname "$0")/../.." && pwd)
for tool in dpkg-buildpackage dh; do
	command -v $tool >/dev/null || skip "needs $tool: install debhelper and dpkg-dev"
done
missing=$(cd "$root" && dpkg-checkbuilddeps -Pnocheck 2>&1) || skip "${missing#*: error: }"

# ---- what is in it ----

(cd "$root" && BUILD=$work/build DEB_BUILD_OPTIONS='nocheck noautodbgsym' debian/build.sh -Pnocheck) \
	>"$work/build.log" 2>&1 || {
	tail -n 20 "$work/build.log" >&2
	fail "the package does not build"
}
deb=$(echo "$work"/build/deb/frec_*.deb)
[ -s "$deb" ] || fail "no package"
[ ! -e "$work/build/deb/frec" ] || fail "the copy of the tree stays"
if command -v lintian >/dev/null; then
	# it leaves files in its temporary directory
	TMPDIR=$work lintian --allow-root --fail-on error,warning "$work"/build/deb/*.changes >"$work/lintian" 2>&1 ||
		fail "lintian: $(cat "$work/lintian")"
fi

mkdir "$work/root" "$work/installed"
dpkg-deb -x "$deb" "$work/root" || fail "dpkg-deb"
make -s -C "$root" BUILD="$BUILD" DESTDIR="$work/installed" PREFIX=/usr install >"$work/install.log" 2>&1 ||
	fail "make install: $(tail -n 5 "$work/install.log")"
# Debian compresses man pages, and its tools look for units in /lib.
files() {
	(cd "$1" && find . ! -type d ! -path './usr/share/doc/*' |
		sed 's,^\./usr/lib/systemd/,./lib/systemd/,; s/\.gz$//' | sort)
}
diff <(files "$work/installed") <(files "$work/root") >"$work/diff" ||
	fail "make install and the package differ: $(cat "$work/diff")"
make -s -C "$root" BUILD="$BUILD" DESTDIR="$work/local" PREFIX=/usr/local install >"$work/install.log" 2>&1 ||
	fail "make install: $(tail -n 5 "$work/install.log")"
unit=$work/local/usr/local/lib/systemd/system/frecd.service
diff "$work/installed/usr/lib/systemd/system/frecd.service" "$unit" >"$work/diff"
[ "$(grep '^[<>]' "$work/diff")" = $'< ExecStart=/usr/sbin/frecd\n> ExecStart=/usr/local/sbin/frecd' ] ||
	fail "the unit with another PREFIX: $(cat "$work/diff")"
make -s -C "$root" BUILD="$BUILD" DESTDIR="$work/local" PREFIX=/usr/local uninstall >"$work/install.log" 2>&1
left=$(cd "$work/local" && find . ! -type d)
[ "$left" = ./etc/frec/frec.conf ] || fail "make uninstall leaves $left"
for path in etc/frec/conf.d usr/share/doc/frec/copyright; do
	[ -e "$work/root/$path" ] || fail "no /$path in the package"
done
[ "$(dpkg-deb -I "$deb" conffiles)" = /etc/frec/frec.conf ] || fail "configuration files"

# ---- it records ----

frecd=$work/root/usr/sbin/frecd
ctl() {
	"$work/root/usr/bin/frecctl" --run-directory "$work/run" "$@"
}
"$frecd" --config "$work/root/etc/frec/frec.conf" --check-config >/dev/null ||
	fail "configuration as installed"
write_config </dev/null
start_frecd
path=$(ctl snapshot) || fail "snapshot"
[ -s "$path" ] || fail "no snapshot"
stop_frecd || fail "frecd ended with $?"

# ---- it comes and goes: in an overlay of this host's root, where no systemd runs ----

can_mount || skip "built and recorded; installing it needs a mount namespace"
cat >"$work/life.sh" <<-'END'
	set -eux
	dpkg -i "$1"
	id frec
	[ "$(stat -c %a:%U:%G /var/lib/frec/snapshots)" = 750:frec:frec ]
	[ -e /etc/systemd/system/multi-user.target.wants/frecd.service ]
	frecd --check-config
	frecctl --version
	echo '# mine' >>/etc/frec/frec.conf
	touch /var/lib/frec/snapshots/mine.pftrace
	dpkg -r frec
	[ ! -e /usr/sbin/frecd ]
	[ -e /var/lib/frec/snapshots/mine.pftrace ]
	dpkg -i "$1"
	grep -q '^# mine' /etc/frec/frec.conf
	dpkg -P frec
	[ ! -e /var/lib/frec ]
	[ ! -e /etc/frec ]
	left=$(find /etc/systemd /usr/lib /usr/share /usr/sbin /usr/bin /var/lib/systemd \( -name 'frec*' -o -name 'run-frec*' \))
	[ -z "$left" ]
END
cat >"$work/enter.sh" <<-'END'
	set -eu
	work=$1 deb=$2
	mount -t tmpfs top "$work/top"
	mkdir "$work/top/upper" "$work/top/work" "$work/top/root"
	mount -t overlay -o "lowerdir=/,upperdir=$work/top/upper,workdir=$work/top/work" overlay "$work/top/root"
	cd "$work/top/root"
	mount -t tmpfs run run
	mount -t tmpfs tmp tmp
	mount -t proc proc proc
	mount --rbind /dev dev
	cp "$deb" tmp/frec.deb
	cp "$work/life.sh" tmp
	# one that this host has, by `make install` or as a package
	chroot . dpkg -P frec >/dev/null 2>&1 || true
	rm -rf etc/frec var/lib/frec usr/*bin/frec* etc/systemd/system/*/frecd.service \
		usr/lib/systemd/system/{frecd.service,frecd-rescue.service,run-frec-bpf.mount} usr/lib/{sysusers,tmpfiles}.d/frec.conf \
		usr/share/man/man?/frec*
	env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive \
		chroot . bash /tmp/life.sh /tmp/frec.deb
END
mkdir "$work/top"
unshare -m --propagation private bash "$work/enter.sh" "$work" "$deb" >"$work/life.log" 2>&1 ||
	fail "in a root of its own: $(tail -n 15 "$work/life.log")"
exit 0
