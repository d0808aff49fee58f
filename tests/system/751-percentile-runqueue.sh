#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Six threads that share one CPU: all but one of them wait at any time, and the histogram of their
# trigger says so; the snapshot names who ran instead.
. "$(dirname "$0")/../lib.sh"

spinners=6
for name in frec-spin frec-calm; do
	cp "$(command -v sh)" "$work/$name"
done
{
	while read -r name filter percentile; do
		printf '[trigger %s]\nkind = percentile\n%s\npercentile = %s\ncooldown = 1h\n' "$name" "${filter/=/ = }" "$percentile"
	done <<-END
		spin comm=frec-spin runqueue p99 1ms/1s
		program exe=$work/frec-spin runqueue p90 1ms/1s
		few comm=frec-spin runqueue p99.999 1ms/1s
		above comm=frec-spin runqueue p50 5m/1s
		calm comm=frec-calm runqueue p99 1us/1s
		nobody uid=54321 runqueue p50 1us/1s
	END
	printf '[trigger host]\nkind = percentile\npercentile = runqueue p50 5m/1s\n'
} | write_config
start_frecd
# asleep: it does not wait for a CPU often enough
"$work/frec-calm" -c 'sleep 1000; :' &
pids+=($!)
for ((i = 0; i < spinners; i++)); do
	taskset -c 0 "$work/frec-spin" -c 'while :; do :; done' &
	pids+=($!)
done
fired() { # all that have
	ctl triggers --json | json - "sorted(t['name'] for t in d if t['fired'] + t['merged'])"
}
both() { [ "$(fired)" = '["program", "spin"]' ]; }
within 30 both || fail "fired: $(fired): $(ctl triggers; ctl status)"

# what the spinners wait is known: five of them, all the time
sample() { ctl status --json >"$work/$1" || fail "status"; }
sample first
slow_enough() {
	sample last
	python3 - "$work/first" "$work/last" <<-'END'
		import json, sys
		first, last = (json.load(open(f)) for f in sys.argv[1:])
		sys.exit(last["uptime_ns"] - first["uptime_ns"] < 3e9)
	END
}
within 10 slow_enough
for pid in "${pids[@]}"; do
	stop_pid "$pid"
done
pids=()
both || fail "fired: $(fired): $(ctl triggers; ctl status)"
python3 - "$work/first" "$work/last" $spinners <<'END' || fail "the histograms are wrong"
import json, sys

first, last = (json.load(open(f)) for f in sys.argv[1:3])
spinners = int(sys.argv[3])
wall = last["uptime_ns"] - first["uptime_ns"]
def of(status):
    return {h.get("trigger", h["of"]): h for h in status["histograms"]}
first, last = of(first), of(last)
for name in ("spin", "program", "runqueue"):
    waited = last[name]["sum_ns"] - first[name]["sum_ns"]
    # those that have not ended are not in it
    assert waited > .8 * (spinners - 1) * wall, (name, waited, wall)
    assert name == "runqueue" or waited < 1.2 * spinners * wall, (name, waited, wall)
    h = last[name]
    assert 0 < h["p50_ns"] <= h["p90_ns"] <= h["p99_ns"] <= h["p999_ns"] <= h["max_ns"], h
    assert sum(n for _, n in h["buckets"]) == h["count"], h
assert last["spin"]["count"] == last["program"]["count"] <= last["runqueue"]["count"], last
assert last["nobody"]["count"] == 0, last["nobody"]
assert "host" not in last and "request" not in last, list(last)
END

within 10 has_snapshot '*-frec_spin-*' || fail "no snapshot"
file=$(snapshots '*-frec_spin-*' | head -n 1)
ctl explain "$file" --json >"$work/why.json" || fail "explain"
why() { json "$work/why.json" "$1"; }
[ "$(why "d['trigger']['kind'] + ' ' + d['trigger']['comm']")" = "percentile frec-spin" ] || fail "$(why "d['trigger']")"
why "d['trigger']['text']" | grep -Eq '^runqueue p9[09] is .*s, over 1 ms, in the last 1 s: [0-9]+ samples$' || fail "text: $(why "d['trigger']")"
[ "$(why "d['cause']['wait']")" = runqueue ] || fail "cause: $(why "d['cause']")"
why "d['cause']['text']" | grep -q ' samples; of [0-9]* CPUs\? .* (.*pid [0-9]*) had [0-9]* %' || fail "cause: $(why "d['cause']")"
[ "$(why "sum(r['ns'] for r in d['chain'][-1]['ran_instead']) > 0")" = true ] || fail "nobody ran instead: $(why "d['chain']")"
why "d['summary']" | grep -q 'was ready to run for .* without getting a CPU' || fail "summary: $(why "d['summary']")"
exit 0
