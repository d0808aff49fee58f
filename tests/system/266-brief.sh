#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A process that ends as soon as its first slow wait has fired a trigger has the functions of that wait,
# though nobody could look at it in between.
. "$(dirname "$0")/../lib.sh"

write_config <<-END
	[recorder]
	evidence = 64M
	[trigger nap]
	kind = offcpu
	threshold = 50ms
	comm = spans
	cooldown = 0
	max_per_hour = 0
END
has_snapshots() {
	[ "$(snapshots "*-nap-*" | wc -l)" -ge "$1" ]
}
start_frecd
for i in {1..5}; do
	"$workloads/spans" >"$work/said" <<<"sleeper 60"
	within 10 has_snapshots "$i" || fail "no snapshot of run $i"
	ctl explain "$(snapshots "*-nap-*" | tail -n 1)" --json >"$work/why.json" || fail "explain"
	json "$work/why.json" "d['chain'][0]['stack']" >"$work/stack"
	grep -q '"nap".*"main"' "$work/stack" || fail "run $i: $(cat "$work/stack")"
done
