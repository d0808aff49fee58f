#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Histograms of requests and of waits in the run queue, and a trigger on each.
. /tests/lib

snapshot_there()
{
	ls "$spool"/*.pftrace
}

# fired NAME: or merged into another's snapshot
fired()
{
	frecctl triggers | awk -v name="$1" '$1 == name && $5 + $7 > 0 { found = 1 } END { exit !found }'
}

recorder_start '[trigger slow-requests]' 'kind = percentile' 'percentile = request p90 100ms/2s' 'port = 8190' 'cooldown = 1h' \
	'[trigger queue]' 'kind = percentile' 'percentile = runqueue p50 1us/2s' 'comm = guess*' 'cooldown = 1h'
/tests/bin/report_service --port 8191 --delay 600ms >"$dir/report" &
until_true 10 grep -q ready "$dir/report" || fail "no report service"
/tests/bin/guess_server --port 8190 --report-port 8191 --report-every 1s >"$dir/server" &
until_true 10 grep -q ready "$dir/server" || fail "no server"
/tests/bin/guess_load --port 8190 --rate 20 --seconds 60 >"$dir/load" 2>&1 &
for name in slow-requests queue; do
	until_true 40 fired "$name" || fail "$name: $(frecctl triggers; frecctl status; cat "$dir/load")"
done
until_true 20 snapshot_there || fail "no snapshot"
frecctl explain "$(snapshot_there | head -n 1)" >"$dir/why" || fail "explain"
grep -Eq '(request p90|runqueue p50) is .*, over ' "$dir/why" || fail "$(cat "$dir/why")"
frecctl status | grep -q 'request of slow-requests: p50' || fail "$(frecctl status)"
recorder_stop || fail "frecd left with status $?"
