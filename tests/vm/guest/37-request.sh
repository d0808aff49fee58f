#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# A request to a server that takes too long, or that is never answered, or read: kernels before 6.3
# have no tracepoints for that, there the recorder attaches to functions.
. /tests/lib

snapshot_there()
{
	ls "$spool"/*-"${1:-slow-request}"-*.pftrace
}

# by the program's name alone, too
named_fired()
{
	frecctl triggers | awk '$1 == "named" && $5 + $7 > 0 { found = 1 } END { exit !found }'
}

recorder_start '[trigger slow-request]' 'kind = request' 'port = 8090' 'threshold = 200ms' 'cooldown = 1h' \
	'[trigger named]' 'kind = request' 'comm = guess-worker' 'threshold = 200ms' 'cooldown = 1h' \
	'[trigger hang]' 'kind = request' 'port = 8092' 'threshold = 200ms' 'cooldown = 1h' 'hold = 200ms' \
	'[trigger unread]' 'kind = request' 'port = 8093' 'comm = report*' 'threshold = 200ms' \
	'cooldown = 1h' 'hold = 200ms'
/tests/bin/report_service --port 8091 --delay 600ms >"$dir/report" &
until_true 10 grep -q ready "$dir/report" || fail "no report service"
/tests/bin/guess_server --port 8090 --report-port 8091 --report-every 1s >"$dir/server" &
until_true 10 grep -q ready "$dir/server" || fail "no server"
/tests/bin/guess_load --port 8090 --rate 20 --seconds 40 >"$dir/load" 2>&1 &
until_true 30 snapshot_there || fail "no snapshot: $(frecctl triggers; cat "$dir/load")"
frecctl explain "$(snapshot_there)" >"$dir/why" || fail "explain"
grep -q '^request *to 127.0.0.1:8090, from 127.0.0.1:' "$dir/why" || fail "$(cat "$dir/why")"
grep -q reporter "$dir/why" || fail "not the reporter: $(cat "$dir/why")"
until_true 30 named_fired || fail "not by name: $(frecctl triggers)"

# one that is served, but not answered, and one that its server does not even take
/tests/bin/report_service --port 8092 --delay 60s >"$dir/hang" &
until_true 10 grep -q ready "$dir/hang" || fail "no service"
wget -q -O /dev/null --post-data=x http://127.0.0.1:8092/ &
until_true 20 snapshot_there hang || fail "no snapshot of what is not answered: $(frecctl triggers)"
frecctl explain "$(snapshot_there hang)" >"$dir/why" || fail "explain"
grep -q '^request *to 127.0.0.1:8092, from 127.0.0.1:.*, not answered yet$' "$dir/why" || fail "$(cat "$dir/why")"
grep -q '^sleep: *report_service' "$dir/why" || fail "not the service: $(cat "$dir/why")"
/tests/bin/report_service --port 8093 >"$dir/unread" &
unread=$!
until_true 10 grep -q ready "$dir/unread" || fail "no service"
kill -STOP "$unread"
wget -q -O /dev/null --post-data=x http://127.0.0.1:8093/ &
until_true 20 snapshot_there unread || fail "no snapshot of what is not read: $(frecctl triggers)"
frecctl explain "$(snapshot_there unread)" >"$dir/why" || fail "explain"
grep -q 'nobody accepted or read' "$dir/why" || fail "$(cat "$dir/why")"
grep -q '^stopped: *report_service' "$dir/why" || fail "not that it was stopped: $(cat "$dir/why")"
recorder_stop || fail "frecd left with status $?"
