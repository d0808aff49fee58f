#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# From start to recording in less than a second; little memory of its own; its CPU time counts
# from when it records.
. "$(dirname "$0")/../lib.sh"

write_config </dev/null
best=100000
for _ in 1 2 3; do
	start_frecd
	ms=$(sed -n 's/.*recording: .*started in \([0-9]*\) ms.*/\1/p' "$work/frecd.log")
	[ -n "$ms" ] || fail "the log does not say how long it took"
	[ "$ms" -ge "$best" ] || best=$ms
	ctl status --json >"$work/status.json"
	stop_frecd || fail "frecd ended with $?"
done
echo "started in $best ms"
[ "$best" -lt 1000 ] || fail "the start took $best ms"
[ "$(json "$work/status.json" "d['memory']['daemon_rss'] < 24 << 20")" = true ] || fail "$(json "$work/status.json" "d['memory']")"

start_frecd
for _ in 1 2 3 4 5 6 7 8; do
	sleep 0.25 # an interval to measure, not an event to wait for
done
[ "$(status "d['overhead']['daemon_share'] < 0.05")" = true ] || fail "daemon_share counts the start: $(status "d['overhead']")"
stop_frecd || fail "frecd ended with $?"
exit 0
