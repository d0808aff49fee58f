#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Two recorders with different configurations at once; one's end does not disturb the other.
. "$(dirname "$0")/../lib.sh"

write_config <<-EOF
	[recorder]
	syscalls = slow
	[trigger ours]
	kind = lock
	threshold = 100ms
	comm = waits
	cooldown = 0s
EOF
sed "s|$work/run|$work/run2|; s|$work/spool|$work/spool2|; s|syscalls = slow|syscalls = all|
	s|^.trigger ours.|[trigger theirs]|; s|kind = lock|kind = syscall|; s|^threshold.*|threshold = 50ms\nsyscalls = poll,ppoll|" \
	"$work/frec.conf" >"$work/second.conf"
ctl2() {
	"$BUILD/frecctl" --run-directory "$work/run2" "$@"
}
count() { # SPOOL GLOB
	find "$work/$1" -name "*$2*.pftrace" 2>/dev/null | wc -l
}
has() {
	[ "$(count "$1" "$2")" -gt 0 ]
}
start_frecd
"$frecd" --config "$work/second.conf" 2>"$work/second.log" &
second=$!
pids+=("$second")
within 20 ctl2 status || fail "the second does not record: $(cat "$work/second.log")"

"$workloads/waits" lock --ms 300ms >/dev/null || fail "waits lock"
"$workloads/waits" poll --ms 200ms >/dev/null || fail "waits poll"
within 10 has spool ours || fail "the first did not fire"
within 10 has spool2 theirs || fail "the second did not fire: $(cat "$work/second.log")"
[ "$(count spool theirs)$(count spool2 ours)" = 00 ] || fail "one wrote the other's snapshots"
calls() {
	"$BUILD/frecctl" explain "$1" --json | json - "d['events'].get('sys_enter', 0)"
}
one=$(ctl snapshot) && two=$(ctl2 snapshot) || fail "frecctl snapshot"
[ "$(calls "$two")" -gt $(($(calls "$one") * 2)) ] || fail "modes: $(calls "$one") syscalls, $(calls "$two") in mode all"

stop_pid "$second"
pids=()
[ ! -e "$work/run2/control.sock" ] || fail "socket left"
held=$(status "d['window']['held_ns']")
before=$(count spool ours)
"$workloads/waits" lock --ms 300ms >/dev/null || fail "waits lock"
more() {
	[ "$(count spool ours)" -gt "$before" ]
}
within 10 more || fail "the first does not fire any more"
[ "$(status "d['window']['held_ns'] >= min($held, d['window']['wanted_ns'])")" = true ] || fail "it lost its window"
[ "$(status "d['events']['lost']")" = 0 ] || fail "events lost"

# one spool for both: the limits of either would delete what the other wrote
sed -i "s|$work/spool2|$work/spool|" "$work/second.conf"
"$frecd" --config "$work/second.conf" 2>"$work/second.log" &
second=$!
pids+=("$second")
warns() { # CTL
	"$1" status 2>/dev/null | grep -qF "warning    $work/spool is the spool of another frecd, too"
}
silent() {
	ctl2 status && ! warns ctl2
}
within 20 warns ctl2 || fail "nothing said: $(ctl2 status; cat "$work/second.log")"
grep -qF "$work/spool is the spool of another frecd, too" "$work/second.log" || fail "not logged"
warns ctl && fail "the first was there before"
stop_frecd || fail "frecd ended with $?"
within 20 silent || fail "it is alone now: $(ctl2 status)"
exit 0
