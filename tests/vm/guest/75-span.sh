#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Spans: those that a program marks, of two threads and one that does not end, from function to
# function, and to a function's return; uprobes are the kernel's.
. /tests/lib

snapshot_of()
{
	ls "$spool"/*-"$1"-*.pftrace
}

program=/tests/bin/spans
recorder_start '[trigger order]' 'kind = span' "exe = $program" 'span = order' 'threshold = 200ms' \
	'cooldown = 0' 'hold = 2s' \
	'[trigger function]' 'kind = span' "exe = $program" 'begin = work_begin' 'end = work_end' 'threshold = 200ms' \
	'[trigger returns]' 'kind = span' "exe = $program" 'begin = work_all' 'threshold = 300ms'
mkfifo "$dir/orders"
$program <"$dir/orders" >"$dir/said" &
exec 4>"$dir/orders"
until_true 10 grep -q ready "$dir/said" || fail "no program"
all_attached()
{
	frecctl status --json >"$dir/status" && ! grep 'cannot fire' "$dir/status"
}
until_true 30 all_attached || fail "not attached"

tell()
{
	echo "$*" >&4
	before=$((before + 1))
	until_true 20 done_is "$before" || fail "$*: $(cat "$dir/said")"
}

done_is()
{
	[ "$(grep -c done "$dir/said")" -ge "$1" ]
}

before=0
tell fast
tell relay 600
until_true 20 snapshot_of order || fail "no snapshot: $(frecctl triggers)"
frecctl explain "$(snapshot_of order)" >"$dir/why" || fail "explain"
grep -q '^span *order, id 2, begun by spans, thread' "$dir/why" || fail "$(cat "$dir/why")"
grep -q 'ender.*slept' "$dir/why" || fail "not the ender: $(cat "$dir/why")"
tell function 300
until_true 20 snapshot_of function || fail "no snapshot of functions: $(frecctl triggers)"
tell jump
tell returns 300
until_true 20 snapshot_of returns || fail "no snapshot of a return: $(frecctl triggers)"
frecctl explain "$(snapshot_of returns)" >"$dir/why" || fail "explain"
grep -q '^span *work_all$' "$dir/why" || fail "$(cat "$dir/why")"
tell stuck
still_waits()
{
	[ "$(snapshot_of order | wc -l)" -ge 2 ]
}
until_true 20 still_waits || fail "the span that does not end did not fire: $(frecctl triggers)"
tell fast
recorder_stop || fail "frecd left with status $?"
tell fast
