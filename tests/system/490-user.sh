#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# On a host with user and group frec the daemon gives up root, keeps what it needs and passes on
# less; started as that user with capabilities it records, too. The accounts exist in a mount
# namespace of this test only.
. "$(dirname "$0")/../lib.sh"

can_mount || skip "needs a mount namespace, for accounts of its own"

uid=64123
{ grep -v '^frec:' /etc/passwd; echo "frec:x:$uid:$uid::/nonexistent:/usr/sbin/nologin"; } >"$work/passwd"
{ grep -v '^frec:' /etc/group; echo "frec:x:$uid:"; } >"$work/group"
inside() {
	exec unshare --mount sh -c 'mount --bind "$1/passwd" /etc/passwd && mount --bind "$1/group" /etc/group &&
		shift && exec "$@"' - "$work" "$@"
}
start_inside() { # COMMAND…
	inside "$@" 2>"$work/frecd.log" &
	frecd_pid=$!
	within 20 is_recording || fail "does not record: $(cat "$work/frecd.log")"
}
field() { # PID NAME: of /proc/PID/status
	sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status" | tr '\t' ' '
}
fires() {
	"$workloads/waits" lock --ms 300ms >/dev/null || fail "waits lock"
	within 10 has_snapshot '*ours*' || fail "no snapshot: $(cat "$work/frecd.log")"
	rm "$work"/spool/*
}

cp "$frecd" "$work/frecd"
write_config <<-EOF
	[trigger ours]
	kind = lock
	threshold = 100ms
	comm = waits
	cooldown = 0s
EOF
umask 0
start_inside "$work/frecd" --config "$work/frec.conf"
umask 022
! grep -q 'no user and group' "$work/frecd.log" || fail "did not find user frec"
[ "$(field "$frecd_pid" Uid)" = "$uid $uid $uid $uid" ] || fail "Uid: $(field "$frecd_pid" Uid)"
[ "$(field "$frecd_pid" Gid)" = "$uid $uid $uid $uid" ] || fail "Gid"
[ -z "$(field "$frecd_pid" Groups | tr -d ' ')" ] || fail "groups: $(field "$frecd_pid" Groups)"
# CAP_SYS_NICE 23, CAP_PERFMON 38, CAP_BPF 39
[ "$(field "$frecd_pid" CapEff)" = 000000c000800000 ] || fail "capabilities: $(field "$frecd_pid" CapEff)"
opener=$(pgrep -P "$frecd_pid" -x frecd-opener) || fail "no opener"
[ "$(field "$opener" Uid)" = "$uid $uid $uid $uid" ] || fail "opener: $(field "$opener" Uid)"
# CAP_DAC_READ_SEARCH 2, CAP_SYS_PTRACE 19
[ "$(field "$opener" CapEff)" = 0000000000080004 ] || fail "opener: $(field "$opener" CapEff)"
[ "$(find "/proc/$opener/fd" -mindepth 1 | wc -l)" = 4 ] || fail "opener has descriptors: $(ls -l "/proc/$opener/fd")"

for mode in "$work/run 755" "$work/run/control.sock 660" "$work/run/frecd.lock 600" "$work/spool 750"; do
	[ "$(stat -c '%n %a' "${mode% *}")" = "$mode" ] || fail "mode: $(stat -c '%n %a' "${mode% *}"), want $mode"
done
[ "$(stat -c %g "$work/run/control.sock")" = $uid ] || fail "group of the socket"
"$workloads/switches" --pairs 4 --seconds 4 >/dev/null
ctl snapshot >"$work/out" 2>&1 &
client=$!
worker=
until [ -n "$worker" ]; do # it lives for less than it takes to start a program or two on a busy host
	for child in $(<"/proc/$frecd_pid/task/$frecd_pid/children"); do
		{ read -r comm <"/proc/$child/comm"; } 2>/dev/null && [ "$comm" = frecd-worker ] && worker=$child
	done
	kill -0 $client 2>/dev/null || fail "no worker: $(cat "$work/out") $(cat "$work/frecd.log")"
done
filtered() {
	local line

	while read -r line; do
		[ "$line" != "Seccomp:	2" ] || return 0
	done <"/proc/$worker/status"
	return 1
}
until filtered; do
	kill -0 "$worker" 2>/dev/null || fail "the worker has no filter of system calls"
done
kill -STOP "$worker"
[ "$(field "$worker" CapEff)$(field "$worker" CapPrm)$(field "$worker" CapAmb)" = "$(printf '0%.0s' {1..48})" ] ||
	fail "the worker has capabilities"
[ "$(field "$worker" NoNewPrivs)" = 1 ] || fail "the worker may gain privileges"
extra=$(find "/proc/$worker/fd" -mindepth 1 -printf '%f %l\n' | grep -vE '^([0-6] |7 /proc/kallsyms|8 anon_inode:bpf_iter|9 /proc/locks)')
[ -z "$extra" ] || fail "the worker has other descriptors: $extra"
kill -CONT "$worker"
wait $client || fail "no snapshot: $(cat "$work/out")"
snapshot=$(snapshots | head -n 1)
[ "$(stat -c '%a %u %g' "$snapshot")" = "640 $uid $uid" ] || fail "$(stat -c '%a %u %g' "$snapshot")"
ctl export "$snapshot" --format json | grep -q '"argv":\["'"$workloads/switches"'"' || fail "no command lines"
fires
reload
[ "$(status "d['pinned']")" = true ] || fail "not pinned"
[ "$(status "d['events']['lost']")" = 0 ] || fail "events lost"

# ---- killed, and started again: over what the user has left

kill -KILL "$frecd_pid"
wait "$frecd_pid"
start_inside "$work/frecd" --config "$work/frec.conf"
fires
stop_frecd || fail "frecd ended with $?"

# ---- started as the user, as a service manager would

start_inside setpriv --reuid $uid --regid $uid --clear-groups --inh-caps +bpf,+perfmon \
	--ambient-caps +bpf,+perfmon "$work/frecd" --config "$work/frec.conf"
[ "$(field "$frecd_pid" CapEff)" = 000000c000000000 ] || fail "capabilities: $(field "$frecd_pid" CapEff)"
fires
stop_frecd || fail "frecd ended with $?"
exit 0
