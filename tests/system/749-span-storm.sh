#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# In a storm of spans that no trigger fires for, each that one would fire for is in the trace, also if
# it is shorter than the waits that get stacks.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../spans.sh"

write_config <<-END
	[recorder]
	window = 10s
	evidence = 4M
	stacks = 2s
	[trigger order]
	kind = span
	exe = $program
	span = order
	threshold = 4s
	[trigger other]
	kind = span
	exe = $program
	span = other
	threshold = 3ms
	cooldown = 1h
END
start_frecd
within 10 watches order && within 10 watches other || fail "not attached"
refused() {
	status "d['events']['refused'] > $1" | grep -q true
}
while echo threads 4; do :; done 2>/dev/null | "$program" >/dev/null &
storm=$!
pids+=("$storm")
within 20 refused 10000 || fail "this is no storm: $(status "d['events']")"
start_spans
for _ in {1..20}; do
	tell other 5
done
stop_pid "$storm"
take all
find_slices all
[ "$(grep -c '^other ' "$work/slices")" = 20 ] || fail "$(grep -c '^other ' "$work/slices") of 20 are there"
[ "$(trigger other fired)" = 1 ] || fail "fired $(trigger other fired) times"
