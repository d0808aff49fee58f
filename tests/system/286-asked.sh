#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# While switches are very many and long sleeps few, all threads are asked where their calls end: their
# waits are told as ever, with results. When the storm is over, those that can tell in passing again.
. "$(dirname "$0")/../lib.sh"

write_quiet_config "window = 30s" "memory = 128M"
start_frecd
[ "$(status "d['call_ends']")" != tracepoint ] || skip "the kernel has a tracepoint at the end of each call only"
told_by() {
	[ "$(status "d['call_ends']")" = "$1" ]
}
"$workloads/switches" --pairs 1 --seconds 60 >/dev/null &
pids+=($!)
within 20 told_by asked || skip "switches are too few here, or long sleeps too many"
"$workloads/waits" poll --ms 30 --count 20 >"$work/truth" || fail "the waits"
stop_pid "${pids[0]}"
take asked --last 4s
within 30 told_by thread || fail "all are still asked: $(status "d['events']")"
DISTURBED=yes "$(dirname "$0")/../truth_waits.py" "$work/asked.json" "$work/truth" unregistered
case $? in
0) ;;
75) skip "too much else runs here" ;;
*) fail "waits" ;;
esac
