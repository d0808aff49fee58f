#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A disk below the spool that does not answer (a frozen file system): recording, triggers and
# frecctl go on, status says so, and when it answers again the snapshots are there, complete.
# May run beside others.
. "$(dirname "$0")/../lib.sh"

spool=$work/disk/spool
frozen=
thaw() {
	[ -z "$frozen" ] || fsfreeze -u "$work/disk"
	frozen=
}
leave() {
	thaw
	[ -z "$frecd_pid" ] || stop_pid "$frecd_pid"
	frecd_pid=
	within 5 umount "$work/disk"
	cleanup
}
mkdir "$work/disk"
truncate -s 64M "$work/image"
mkfs.ext4 -q "$work/image" || skip "needs mkfs.ext4"
mount -o loop "$work/image" "$work/disk" 2>/dev/null || skip "needs a loop device"
trap leave EXIT
chmod 777 "$work/disk"
freeze() {
	fsfreeze -f "$work/disk" || fail "cannot freeze"
	frozen=1
}
snapshots() {
	find "$spool" -name "${1:-*}.pftrace" | sort
}

write_config <<-EOF
	[recorder]
	window = 5s
	[trigger ours]
	kind = offcpu
	threshold = 60ms
	comm = sleeper
	cooldown = 0
	post = 0
	[trigger other]
	kind = offcpu
	threshold = 60ms
	comm = other
	cooldown = 0
	post = 0
EOF
sed -i "s|^directory.*|directory = $spool|" "$work/frec.conf"
cp "$workloads/waits" "$work/sleeper"
cp "$workloads/waits" "$work/other"
start_frecd
ctl snapshot >/dev/null || fail "no snapshot"

freeze
"$work/sleeper" sleep --ms 90 >/dev/null
stalls() { [ "$(status "d['spool']['stalled_ns'] > 2e9")" = true ]; }
within 10 stalls || fail "status does not know"
# that each answer comes at once shows that the loop turns
for _ in {1..10}; do
	begin=$EPOCHREALTIME
	ctl status >"$work/status" || fail "status"
	awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { exit b - a > 1 }' || fail "status takes its time"
done
grep -q "^warning .*disk of $spool has not answered for" "$work/status" || fail "no warning: $(cat "$work/status")"
"$work/other" sleep --ms 90 >/dev/null
ctl list 2>"$work/out" && fail "a list from a disk that does not answer"
grep -q "cannot read $spool: its disk has not answered for" "$work/out" || fail "$(cat "$work/out")"
ctl snapshot -o "$work/own.pftrace" >/dev/null || fail "no snapshot elsewhere"
ctl export "$work/own.pftrace" --format json >"$work/events" || fail "export"
grep -q '"other"' "$work/events" || fail "did not go on recording"
[ "$(trigger other fired)" = 1 ] || fail "triggers do not go on: $(trigger other fired)"
logged() { [ "$(grep -c 'does not answer: snapshots wait in memory' "$work/frecd.log")" = 1 ]; }
within 5 logged || fail "not logged once"
reload

thaw
within 10 has_snapshot '*-ours-*' || fail "the snapshot of the time before is lost"
within 10 has_snapshot '*-other-*' || fail "the one that waited is lost"
ctl explain "$(snapshots '*-ours-*')" >/dev/null || fail "no complete snapshot"
answers() { ! stalls && ctl list >/dev/null; }
within 5 answers || fail "still stalled"
within 5 grep -q "disk of $spool answers again" "$work/frecd.log" || fail "not said"

# ---- it is no reason not to end, nor for the next not to start

freeze
"$work/sleeper" sleep --ms 90 >/dev/null
within 10 stalls || fail "status does not know"
pid=$frecd_pid
spooler=$(pgrep -P "$pid" -x frecd-spooler) || fail "no spooler"
frecd_pid=
kill "$pid"
gone() { ! kill -0 "$1" 2>/dev/null; }
within 9 gone "$pid" || fail "does not end"
wait "$pid" || fail "ended with $?"
grep -q "a snapshot is left to the spooler" "$work/frecd.log" || fail "not said"
start_frecd
[ "$(status "d['state']")" = recording ] || fail "does not start beside a frozen spool"
thaw
within 10 gone "$spooler" || fail "the spooler stays"
[ "$(snapshots '*-ours-*' | wc -l)" = 2 ] || fail "what was left to the spooler is lost"
stop_frecd || fail "ended with $?"
exit 0
