#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A program that never ends its spans leaves room for others': its oldest are forgotten, which is said.
# May run beside others.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../spans.sh"

write_config <<-END
	[trigger order]
	kind = span
	exe = $program
	span = order
	threshold = 10s
	[trigger other]
	kind = span
	exe = $program
	span = other
	threshold = 100ms
END
start_frecd
within 10 watches order && within 10 watches other || fail "not attached"
start_spans
tell leak 20000 # more than there is room for
within 10 grep -q "spans are under way, .* of pid $spans_pid, which may not end them" "$work/frecd.log" ||
	fail "it is not said"
tell other 200
within 10 has_snapshots 1 other || fail "no snapshot of another span"
[ "$(status "d['events']['lost'] > 0")" = true ] || fail "what found no place is not counted"
