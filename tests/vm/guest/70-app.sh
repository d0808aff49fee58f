#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# A program fires its trigger itself, one that floods the socket keeps nobody else out, and a program of
# root gets a snapshot of itself.
. /tests/lib

snapshot_there()
{
	ls "$spool"/*-slow-app-*.pftrace
}

recorder_start '[trigger slow-app]' 'kind = app' 'comm = app' 'uid = 4711' 'post = 0ms'
for i in $(seq 30); do
	/tests/bin/app no-such 0 || fail "app: no recorder"
done
/tests/bin/app slow-app 120 4711 || fail "app: status $?"
until_true 30 snapshot_there || fail "no snapshot: $(frecctl status)"
frecctl explain "$(snapshot_there)" | grep -q 'says: after 120 ms' || fail "$(frecctl explain "$(snapshot_there)")"
frecctl status --json >"$dir/status"
[ "$(json unknown <"$dir/status")" -ge 16 ] || fail "counts: $(frecctl status)"
/tests/bin/app --snapshot "$dir/own" || fail "no snapshot of itself"
frecctl explain "$dir/own" >/dev/null || fail "explain"
frecctl export "$dir/own" --format json | grep -q '"name":"other"' || fail "nobody else in it"
recorder_stop || fail "frecd left with status $?"
