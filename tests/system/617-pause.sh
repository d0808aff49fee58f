#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What happened in a pause nobody saw: a thread that was ready before it and ran after it did not
# wait for a CPU all the time, neither by a snapshot from within the pause nor by one from behind it.
. "$(dirname "$0")/../lib.sh"

write_config <<-END
	[recorder]
	window = 10s
	[trigger none]
	kind = manual
END
start_frecd
for ((i = 0; i < 2 * $(nproc); i++)); do # more than there are CPUs: somebody is always ready
	sh -c 'while :; do :; done' &
	pids+=("$!")
done
# longest: of the waits for a CPU, in ms
longest() {
	ctl why --json >"$work/why.json" || fail "why"
	python3 - "$work/why.json" <<-'END'
		import json, sys
		why = json.load(open(sys.argv[1]))
		waits = [g["longest_ns"] for g in why["groups"] if g["wait"] == "runqueue"]
		print(max(waits, default=0) // 1000000)
	END
}
sleep 1
ctl pause >/dev/null || fail "pause"
sleep 3
in_pause=$(longest)
ctl resume >/dev/null || fail "resume"
sleep 1.5
behind=$(longest)
[ "$in_pause" -lt 2500 ] || fail "in the pause somebody seems to have waited $in_pause ms for a CPU"
[ "$behind" -lt 2500 ] || fail "behind it somebody seems to have waited $behind ms"
