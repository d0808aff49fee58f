#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Started by root without a service manager, with user frec on the host and without: makes its own
# default spool, and a clean stop unmounts what a frecd has mounted, and nothing else.
if [ -z "${FREC_TEST_NAMESPACE:-}" ]; then
	FREC_TEST_NAMESPACE=1 unshare --mount "$0"
	status=$?
	[ "$status" != 1 ] || unshare --mount true 2>/dev/null || { echo "needs a mount namespace"; exit 77; }
	exit "$status"
fi
. "$(dirname "$0")/../lib.sh"

uid=64124
{ grep -v '^frec:' /etc/passwd; echo "frec:x:$uid:$uid::/nonexistent:/usr/sbin/nologin"; } >"$work/passwd"
{ grep -v '^frec:' /etc/group; echo "frec:x:$uid:"; } >"$work/group"
grep -v '^frec:' /etc/passwd >"$work/passwd.none"
grep -v '^frec:' /etc/group >"$work/group.none"
accounts() { # SUFFIX
	mount --bind "$work/passwd$1" /etc/passwd && mount --bind "$work/group$1" /etc/group || fail "accounts"
}
field() { # PID NAME: of /proc/PID/status
	sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status" | tr '\t' ' '
}
leave() {
	[ -z "$frecd_pid" ] || stop_pid "$frecd_pid"
	frecd_pid=
	umount /etc/passwd /etc/group 2>/dev/null
	cleanup
}
trap leave EXIT
mounted() { grep -q " $work/run/bpf bpf " /proc/self/mounts; }
gone() { ! kill -0 "$1" 2>/dev/null; }

mount -t tmpfs -o mode=755 none /var/lib
cp "$frecd" "$work/frecd"
frecd=$work/frecd
write_quiet_config
sed -i '/^directory/d' "$work/frec.conf"

for who in "$uid:" 0:.none; do
	accounts "${who#*:}"
	owner=${who%:*}

	# ---- a clean stop

	start_frecd
	[ "$(field "$frecd_pid" Uid)" = "$owner $owner $owner $owner" ] || fail "runs as $(field "$frecd_pid" Uid)"
	[ "$(status "d['pinned']")" = true ] || fail "not pinned"
	mounted || fail "no bpffs"
	unmounter=$(pgrep -P "$frecd_pid" -x frecd-unmount) || fail "nobody to unmount"
	# CAP_SYS_ADMIN 21
	[ "$(field "$unmounter" CapEff) $(field "$unmounter" CapPrm)" = "0000000000200000 0000000000200000" ] ||
		fail "the unmounter has capabilities $(field "$unmounter" CapEff)"
	[ "$(find "/proc/$unmounter/fd" -mindepth 1 | wc -l)" = 1 ] || fail "the unmounter has descriptors"
	path=$(ctl snapshot) || fail "no snapshot into the default directory"
	[ "$(dirname "$path")" = /var/lib/frec/snapshots ] || fail "a snapshot at $path"
	for directory in /var/lib/frec /var/lib/frec/snapshots; do
		[ "$(stat -c '%a %u %g' $directory)" = "750 $owner $owner" ] || fail "$directory: $(stat -c '%a %u %g' $directory)"
	done
	stop_frecd || fail "ended with $?"
	mounted && fail "bpffs left"
	[ ! -e "$work/run/bpf" ] || fail "its directory left"

	# ---- killed: what it pinned stays for the next, whose clean stop leaves nothing

	start_frecd
	unmounter=$(pgrep -P "$frecd_pid" -x frecd-unmount) || fail "nobody to unmount"
	kill -KILL "$frecd_pid"
	wait "$frecd_pid" 2>/dev/null
	within 5 gone "$unmounter" || fail "the unmounter outlives the daemon"
	[ -e "$work/run/bpf/task_table" ] || fail "a daemon that dies takes its pins along"
	start_frecd
	grep -q "rescuing the window of a recorder that died" "$work/frecd.log" || fail "did not find the pins"
	stop_frecd || fail "ended with $?"
	mounted && fail "bpffs left after a restart"

	# ---- somebody else's mount is none of its business

	mkdir "$work/run/bpf"
	mount -t bpf -o mode=0700 bpf "$work/run/bpf"
	chown "$owner:$owner" "$work/run/bpf"
	start_frecd
	[ "$(status "d['pinned']")" = true ] || fail "not pinned"
	pgrep -P "$frecd_pid" -x frecd-unmount >/dev/null && fail "would unmount what it has not mounted"
	stop_frecd || fail "ended with $?"
	mounted || fail "unmounted what it had not mounted"
	[ -z "$(ls -A "$work/run/bpf" | grep -v '\.debug$')" ] ||
		fail "pins left: $(ls "$work/run/bpf")"
	umount "$work/run/bpf" && rmdir "$work/run/bpf"
	umount /etc/passwd /etc/group
	rm -r /var/lib/frec "$work/run"
done

# ---- where it cannot make the default: one line, and it records

mount -o remount,ro /var/lib
start_frecd
[ "$(grep -c 'cannot use /var/lib/frec/snapshots for snapshots: Read-only' "$work/frecd.log")" = 1 ] || fail "not said"
ctl snapshot 2>"$work/out" && fail "a snapshot into nowhere"
grep -q "cannot write a snapshot to /var/lib/frec/snapshots: " "$work/out" || fail "$(cat "$work/out")"
stop_frecd || fail "ended with $?"
exit 0
