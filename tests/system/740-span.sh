#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Spans that a program marks with frec.h: nops until a trigger wants them, then slices in the trace,
# and a snapshot when one takes too long; in threads that differ, nested, overlapping.
# May run beside others.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../spans.sh"

write_config <<-END # room for all of it, however busy the host is
	[recorder]
	window = 20s
	evidence = 128M
	[trigger slow-order]
	kind = span
	exe = $program
	span = order
	threshold = 100ms
	cooldown = 0
	max_per_hour = 0
	post = 50ms
	[trigger nested]
	kind = span
	exe = $program
	span = part.*
	threshold = 4s
END
start_spans
[ "$(probes)" = "90 90" ] || fail "with no recorder the probes are $(probes)"
start_frecd # the program runs already
within 10 watches slow-order || fail "not attached: $(cat "$work/frecd.log")"
[[ $(probes) == *cc* ]] || fail "the probes of what is watched are $(probes)"

tell fast
tell sleeper 20
tell other 200
[ "$(trigger slow-order fired)" = 0 ] || fail "fired for a fast one"

tell locked 300
within 10 has_snapshots 1 slow-order || fail "no snapshot of locked: $(cat "$work/frecd.log")"
explain slow-order
[ "$(why "d['trigger']['kind']")" = span ] || fail "kind: $(cat "$work/why.json")"
[ "$(why "d['trigger']['span']")" = order ] || fail "span"
[ "$(why "d['trigger']['span_id']")" = 3 ] || fail "span_id: $(why "d['trigger']")"
[ "$(why "290e6 < d['trigger']['duration_ns'] < 5e9")" = true ] || fail "duration"
[[ $(why "[l['comm'] + ' ' + l['wait'] for l in d['chain']]") == *"spans lock"*"holder sleep"* ]] ||
	fail "chain: $(why "d['chain']")"

tell relay 300
within 10 has_snapshots 2 slow-order || fail "no snapshot of relay"
explain slow-order
[ "$(why "d['trigger']['comm']")" = ender ] || fail "relay: ended by $(why "d['trigger']")"
[ "$(why "d['trigger']['begin_comm']")" = spans ] || fail "relay: begun by $(why "d['trigger']")"
[[ $(why "[l['comm'] + ' ' + l['wait'] for l in d['chain']]") == '["ender sleep"]' ]] ||
	fail "chain of relay: $(why "d['chain']")"

tell nested
take all
find_slices all
for slice in "order 1" "order 4" "part.inner 1" "part.inner 2" "part.outer 1"; do
	has_slice "$slice" || fail "no slice $slice: $(cat "$work/slices")"
done
has_slice "other .*" && fail "a span that no trigger wants is recorded"
[ "$(trigger slow-order fired)" = 2 ] || fail "fired $(trigger slow-order fired) times"
[ "$(trigger nested fired)" = 0 ] || fail "nested fired"

stop_frecd
[ "$(probes)" = "90 90" ] || fail "after the recorder the probes are $(probes)"
tell fast
