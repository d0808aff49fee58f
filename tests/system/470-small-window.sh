#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A window smaller than the burst: the newest events are there, the window is reported as shorter,
# and warnings name the triggers that it is too short for.
# May run beside others.
. "$(dirname "$0")/../lib.sh"

write_config <<-EOF
	[recorder]
	memory = 1M
	window = 3s
	[trigger too-long]
	kind = lock
	threshold = 1s
	comm = nobody-has-this
	[trigger short-enough]
	kind = lock
	threshold = 1ms
	comm = nobody-has-this
EOF
start_frecd
[ "$(status "d['memory']['hot']")" -le 1048576 ] || fail "more memory than allowed"
"$workloads/switches" --pairs "$(nproc)" --pin --seconds 8 >/dev/null &
pids+=($!)
within 3 ctl status
recorded() {
	[ "$(status "d['uptime_ns'] > 4 * 10**9")" = true ]
}
within 10 recorded || fail "no uptime"
ctl status --json >"$work/status.json" || fail "status"
python3 -c 'import time; print(time.clock_gettime_ns(time.CLOCK_BOOTTIME))' >"$work/asked"
begin=$SECONDS
ctl snapshot -o "$work/small.pftrace" >/dev/null || fail "snapshot"
[ $((SECONDS - begin)) -le 3 ] || fail "the snapshot took $((SECONDS - begin)) s"
[ "$(status "d['events']['lost']")" = 0 ] || fail "events lost"
ctl export "$work/small.pftrace" --format json >"$work/small.json" || fail "export"
ctl explain "$work/small.pftrace" --json >"$work/explain.json" || fail "explain"
python3 - "$work" "$(cat "$work/asked")" <<'PYTHON' || fail "the window"
import json, sys
work, asked = sys.argv[1], int(sys.argv[2])
status = json.load(open(work + '/status.json'))
w = status['window']
assert w['wanted_ns'] == 3 * 10**9
assert 0 < w['held_ns'] < 10**9, w
assert w['held_ns'] == min(c['held_ns'] for c in w['per_cpu']) , w
assert all(c['held_ns'] < 10**9 for c in w['per_cpu']), w
text = ' '.join(w for w in status['warnings'] if 'window' in w)
assert 'too-long' in text and 'short-enough' not in text, status['warnings']
spans = {}
for line in open(work + '/small.json', errors='replace'):
    if line.startswith('{"type":"switch"'):
        e = json.loads(line)
        spans.setdefault(e['cpu'], []).append(e['ts'])
explain = json.load(open(work + '/explain.json'))['window']
assert len(spans) == len(w['per_cpu']), spans.keys()
for cpu, times in spans.items():
    assert explain[f'cpu{cpu}.held_ns'] >= explain['held_ns'], explain
    held = explain['held_ns']  # what all CPUs cover is what is in the file
    span = max(times) - sorted(times)[1]  # the first one only says who ran
    assert max(times) >= asked, f'cpu {cpu}: the newest are missing'
    # what is promised is there, and not much more is: a copy takes its time
    assert 0 < held < 10**9 and span > held * 0.8, (cpu, held, span)
assert 0 < explain['held_ns'] < 10**9, explain
PYTHON
stop_frecd || fail "frecd ended with $?"
exit 0
