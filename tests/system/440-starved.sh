#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The daemon stopped for 10 s under load, then starved by real-time hogs on all CPUs: nothing is
# lost, and what happened meanwhile is in the snapshot.
. "$(dirname "$0")/../lib.sh"

write_config <<-EOF
	[recorder]
	window = 15s
	[trigger never]
	kind = lock
	threshold = 4s
	comm = nobody-has-this
EOF
start_frecd

# named NAME: a process that lives briefly; its name is evidence
named() {
	cp -f "$(type -P true)" "$work/$1"
	"$work/$1"
}

kill -STOP "$frecd_pid"
"$workloads/switches" --pairs 2 --seconds 10 >/dev/null &
load=$!
pids+=("$load")
for n in 1 2 3 4 5 6 7 8 9; do
	named "stopped-$n"
	sleep 1
done
wait "$load"
begin=$SECONDS
kill -CONT "$frecd_pid"
within 2 is_recording || fail "does not answer"
ctl snapshot -o "$work/stopped.pftrace" >/dev/null || fail "frecctl snapshot"
[ "$(status "d['events']['lost']")" = 0 ] || fail "events lost while it was stopped: $(status "d['events']")"

"$workloads/hog" --cpus "$(seq -s , 0 $(($(nproc) - 1)))" --seconds 4 >/dev/null &
hog=$!
pids+=("$hog")
"$workloads/switches" --pairs 2 --seconds 5 >/dev/null
wait "$hog"
named starved
ctl snapshot -o "$work/starved.pftrace" >/dev/null || fail "frecctl snapshot"
[ "$(status "d['events']['lost']")" = 0 ] || fail "events lost while it starved: $(status "d['events']")"

for file in stopped starved; do
	ctl export "$work/$file.pftrace" --format json >"$work/$file.json" || fail "export"
done
for n in 1 2 3 4 5 6 7 8 9; do
	grep -q "\"type\":\"thread\".*\"name\":\"stopped-$n\"" "$work/stopped.json" || fail "stopped-$n is not in it"
done
python3 - "$work/stopped.json" "$work/starved.json" <<'PYTHON' || fail "holes in the snapshots"
import json, sys

def switches(path):
    cpus = {}
    end = 0
    for line in open(path, errors='replace'):
        if line.startswith('{"type":"clocks"'):
            end = json.loads(line)['boottime']
        if line.startswith('{"type":"switch"'):
            e = json.loads(line)
            cpus.setdefault(e['cpu'], []).append(e)
    return end, cpus

end, cpus = switches(sys.argv[1])
for cpu, events in cpus.items():
    print(f'cpu {cpu}: {len(events)} switches')
    assert len(events) > 10000, cpu
end, cpus = switches(sys.argv[2])
hogs = sum(e['next_comm'] == 'hog' for events in cpus.values() for e in events)
assert hogs >= len(cpus), hogs
PYTHON
stop_frecd || fail "frecd ended with $?"
exit 0
