#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Spans as the service sees them: frecd is user frec with CAP_BPF and CAP_PERFMON, the program is in a
# folder that is closed to it, and in another that its mount namespace does not show. Who reads the
# file has no rights at all. And what the probes of a recorder that was killed leave behind: nothing.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../spans.sh"

can_mount || skip "needs a mount namespace, for accounts of its own"
uid=64123
{ grep -v '^frec:' /etc/passwd; echo "frec:x:$uid:$uid::/nonexistent:/usr/sbin/nologin"; } >"$work/passwd"
{ grep -v '^frec:' /etc/group; echo "frec:x:$uid:"; } >"$work/group"
mkdir -m 700 "$work/closed" "$work/hidden"
program=$work/closed/spans
cp "$workloads/spans" "$program"
cp "$workloads/spans" "$work/hidden"
chmod 700 "$program" "$work/hidden/spans"
cp "$frecd" "$work/frecd"
write_config <<-END
	[trigger closed]
	kind = span
	exe = $program
	span = order
	threshold = 200ms
	[trigger hidden]
	kind = span
	exe = $work/hidden/spans
	begin = work_all
	threshold = 200ms
END
unshare --mount sh -c 'mount --bind "$1/passwd" /etc/passwd && mount --bind "$1/group" /etc/group &&
	mount -t tmpfs -o mode=700 none "$1/hidden" && exec "$1/frecd" --config "$1/frec.conf"' - "$work" \
	2>"$work/frecd.log" &
frecd_pid=$!
within 20 is_recording || fail "does not record"
# CAP_SYS_NICE 23, CAP_SYSLOG 34, CAP_PERFMON 38, CAP_BPF 39
grep -q "^CapEff:[[:space:]]*000000c000800000" "/proc/$frecd_pid/status" || fail "$(grep Cap "/proc/$frecd_pid/status")"
within 10 watches closed || fail "a program in a closed folder: $(cat "$work/frecd.log")"
start_spans
tell sleeper 300
within 10 has_snapshots 1 closed || fail "no snapshot"
if [ -e "/proc/1/root$work/hidden/spans" ]; then
	within 10 watches hidden || fail "a program that is hidden: $(cat "$work/frecd.log")"
fi

kill -KILL "$frecd_pid"
wait "$frecd_pid" 2>/dev/null
frecd_pid=
no_probes() {
	[ "$(probes)" = "90 90" ]
}
within 10 no_probes || fail "probes outlive a recorder that was killed: $(probes)"
tell fast
