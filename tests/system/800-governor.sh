#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Over a million system calls and switches a second cost more than overhead_budget: what is recorded
# becomes less, step by step. Each step is in the log, in status and in the trace. With LONG=yes, as
# `make soak` runs it: and all of it again when the host is quiet.
. "$(dirname "$0")/../lib.sh"

level() {
	status "d['overhead']['level']"
}

reaches() {
	[ "$(level)" -ge "$1" ]
}

# load COUNT: as many programs of both kinds
load() {
	for _ in $(seq "$1"); do
		dd if=/dev/zero of=/dev/null bs=1 status=none &
		pids+=($!)
		"$workloads/switches" --pairs 2 --pin --seconds 100 >/dev/null &
		pids+=($!)
	done
}

write_quiet_config "syscalls = all"
sed -i "s/^overhead_budget = .*/overhead_budget = 1%/" "$work/frec.conf"
start_frecd
[ "$(level)" = 0 ] || fail "it begins at level $(level)"
load "$(nproc)"
within 80 reaches 5 || fail "level $(level): $(status "d['overhead']")"
take shed --last 4s
for what in "copies of stacks" stacks "system calls that do not sleep" "system calls" wake-ups; do
	grep -q "overhead_budget is 1 %: leaving out $what (level [1-5])" "$work/frecd.log" || fail "log: $what"
done
python3 - "$work/shed.json" <<'END' || fail "the trace"
import json, sys
steps = [e for e in map(json.loads, open(sys.argv[1], errors='replace')) if str(e.get('name')).startswith('left out: ')]
args = [{a['key']: a.get('value') for a in e['args']} for e in steps]
levels = [a['level'] for a in args]  # from what was in force as the window begins
assert levels == list(range(6 - len(levels), 6)) and steps[-1]['name'] == 'left out: wake-ups', steps
assert all(a['share_ppm'] > 10000 for a in args), steps
END
ctl explain "$work/shed.pftrace" | grep -q '^left out   stacks, system calls, wake-ups, from .* before its end on: ' ||
	fail "explain: $(ctl explain "$work/shed.pftrace" | tail -n 8)"

[ "${LONG:-}" ] || exit 0
# quiet again: the last step is taken back after half a minute
for pid in "${pids[@]}"; do
	kill "$pid"
done
back() {
	grep -q 'wake-ups are recorded again (level 4)' "$work/frecd.log"
}
if ! within 50 back; then
	[ "$(status "d['overhead']['recent']['bpf_share'] < 0.004")" != true ] || fail "not taken back"
	skip "others keep the host too busy to see that the last step is taken back: $(status "d['overhead']")"
fi
[ "$(level)" -le 4 ] || fail "level $(level)"
