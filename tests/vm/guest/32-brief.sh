#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# A process that ends as soon as its first slow wait has fired a trigger has the functions of that wait:
# where it ends before anybody could look, they are told when it lets go of its memory.
. /tests/lib

recorder_start '[trigger nap]' 'kind = offcpu' 'comm = spans' 'threshold = 50ms' 'cooldown = 0' \
	'max_per_hour = 0'
has_snapshots()
{
	[ "$(ls "$spool" | grep -c -- -nap-)" -ge "$1" ]
}
for i in 1 2 3 4 5 6 7 8; do
	echo "sleeper 60" | /tests/bin/spans >/dev/null
	until_true 20 has_snapshots $i || fail "no snapshot of run $i: $(frecctl triggers)"
	frecctl explain "$(ls "$spool"/*-nap-* | tail -n 1)" --json >"$dir/why" || fail "explain"
	tr -d ' \n' <"$dir/why" | grep -q '"stack":\["[^]]*"nap",[^]]*"main"' || fail "run $i: $(cat "$dir/why")"
done
