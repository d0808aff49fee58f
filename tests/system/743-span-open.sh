#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A span that does not end fires while it lasts, once, and reaches to the end of the trace; one that
# ends within hold is told with its end. What a program had begun ends with it: by exec, by death.
# May run beside others.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../spans.sh"

write_config <<-END
	[trigger order]
	kind = span
	exe = $program
	span = order
	threshold = 500ms
	hold = 1s
	cooldown = 0
	max_per_hour = 0
	post = 0
END
# How many are under way, where that can be looked at.
open_spans() {
	if mountpoint -q "$work/run/bpf" && command -v bpftool >/dev/null; then
		bpftool map dump pinned "$work/run/bpf/span_opens" | grep -c '"def"\|^key:'
	else
		echo 0
	fi
}

no_open_spans() {
	[ "$(open_spans)" = 0 ]
}

start_spans
start_frecd
within 10 watches order || fail "not attached"
ask_spans relay 1200 # announced, and then it ends, in another thread
within 10 grep -q 'trigger order: spans.*has been in a span for.*and still is$' "$work/frecd.log" || fail "not announced"
within 10 has_snapshots 1 order || fail "no snapshot of a long one"
read -r -t 10 _ <&"${SPANS[0]}" || fail "no answer"
explain order
[ "$(why "d['trigger']['comm']")" = ender ] || fail "not its end: $(why "d['trigger']")"
[ "$(why "1200e6 <= d['trigger']['duration_ns']")" = true ] || fail "duration"

tell threads 16
within 10 no_open_spans || fail "spans that ended are kept: $(open_spans)"
tell stuck
within 10 has_snapshots 2 order || fail "no snapshot of one that does not end"
explain order
[ "$(why "d['trigger']['span_id']")" = 4711 ] || fail "id: $(why "d['trigger']")"
take all
find_slices all
grep -q '^order 4711 .* open$' "$work/slices" || fail "no open slice: $(cat "$work/slices")"
tell leaves # that the thread had ended is known of the time from then on
within 10 has_snapshots 3 order || fail "no snapshot of one that outlives its thread"
explain order
grep -Eq 'leaver \(tid [0-9]+ of [^)]*\) ended .* before this snapshot' "$work/why.json" ||
	fail "its end is not said: $(why "d['cause']")"
[ "$(why "any(p['wait'] == 'exit' for p in d['subject']['parts'])")" = true ] ||
	fail "parts: $(why "d['subject']")"
tell fast
[ "$(trigger order fired)" = 3 ] || fail "fired $(trigger order fired) times"

reload # what is watched still, and what was told of, stays
tell exec # begins 77
within 2 has_snapshots 4 order && fail "a span that exec ended fired"
[ "$(trigger order fired)" = 3 ] || fail "fired $(trigger order fired) times"
tell stuck
kill -KILL "$spans_pid"
within 10 no_open_spans || fail "spans of the dead are kept: $(open_spans)"
[ "$(status "d['events']['lost']")" = 0 ] || fail "lost: $(status "d['events']")"
