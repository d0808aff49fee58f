#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Two threads that wait for each other for ever: both are in a snapshot, with owner and user stack,
# which only an iterator that may sleep can read.
. /tests/lib

waits_open()
{
	frecctl snapshot --pid "$deadlock" -o "$dir/dead.pftrace" >"$dir/out" 2>&1 || return 1
	frecctl export "$dir/dead.pftrace" --format json | grep '"name":"wait: lock [^"]* held by deadlock/' |
		grep '"still_waiting"' >"$dir/waits"
	[ "$(wc -l <"$dir/waits")" = 2 ]
}

recorder_start
/tests/bin/deadlock 60 >/dev/null &
deadlock=$!
until_true 30 waits_open || fail "open waits: $(cat "$dir/out" "$dir/waits")"
[ "$(grep -c take_other "$dir/waits")" = 2 ] || fail "no stacks: $(cat "$dir/waits")"
recorder_stop || fail "frecd left with status $?"
