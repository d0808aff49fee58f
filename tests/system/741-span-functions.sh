#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Spans from function to function, and to a function's return: without any change to the program;
# the outermost of calls within calls, and none that longjmp() or the end of a thread has left, whose
# number may be another one's since.
# May run beside others.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../spans.sh"

write_config <<-END # room for all of it, however busy the host is
	[recorder]
	window = 20s
	evidence = 128M
	[trigger pair]
	kind = span
	exe = $program
	begin = work_begin
	end = work_end
	threshold = 200ms
	cooldown = 0
	[trigger returns]
	kind = span
	exe = $program
	begin = work_all
	threshold = 200ms
	cooldown = 0
	[trigger no-program]
	kind = span
	exe = $program
	comm = somebody-else
	begin = work_all
	threshold = 200ms
END
start_frecd
within 10 watches returns && within 10 watches pair || fail "not attached: $(cat "$work/frecd.log")"
start_spans # after the recorder
tell forgets # its end: what begins next is not within it
tell function 10
tell reused 100 # by the number of a thread that ended within it: so much is of that one
tell function 300
within 10 has_snapshots 1 pair || fail "no snapshot of the pair: $(cat "$work/frecd.log")"
explain pair
[ "$(why "d['trigger']['span']")" = work_begin ] || fail "span: $(why "d['trigger']")"
[ "$(why "300e6 < d['trigger']['duration_ns'] < 3e9")" = true ] || fail "duration: $(why "d['trigger']")"
[[ $(why "d['cause']['wait']") == sleep ]] || fail "cause: $(why "d['cause']")"
[ "$(why "'main' in d['chain'][0]['stack']")" = true ] || fail "stack: $(why "d['chain']")"

tell dies
tell other 700 # time enough to take it for one that lasts
tell jump
tell other 300 # is not part of what comes after it
tell returns 30
tell returns 300
within 10 has_snapshots 1 returns || fail "no snapshot of the return: $(cat "$work/frecd.log")"
explain returns
[ "$(why "600e6 < d['trigger']['duration_ns'] < 3e9")" = true ] || fail "duration: $(why "d['trigger']")"
# its return is probed, and leads into the kernel: who called it may be missing, as the manual says
[ "$(why "'work_all' in d['chain'][0]['stack']")" = true ] || fail "stack: $(why "d['chain']")"

take all
find_slices all
[ "$(grep -c '^work_begin ' "$work/slices")" = 3 ] || fail "calls of work_begin: $(cat "$work/slices")"
[ "$(grep -c '^work_all ' "$work/slices")" = 2 ] || fail "calls of work_all: $(cat "$work/slices")"
[ "$(trigger pair fired)$(trigger returns fired)$(trigger no-program fired)" = 110 ] || fail "$(ctl triggers)"
