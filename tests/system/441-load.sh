#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Nothing is lost at the highest rate of events this machine makes, also while three snapshots are
# written, and each holds everything up to its request on every CPU.
. "$(dirname "$0")/../lib.sh"

write_quiet_config
start_frecd
before=$(status "d['events']['recorded']")
begin=$(date +%s%N)
"$workloads/switches" --pairs "$(nproc)" --pin --seconds 50 >/dev/null &
pids+=($!)
hackbench -l 2000 -g 2 >/dev/null 2>&1 &
pids+=($!)
sleep 2
for n in 1 2 3; do
	python3 -c 'import time; print(time.clock_gettime_ns(time.CLOCK_BOOTTIME))' >"$work/asked.$n"
	ctl snapshot -o "$work/$n.pftrace" >/dev/null || fail "snapshot $n"
done
rate=$((($(status "d['events']['recorded']") - before) * 1000000000 / ($(date +%s%N) - begin)))
echo "$rate events/s"
stop_pid "${pids[0]}"
[ "$(status "d['events']['lost']")" = 0 ] || fail "events lost: $(status "d['events']")"
for n in 1 2 3; do
	ctl export "$work/$n.pftrace" --format json >"$work/$n.json" || fail "export $n"
	python3 - "$work/$n.json" "$(cat "$work/asked.$n")" "$(nproc)" <<'PYTHON' || fail "snapshot $n"
import json, sys
asked, cpus, last, lost = int(sys.argv[2]), int(sys.argv[3]), {}, None
for line in open(sys.argv[1], errors='replace'):
    if line.startswith('{"type":"switch"'):
        e = json.loads(line)
        last[e['cpu']] = max(e['ts'], last.get(e['cpu'], 0))
    elif line.startswith('{"type":"attribute"') and '"frec.window.lost"' in line:
        lost = int(json.loads(line)['value'])
assert len(last) == cpus, last
# every CPU switches all the time: what came after the request stands behind all from before it
for cpu, ts in last.items():
    assert ts >= asked, f'cpu {cpu} ends {(asked - ts) / 1e6:.2f} ms before the request'
assert lost == 0, lost
PYTHON
done
[ "$rate" -gt 200000 ] || skip "nothing lost, but this machine made $rate events/s only"
stop_frecd || fail "frecd ended with $?"
exit 0
