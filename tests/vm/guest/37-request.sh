#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# A request to a server that takes too long: kernels before 6.3 have no tracepoints for that, there
# the recorder attaches to functions.
. /tests/lib

snapshot_there()
{
	ls "$spool"/*-slow-request-*.pftrace
}

recorder_start '[trigger slow-request]' 'kind = request' 'port = 8090' 'threshold = 200ms' 'cooldown = 1h'
/tests/bin/report_service --port 8091 --delay 600ms >"$dir/report" &
until_true 10 grep -q ready "$dir/report" || fail "no report service"
/tests/bin/guess_server --port 8090 --report-port 8091 --report-every 1s >"$dir/server" &
until_true 10 grep -q ready "$dir/server" || fail "no server"
/tests/bin/guess_load --port 8090 --rate 20 --seconds 40 >"$dir/load" 2>&1 &
until_true 30 snapshot_there || fail "no snapshot: $(frecctl triggers; cat "$dir/load")"
frecctl explain "$(snapshot_there)" >"$dir/why" || fail "explain"
grep -q '^request *to 127.0.0.1:8090, from 127.0.0.1:' "$dir/why" || fail "$(cat "$dir/why")"
grep -q reporter "$dir/why" || fail "not the reporter: $(cat "$dir/why")"
recorder_stop || fail "frecd left with status $?"
