#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# A thread that waits for a mutex longer than the threshold fires the trigger;
# one that waits as long for a condition variable does not.
. /tests/lib

snapshot_there()
{
	ls "$spool"/*-slow-lock-*.pftrace
}

fired()
{
	frecctl status --json | tr -d ' \n' | grep -o '"name":"slow-lock"[^}]*' |
		grep -o '"fired":[0-9]*' | cut -d: -f2
}

recorder_start '[trigger slow-lock]' 'kind = lock' 'threshold = 100ms' 'comm = waits*' 'post = 0ms'
/tests/bin/waits condvar --ms 300 || fail "waits condvar: status $?"
/tests/bin/waits lock --ms 300 || fail "waits lock: status $?"
until_true 30 snapshot_there || fail "no snapshot: $(frecctl triggers)"
[ "$(fired)" = 1 ] || fail "fired '$(fired)' times, want 1: $(frecctl triggers)"
recorder_stop || fail "frecd left with status $?"
